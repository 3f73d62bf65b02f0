import { workerData, parentPort } from "node:worker_threads";
import { systemCalls } from "./system-calls.ts";

/**
 * The reading side of a TapStream, in a thread of its own: it sleeps in poll(2) on the TAP device and on an eventfd by
 * which the stream wakes it (credit came, or it shall stop), and posts what it read as batches of whole frames.
 *
 * A read of a TAP device through libuv would occupy one thread of its pool for ever, which is why this is here.
 */
export interface FrameReaderInit {
  /** Tells this module that it is the thread's program; it is also imported, possibly in threads of another purpose. */
  readonly role: typeof FRAME_READER;
  readonly tapFd: number;
  readonly wakeFd: number;
  /** Int32: [batches that may be posted, stop flag]. */
  readonly control: SharedArrayBuffer;
  /** Size in bytes of the largest frame. */
  readonly frameSize: number;
  readonly batchFrames: number;
}

export type FrameReaderMessage =
  | { readonly kind: "frames"; readonly bytes: ArrayBuffer; readonly lengths: readonly number[] }
  /** The device is gone (its interface was deleted). */
  | { readonly kind: "end"; readonly errno: number }
  | { readonly kind: "stopped" };

export const FRAME_READER = "frame-reader";
export const CREDIT = 0;
export const STOP = 1;

const POLLIN = 0x001;
const POLLERR = 0x008;
const EAGAIN = 11;
const EINTR = 4;

const given: { readonly role?: unknown } | null | undefined = workerData;
if (parentPort && given?.role === FRAME_READER) {
  const port = parentPort;
  const init: FrameReaderInit = workerData;
  const calls = await systemCalls();
  const control = new Int32Array(init.control);
  const slab = new Uint8Array(init.frameSize * init.batchFrames);
  const polled = Buffer.alloc(16);
  const wakeups = Buffer.alloc(8);
  polled.writeInt32LE(init.wakeFd, 0);
  polled.writeInt16LE(POLLIN, 4);
  polled.writeInt32LE(init.tapFd, 8);
  polled.writeInt16LE(POLLIN, 12);
  const post = (message: FrameReaderMessage, transfer: readonly ArrayBuffer[] = []) =>
    port.postMessage(message, transfer);

  /** Reads up to a batch; true while the device may have more. */
  const drain = (): boolean => {
    const lengths: number[] = [];
    let used = 0;
    let result = 0;
    while (lengths.length < init.batchFrames) {
      result = calls.read(init.tapFd, slab.subarray(used, used + init.frameSize), init.frameSize);
      if (result <= 0) break;
      lengths.push(result);
      used += result;
    }
    const errno = result < 0 ? calls.errno() : 0;
    if (lengths.length > 0) {
      Atomics.sub(control, CREDIT, 1);
      const bytes = slab.buffer.slice(0, used);
      post({ kind: "frames", bytes, lengths }, [bytes]);
    }
    if (errno !== 0 && errno !== EAGAIN && errno !== EINTR) {
      post({ kind: "end", errno });
      return false;
    }
    return true;
  };

  let alive = true;
  while (alive && Atomics.load(control, STOP) === 0) {
    const mayPost = Atomics.load(control, CREDIT) > 0;
    polled.writeInt16LE(0, 6);
    polled.writeInt16LE(0, 14);
    if (calls.poll(polled, mayPost ? 2 : 1, -1) < 0) continue;
    if (polled.readInt16LE(6) !== 0) calls.read(init.wakeFd, wakeups, 8);
    if (mayPost && (polled.readInt16LE(14) & (POLLIN | POLLERR)) !== 0) alive = drain();
  }
  post({ kind: "stopped" });
}

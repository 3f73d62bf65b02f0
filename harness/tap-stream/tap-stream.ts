import { closeSync, writeSync } from "node:fs";
import path from "node:path";
import { Duplex } from "node:stream";
import { Worker } from "node:worker_threads";
import { LabError, errorCode, errorMessage } from "#core";
import { CREDIT, FRAME_READER, STOP, type FrameReaderInit, type FrameReaderMessage } from "./frame-reader.ts";
import { openTap, type Tap, type TapOptions } from "./open-tap.ts";
import { systemCalls } from "./system-calls.ts";

export interface TapStreamOptions extends Omit<TapOptions, "vnetHeader"> {
  readonly signal?: AbortSignal;
  /** Frames read but not yet consumed before the kernel's own queue is left to fill, and then to drop. Default 256. */
  readonly readableHighWaterMark?: number;
}

export interface TapStreamCounters {
  readonly framesIn: number;
  readonly bytesIn: number;
  readonly framesOut: number;
  readonly bytesOut: number;
  /** Frames written while the interface was down or its queue full: lost, as on a real wire. */
  readonly framesLost: number;
}

const MINIMUM_FRAME = 14;
/** Ethernet header and one VLAN tag. */
const FRAME_OVERHEAD = 18;
const DEFAULT_MTU = 1500;
const BATCH_FRAMES = 64;
/** Batches that may be under way at once: enough to keep the reader busy while the main thread works. */
const BATCHES_IN_FLIGHT = 4;
const EFD_CLOEXEC_NONBLOCK = 0x8_0800;
/** The interface is down, or the kernel has no room: what a wire without a partner does with a frame. */
const LOSSES: ReadonlySet<string> = new Set(["EIO", "EAGAIN", "ENOBUFS"]);
const WAKE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

/**
 * A TAP device as a Duplex of Ethernet frames: each chunk read or written is one whole frame (Uint8Array, from the
 * destination address on, without frame check sequence). What the host's kernel sends comes out; what is written, the
 * kernel receives. A slow consumer is waited for: the kernel's transmit queue fills and then drops, as on a real wire.
 */
export class TapStream extends Duplex {
  readonly name: string;
  readonly mac: string;
  readonly #tap: Tap;
  readonly #wakeFd: number;
  readonly #control = new Int32Array(new SharedArrayBuffer(8));
  readonly #worker: Worker;
  #exited = false;
  /** Batches taken from the worker whose credit has not been given back since the consumer is full. */
  #owed = 0;
  #counters = { framesIn: 0, bytesIn: 0, framesOut: 0, bytesOut: 0, framesLost: 0 };

  /**
   * Makes the device and starts reading.
   *
   * @throws what `openTap` throws, and the signal's reason.
   */
  static async open(options: TapStreamOptions = {}): Promise<TapStream> {
    options.signal?.throwIfAborted();
    const calls = await systemCalls();
    const tap = await openTap(options);
    const wakeFd = calls.eventfd(0, EFD_CLOEXEC_NONBLOCK);
    if (wakeFd < 0) {
      tap.close();
      throw new LabError(
        "DESCRIPTORS_EXHAUSTED",
        "no file descriptor left for a TAP reader: raise 'ulimit -n'",
      );
    }
    return new TapStream(tap, wakeFd, options);
  }

  private constructor(tap: Tap, wakeFd: number, options: TapStreamOptions) {
    super({
      objectMode: true,
      readableHighWaterMark: options.readableHighWaterMark ?? 256,
      writableHighWaterMark: 256,
      // An interface has no half-open state: both directions end with it.
      allowHalfOpen: false,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    this.name = tap.name;
    this.mac = tap.mac;
    this.#tap = tap;
    this.#wakeFd = wakeFd;
    this.#control[CREDIT] = BATCHES_IN_FLIGHT;
    const init: FrameReaderInit = {
      role: FRAME_READER,
      tapFd: tap.fd,
      wakeFd,
      control: this.#control.buffer,
      frameSize: (options.mtu ?? DEFAULT_MTU) + FRAME_OVERHEAD,
      batchFrames: BATCH_FRAMES,
    };
    const module = `./frame-reader${path.extname(import.meta.filename)}`;
    this.#worker = new Worker(new URL(module, import.meta.url), {
      workerData: init,
      name: `tap ${tap.name}`,
    });
    this.#worker.on("message", (message: FrameReaderMessage) => this.#received(message));
    this.#worker.on("error", (error) => this.destroy(error));
    this.#worker.once("exit", () => (this.#exited = true));
  }

  get counters(): TapStreamCounters {
    return { ...this.#counters };
  }

  override _read(): void {
    if (this.#owed === 0) return;
    Atomics.add(this.#control, CREDIT, this.#owed);
    this.#owed = 0;
    this.#wake();
  }

  override _write(frame: Uint8Array, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    done(this.#send(frame));
  }

  override _writev(frames: readonly { readonly chunk: Uint8Array }[], done: (error?: Error) => void): void {
    for (const { chunk } of frames) {
      const error = this.#send(chunk);
      if (error) {
        done(error);
        return;
      }
    }
    done();
  }

  override _final(done: (error?: Error) => void): void {
    done();
    this.destroy();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    Atomics.store(this.#control, STOP, 1);
    this.#wake();
    const close = () => {
      // Only now: a descriptor number must not be reused while the thread may still read from it.
      this.#tap.close();
      closeSync(this.#wakeFd);
      done(error);
    };
    if (this.#exited) close();
    else this.#worker.once("exit", close);
  }

  /** Stops the reader and closes the device; resolves when the interface is gone. */
  override async [Symbol.asyncDispose](): Promise<void> {
    if (!this.destroyed) this.destroy();
    if (this.closed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.once("close", resolve);
    await promise;
  }

  #received(message: FrameReaderMessage): void {
    if (this.destroyed || message.kind === "stopped") return;
    if (message.kind === "end") {
      this.push(null);
      return;
    }
    let offset = 0;
    let wanted = true;
    for (const length of message.lengths) {
      wanted = this.push(new Uint8Array(message.bytes, offset, length));
      offset += length;
    }
    this.#counters.framesIn += message.lengths.length;
    this.#counters.bytesIn += offset;
    this.#owed++;
    if (wanted) this._read();
  }

  #send(frame: Uint8Array): Error | undefined {
    if (frame.length < MINIMUM_FRAME) {
      return new TypeError(
        `TapStream: a frame of ${frame.length} bytes has no room for the Ethernet header (14)`,
      );
    }
    try {
      writeSync(this.#tap.fd, frame);
      this.#counters.framesOut++;
      this.#counters.bytesOut += frame.length;
    } catch (error) {
      if (!LOSSES.has(errorCode(error)))
        return error instanceof Error ? error : new Error(errorMessage(error));
      this.#counters.framesLost++;
    }
    return undefined;
  }

  #wake(): void {
    writeSync(this.#wakeFd, WAKE);
  }
}

import { watch } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { WireObserver } from "#capture";
import type { Clock } from "#core";
import type { Timeline } from "./timeline.ts";

export interface WireWatch extends AsyncDisposable {
  /** Reads what has been captured until now and tells all sums. */
  catchUp(): Promise<void>;
}

const chunkBytes = 1 << 20;
/** QEMU writes frame by frame; to look at each at once would take a processor's time from the guest. */
const gatherMs = 50;

/**
 * Follows a capture that QEMU is writing and appends what it shows (`wire` events, each with the number of its `nic`).
 * The packets' wall-clock times become times of the run; nothing is polled: the file system tells of writes.
 */
export async function watchWire(
  file: string,
  nic: number,
  timeline: Timeline,
  clock: Clock,
): Promise<WireWatch> {
  const handle = await open(file, "a+", 0o600);
  const startedAt = clock.startedAt.getTime() / 1000;
  const observer = new WireObserver((kind, data, time) =>
    timeline.append("wire", kind, { nic, ...data }, time - startedAt),
  );
  const buffer = Buffer.allocUnsafe(chunkBytes);
  let reading: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  /** Reads what is there, after any read that is under way: the file's position is one for all. */
  const read = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    reading = reading.catch(() => {}).then(() => drain(handle, buffer, observer));
    return reading;
  };
  const soon = () => {
    timer ??= setTimeout(() => void read().catch(() => {}), gatherMs);
  };
  const watcher = watch(file, soon);
  return {
    async catchUp() {
      await read();
      observer.flush();
    },
    async [Symbol.asyncDispose]() {
      watcher.close();
      await read();
      observer.flush();
      await handle.close();
    },
  };
}

async function drain(handle: FileHandle, buffer: Buffer, observer: WireObserver): Promise<void> {
  for (;;) {
    // A null position reads on from where the last read ended.
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return;
    observer.push(buffer.subarray(0, bytesRead));
  }
}

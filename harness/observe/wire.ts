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

/**
 * Follows a capture that QEMU is writing and appends what it shows (`wire` events, each with the number of its `nic`).
 * The packets' wall-clock times become times of the run; nothing is polled: the file system tells of every write.
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
  let reading: Promise<void> | undefined;
  let again = false;
  const read = (): Promise<void> => {
    again = true;
    reading ??= (async () => {
      while (again) {
        again = false;
        await drain(handle, observer);
      }
    })().finally(() => (reading = undefined));
    return reading;
  };
  const watcher = watch(file, () => void read().catch(() => {}));
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

async function drain(handle: FileHandle, observer: WireObserver): Promise<void> {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (;;) {
    // A null position reads on from where the last read ended.
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return;
    observer.push(buffer.subarray(0, bytesRead));
  }
}

import type { BlockDevice, IoOptions } from "#block";
import { UsageError } from "#core";
import { Command, TransmissionFlag, defaultMaxPayload, maxString } from "./protocol.ts";

export interface NbdExportOptions {
  /** What clients ask for; the empty name is the default export. */
  readonly name: string;
  /** Stays the caller's: the server never disposes it. */
  readonly device: BlockDevice;
  readonly readOnly?: boolean;
  readonly description?: string;
}

/** A disk that clients may use until it is fenced. */
export class NbdExport {
  readonly name: string;
  readonly description: string;
  readonly device: BlockDevice;
  readonly readOnly: boolean;
  #fenced = false;
  #running = 0;
  #idle: (() => void)[] = [];

  constructor(options: NbdExportOptions) {
    this.name = options.name;
    this.description = options.description ?? "";
    this.device = options.device;
    this.readOnly = options.readOnly === true || options.device.readOnly;
    for (const text of [this.name, this.description])
      if (Buffer.byteLength(text) > maxString)
        throw new UsageError(
          "BAD_EXPORT",
          `an export's name and description have ${maxString} bytes at most`,
        );
  }

  get fenced(): boolean {
    return this.#fenced;
  }

  /** What the protocol calls transmission flags: which commands this export knows. */
  get flags(): number {
    const { HasFlags, SendFlush, SendFua, SendDf, CanMultiConn, SendCache } = TransmissionFlag;
    const { ReadOnly, SendTrim, SendWriteZeroes } = TransmissionFlag;
    const common = HasFlags | SendFlush | SendFua | SendDf | CanMultiConn | SendCache;
    return common | (this.readOnly ? ReadOnly : SendTrim | SendWriteZeroes);
  }

  /** Smallest, best and largest length of a request, bytes. */
  get blockSizes(): readonly [number, number, number] {
    return [this.device.blockSize, Math.max(4096, this.device.blockSize), defaultMaxPayload];
  }

  /** Runs a command that came before any fence; `fence` waits for it. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
      if (this.#running === 0) for (const resume of this.#idle.splice(0)) resume();
    }
  }

  /** Lets no further command through, at once; resolves when those that came before are over. */
  async fence(options: IoOptions = {}): Promise<void> {
    const { signal } = options;
    this.#fenced = true;
    signal?.throwIfAborted();
    if (this.#running === 0) return;
    await new Promise<void>((resolve, reject) => {
      const abort = () => reject(signal?.reason as Error);
      signal?.addEventListener("abort", abort, { once: true });
      this.#idle.push(() => {
        signal?.removeEventListener("abort", abort);
        resolve();
      });
    });
  }
}

const commandNames = new Map<number, string>([
  [Command.Read, "read"],
  [Command.Write, "write"],
  [Command.Disconnect, "disconnect"],
  [Command.Flush, "flush"],
  [Command.Trim, "trim"],
  [Command.Cache, "cache"],
  [Command.WriteZeroes, "write-zeroes"],
  [Command.BlockStatus, "block-status"],
]);

/** A command's name in events. */
export const commandName = (type: number): string => commandNames.get(type) ?? `unknown ${type}`;

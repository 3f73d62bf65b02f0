import type { BlockDevice, Extent, IoOptions, WriteOptions } from "#block";

const firstWindow = 64 * 1024;
const largestWindow = 1024 * 1024;

/**
 * A disk that is read one piece after the other, as boot loaders do through a BIOS, 16 KiB at a time: what follows is
 * fetched along, so that not every piece waits for the network. Each read that goes on where the last ended doubles how
 * much. A write lets go of what is held.
 */
export class ReadAhead implements BlockDevice {
  readonly size: number;
  readonly blockSize: number;
  readonly readOnly: boolean;
  readonly #device: BlockDevice;
  #held: { readonly offset: number; readonly bytes: Uint8Array } | undefined;
  #next = -1;
  #window = firstWindow;
  #writes = 0;

  constructor(device: BlockDevice) {
    this.#device = device;
    this.size = device.size;
    this.blockSize = device.blockSize;
    this.readOnly = device.readOnly;
  }

  async read(offset: number, into: Uint8Array, options: IoOptions = {}): Promise<void> {
    const goesOn = offset === this.#next;
    this.#next = offset + into.length;
    if (this.#fromHeld(offset, into)) return;
    this.#window = goesOn ? Math.min(this.#window * 2, largestWindow) : firstWindow;
    const length = Math.min(Math.max(this.#window, into.length), this.size - offset);
    if (!goesOn || length <= into.length) return await this.#device.read(offset, into, options);
    const writes = this.#writes;
    const bytes = new Uint8Array(length);
    await this.#device.read(offset, bytes, options);
    into.set(bytes.subarray(0, into.length));
    if (writes === this.#writes) this.#held = { offset, bytes };
  }

  async write(offset: number, from: Uint8Array, options?: WriteOptions): Promise<void> {
    await this.#changing(() => this.#device.write(offset, from, options));
  }

  async trim(offset: number, length: number, options?: IoOptions): Promise<void> {
    await this.#changing(() => this.#device.trim(offset, length, options));
  }

  flush(options?: IoOptions): Promise<void> {
    return this.#device.flush(options);
  }

  extents(offset: number, length: number, options?: IoOptions): AsyncIterable<Extent> {
    return this.#device.extents(offset, length, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#held = undefined;
    await this.#device[Symbol.asyncDispose]();
  }

  #fromHeld(offset: number, into: Uint8Array): boolean {
    const held = this.#held;
    if (held === undefined) return false;
    const at = offset - held.offset;
    if (at < 0 || at + into.length > held.bytes.length) return false;
    into.set(held.bytes.subarray(at, at + into.length));
    return true;
  }

  /** What is read while something changes may be of before or after it, and is not kept. */
  async #changing(change: () => Promise<void>): Promise<void> {
    this.#writes++;
    this.#held = undefined;
    try {
      await change();
    } finally {
      this.#writes++;
      this.#held = undefined;
    }
  }
}

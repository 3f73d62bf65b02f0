import type { BlockDevice, Extent, IoOptions, WriteOptions } from "./block-device.ts";
import { mergeExtents } from "./merge-extents.ts";
import { checkRange, checkWritable } from "./range.ts";

const granule = 4096;

/**
 * A writable disk over a base that is never written: what is written lives in `store`, in granules of 4 KiB, and which
 * granules those are is known only to this object, so a store is of no use to a later overlay.
 *
 * Takes both devices over: disposing it disposes them.
 */
export class OverlayDevice implements BlockDevice {
  readonly size: number;
  readonly blockSize: number;
  readonly readOnly = false;
  readonly #base: BlockDevice;
  readonly #store: BlockDevice;
  /** One bit a granule: set when `store` holds it. */
  readonly #present: Uint8Array;
  /** Granules that a write is bringing into the store; nobody else may touch them until then. */
  readonly #arriving = new Map<number, Promise<void>>();

  /** @throws RangeError when `store` has another size than `base`, or larger blocks. */
  constructor(base: BlockDevice, store: BlockDevice) {
    if (store.size !== base.size || store.blockSize > base.blockSize) {
      throw new RangeError(
        `a store of ${store.size} bytes in blocks of ${store.blockSize} does not fit a base of ${base.size} in blocks of ${base.blockSize}`,
      );
    }
    this.#base = base;
    this.#store = store;
    this.size = base.size;
    this.blockSize = base.blockSize;
    this.#present = new Uint8Array(Math.ceil(base.size / granule / 8));
  }

  async read(offset: number, into: Uint8Array, options: IoOptions = {}): Promise<void> {
    checkRange(this, offset, into.length);
    await Promise.all(
      this.#runs(offset, into.length).map(async ({ start, end, present }) => {
        const device = present ? this.#store : this.#base;
        await device.read(start, into.subarray(start - offset, end - offset), options);
      }),
    );
  }

  async write(offset: number, from: Uint8Array, options: WriteOptions = {}): Promise<void> {
    checkWritable(this, offset, from.length);
    await this.#change(offset, from.length, options, () => this.#store.write(offset, from, options));
  }

  async flush(options: IoOptions = {}): Promise<void> {
    await this.#store.flush(options);
  }

  async trim(offset: number, length: number, options: IoOptions = {}): Promise<void> {
    checkWritable(this, offset, length);
    await this.#change(offset, length, options, () => this.#store.trim(offset, length, options));
  }

  extents(offset: number, length: number, options: IoOptions = {}): AsyncIterable<Extent> {
    return mergeExtents(this.#extents(offset, length, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _base = this.#base;
    await using _store = this.#store;
  }

  async *#extents(offset: number, length: number, options: IoOptions): AsyncIterable<Extent> {
    checkRange(this, offset, length);
    for (const { start, end, present } of this.#runs(offset, length)) {
      yield* (present ? this.#store : this.#base).extents(start, end - start, options);
    }
  }

  /**
   * Runs `apply` on a range of the store. Granules that the store lacks are first reserved, so that two writes into
   * one granule cannot both fill its rest from the base and undo each other.
   */
  async #change(
    offset: number,
    length: number,
    options: IoOptions,
    apply: () => Promise<void>,
  ): Promise<void> {
    options.signal?.throwIfAborted();
    if (length === 0) return;
    const first = Math.floor(offset / granule);
    const last = Math.floor((offset + length - 1) / granule);
    for (;;) {
      const busy = this.#missing(first, last).flatMap((index) => this.#arriving.get(index) ?? []);
      if (busy.length === 0) break;
      await Promise.all(busy);
    }
    const missing = this.#missing(first, last);
    if (missing.length === 0) return await apply();
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const index of missing) this.#arriving.set(index, promise);
    try {
      await this.#fillEdges(offset, length, missing, options);
      await apply();
      for (const index of missing) this.#mark(index);
    } finally {
      for (const index of missing) this.#arriving.delete(index);
      resolve();
    }
  }

  /** Copies from the base what a write covers only in part: at most the first and the last granule. */
  async #fillEdges(
    offset: number,
    length: number,
    missing: readonly number[],
    options: IoOptions,
  ): Promise<void> {
    const edges = new Set([missing[0], missing.at(-1)]);
    for (const index of edges) {
      if (index === undefined) continue;
      const start = index * granule;
      const end = Math.min(start + granule, this.size);
      if (offset <= start && offset + length >= end) continue;
      const bytes = Buffer.allocUnsafe(end - start);
      await this.#base.read(start, bytes, options);
      await this.#store.write(start, bytes, options);
    }
  }

  #missing(first: number, last: number): readonly number[] {
    const missing: number[] = [];
    for (let index = first; index <= last; index++) if (!this.#has(index)) missing.push(index);
    return missing;
  }

  #has(index: number): boolean {
    return (((this.#present[index >>> 3] ?? 0) >>> (index & 7)) & 1) === 1;
  }

  #mark(index: number): void {
    this.#present[index >>> 3] = (this.#present[index >>> 3] ?? 0) | (1 << (index & 7));
  }

  /** The range in runs of bytes that live in the same place. */
  #runs(offset: number, length: number): readonly { start: number; end: number; present: boolean }[] {
    const runs: { start: number; end: number; present: boolean }[] = [];
    for (let start = offset; start < offset + length;) {
      const index = Math.floor(start / granule);
      const end = Math.min((index + 1) * granule, offset + length);
      const present = this.#has(index);
      const open = runs.at(-1);
      if (open?.present === present) open.end = end;
      else runs.push({ start, end, present });
      start = end;
    }
    return runs;
  }
}

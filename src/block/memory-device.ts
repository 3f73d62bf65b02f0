import type { BlockDevice, Extent, IoOptions, WriteOptions } from "./block-device.ts";
import { mergeExtents } from "./merge-extents.ts";
import { checkGeometry, checkRange, checkWritable } from "./range.ts";

const chunkSize = 64 * 1024;

export interface MemoryDeviceOptions {
  /** Bytes of a logical block; 512 unless told. */
  readonly blockSize?: 512 | 4096;
  readonly readOnly?: boolean;
}

/** A disk in memory. Only what was written takes space, in chunks of 64 KiB; the rest reads as zero. */
export class MemoryDevice implements BlockDevice {
  readonly size: number;
  readonly blockSize: number;
  readonly readOnly: boolean;
  readonly #chunks = new Map<number, Uint8Array>();

  constructor(size: number, options: MemoryDeviceOptions = {}) {
    this.size = size;
    this.blockSize = options.blockSize ?? 512;
    this.readOnly = options.readOnly ?? false;
    checkGeometry(size, this.blockSize);
  }

  async read(offset: number, into: Uint8Array, options: IoOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    checkRange(this, offset, into.length);
    for (const part of chunksOf(offset, into.length)) {
      const chunk = this.#chunks.get(part.chunk);
      const to = into.subarray(part.position, part.position + part.length);
      if (chunk === undefined) to.fill(0);
      else to.set(chunk.subarray(part.start, part.start + part.length));
    }
  }

  async write(offset: number, from: Uint8Array, options: WriteOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    checkWritable(this, offset, from.length);
    for (const part of chunksOf(offset, from.length)) {
      let chunk = this.#chunks.get(part.chunk);
      if (chunk === undefined) {
        chunk = new Uint8Array(chunkSize);
        this.#chunks.set(part.chunk, chunk);
      }
      chunk.set(from.subarray(part.position, part.position + part.length), part.start);
    }
  }

  async flush(options: IoOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
  }

  async trim(offset: number, length: number, options: IoOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    checkWritable(this, offset, length);
    const last = Math.floor((offset + length - 1) / chunkSize);
    for (const index of this.#allocatedBetween(Math.floor(offset / chunkSize), last)) {
      const start = Math.max(offset - index * chunkSize, 0);
      const end = Math.min(offset + length - index * chunkSize, chunkSize);
      if (end - start === chunkSize) this.#chunks.delete(index);
      else this.#chunks.get(index)?.fill(0, start, end);
    }
  }

  extents(offset: number, length: number, options: IoOptions = {}): AsyncIterable<Extent> {
    return mergeExtents(this.#extents(offset, length, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#chunks.clear();
  }

  async *#extents(offset: number, length: number, options: IoOptions): AsyncIterable<Extent> {
    options.signal?.throwIfAborted();
    checkRange(this, offset, length);
    if (length === 0) return;
    const end = offset + length;
    let at = offset;
    for (const index of this.#allocatedBetween(
      Math.floor(offset / chunkSize),
      Math.floor((end - 1) / chunkSize),
    )) {
      const start = Math.max(index * chunkSize, offset);
      const stop = Math.min((index + 1) * chunkSize, end);
      if (start > at) yield { offset: at, length: start - at, allocated: false };
      yield { offset: start, length: stop - start, allocated: true };
      at = stop;
    }
    if (at < end) yield { offset: at, length: end - at, allocated: false };
  }

  /** The allocated chunks between two indices, both included, in order; walks whichever of map and range is shorter. */
  #allocatedBetween(first: number, last: number): readonly number[] {
    if (last - first < this.#chunks.size) {
      return Array.from({ length: Math.max(last - first + 1, 0) }, (_, i) => first + i).filter((index) =>
        this.#chunks.has(index),
      );
    }
    return [...this.#chunks.keys()].filter((index) => index >= first && index <= last).sort((a, b) => a - b);
  }
}

interface ChunkPart {
  readonly chunk: number;
  /** First byte inside the chunk. */
  readonly start: number;
  /** First byte inside the caller's buffer. */
  readonly position: number;
  readonly length: number;
}

function* chunksOf(offset: number, length: number): Iterable<ChunkPart> {
  for (let position = 0; position < length;) {
    const chunk = Math.floor((offset + position) / chunkSize);
    const start = offset + position - chunk * chunkSize;
    const part = Math.min(chunkSize - start, length - position);
    yield { chunk, start, position, length: part };
    position += part;
  }
}

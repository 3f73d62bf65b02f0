export interface IoOptions {
  readonly signal?: AbortSignal;
}

export interface WriteOptions extends IoOptions {
  /** Forced unit access: resolves only when the data is on stable storage. */
  readonly fua?: boolean;
}

/** A run of bytes that are all allocated or all known to read as zero. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
  readonly allocated: boolean;
}

/**
 * A disk. Offsets and lengths are bytes, multiples of `blockSize`, exact up to 2^53 (8 PiB). Devices accept many
 * operations at once; overlapping ones have no order. Requests past the end reject with a RangeError.
 */
export interface BlockDevice extends AsyncDisposable {
  /** Bytes of a logical block: 512 or 4096. */
  readonly blockSize: number;
  /** Bytes in all. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Fills `into`. */
  read(offset: number, into: Uint8Array, options?: IoOptions): Promise<void>;
  /** Stores `from`; the buffer may be reused once resolved. */
  write(offset: number, from: Uint8Array, options?: WriteOptions): Promise<void>;
  /** Resolves when all writes that have resolved before are on stable storage. */
  flush(options?: IoOptions): Promise<void>;
  /** Lets go of a range; it reads as zero afterwards. */
  trim(offset: number, length: number, options?: IoOptions): Promise<void>;
  /** What is allocated in a range, in order, without gaps. */
  extents(offset: number, length: number, options?: IoOptions): AsyncIterable<Extent>;
}

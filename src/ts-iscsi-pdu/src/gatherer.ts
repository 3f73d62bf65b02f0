import type { PduInit } from "./any-pdu.ts";
import { Encoder, type EncoderOptions, type HeaderPatch } from "./encoder.ts";

/** PDUs of up to this size, data included, are copied into a slab. */
const COPY_LIMIT = 16 * 1024;
const SLAB_LENGTH = 64 * 1024;
const SPARE_SLABS = 4;

/** What one gathering write sends, and the slabs in it, to be given back when it is done. */
export interface Gathered {
  readonly pieces: readonly Uint8Array[];
  readonly slabs: readonly Uint8Array[];
}

/**
 * Collects PDUs for one gathering write. Small ones are copied next to each other into slabs, which are used again:
 * dozens of them leave as one piece. The data of large ones goes out of the caller's buffer as it is.
 */
export class PduGatherer {
  readonly #encoder: Encoder;
  readonly #allocate: (length: number) => Uint8Array;
  readonly #spare: Uint8Array[] = [];
  #slab: Uint8Array;
  /** The slab's bytes before `#from` are in pieces already, those up to `#to` will be. */
  #from = 0;
  #to = 0;
  #pieces: Uint8Array[] = [];
  /** Slabs that are full, in use until the pieces are written. */
  #full: Uint8Array[] = [];
  #length = 0;

  constructor(options: EncoderOptions = {}) {
    this.#encoder = new Encoder(options);
    this.#allocate = options.allocate ?? ((length) => new Uint8Array(length));
    this.#slab = this.#allocate(SLAB_LENGTH);
  }

  configure(options: EncoderOptions): void {
    this.#encoder.configure(options);
  }

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.#length;
  }

  /** Adds a PDU. True when its data was copied; if not, the data must stay as it is until it is written. */
  add(f: PduInit, data?: Uint8Array): boolean {
    const size = this.#encoder.size(f, data?.length);
    this.#length += size;
    if (size > COPY_LIMIT) {
      this.#cut();
      for (const piece of this.#encoder.encode(f, data)) this.#pieces.push(piece);
      return false;
    }
    if (this.#to + size > SLAB_LENGTH) this.#nextSlab();
    this.#to += this.#encoder.encodeInto(this.#slab, this.#to, f, data);
    return true;
  }

  /** Adds bytes that are encoded already, as `encode` makes them. */
  addPieces(pieces: readonly Uint8Array[]): void {
    this.#cut();
    for (const piece of pieces) {
      this.#pieces.push(piece);
      this.#length += piece.length;
    }
  }

  /** The pieces of one PDU as it would be sent now, without adding it; see `Encoder.encode`. */
  encode(f: PduInit, data?: Uint8Array, patch?: HeaderPatch): Uint8Array[] {
    return this.#encoder.encode(f, data, patch);
  }

  /** Takes what has been added. */
  take(): Gathered {
    this.#cut();
    if (this.#to > SLAB_LENGTH / 2) this.#nextSlab();
    const gathered = { pieces: this.#pieces, slabs: this.#full };
    this.#pieces = [];
    this.#full = [];
    this.#length = 0;
    return gathered;
  }

  /** The write is done: its slabs may be used again. */
  reuse({ slabs }: Gathered): void {
    for (const slab of slabs) if (this.#spare.length < SPARE_SLABS) this.#spare.push(slab);
  }

  #cut(): void {
    if (this.#to > this.#from) this.#pieces.push(this.#slab.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }

  #nextSlab(): void {
    this.#cut();
    this.#full.push(this.#slab);
    this.#slab = this.#spare.pop() ?? this.#allocate(SLAB_LENGTH);
    this.#from = 0;
    this.#to = 0;
  }
}

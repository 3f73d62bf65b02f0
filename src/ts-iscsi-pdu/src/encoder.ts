import { ahsLength, writeAhs } from "./ahs.ts";
import { pduAhs, writePdu, type PduInit } from "./any-pdu.ts";
import { padded, putU24, putU32le } from "./bytes.ts";
import { crc32cJs, type Crc32c } from "./crc32c.ts";
import { BHS_LENGTH } from "./view.ts";

export interface EncoderOptions {
  readonly headerDigest?: boolean;
  readonly dataDigest?: boolean;
  /** Default: JavaScript; see `hybridCrc32c`. */
  readonly crc32c?: Crc32c;
  /**
   * Makes the slabs that headers are cut from. Default: new Uint8Array; on Node.js `Buffer.allocUnsafeSlow` saves
   * the socket a conversion a piece.
   */
  readonly allocate?: (length: number) => Uint8Array;
}

/** Changes BHS and AHS in place before their digest is made: how a fault gets on the wire with a right digest. */
export type HeaderPatch = (header: Uint8Array) => void;

const SLAB_LENGTH = 64 * (BHS_LENGTH + 4);
/** Most of a trailer: 3 bytes of padding and the digest. */
const MAX_TRAILER = 8;

/**
 * Turns PDUs into pieces for one gathering write: [BHS + AHS + header digest], the caller's data as it is, [padding
 * + data digest]. Headers are cut from slabs that are never used twice, so the pieces may wait in a socket's queue.
 */
export class Encoder {
  #headerDigest = false;
  #dataDigest = false;
  #crc32c: Crc32c = crc32cJs;
  #allocate: (length: number) => Uint8Array = (length) => new Uint8Array(length);
  #slab: Uint8Array;
  #used = 0;

  constructor(options: EncoderOptions = {}) {
    this.configure(options);
    this.#slab = this.#allocate(SLAB_LENGTH);
  }

  /** Changes settings from the next PDU on. */
  configure(options: EncoderOptions): void {
    if (options.headerDigest !== undefined) this.#headerDigest = options.headerDigest;
    if (options.dataDigest !== undefined) this.#dataDigest = options.dataDigest;
    if (options.crc32c !== undefined) this.#crc32c = options.crc32c;
    if (options.allocate !== undefined) this.#allocate = options.allocate;
  }

  /** Bytes that the PDU takes on the wire with the present settings. */
  size(f: PduInit, dataLength = 0): number {
    return this.#headLength(f) + padded(dataLength) + this.#digestLength(dataLength);
  }

  /**
   * The pieces of one PDU: one without data, two or three with. DataSegmentLength is that of `data`, whatever the
   * fields say. The data is not copied: it must stay as it is until it is written.
   */
  encode(f: PduInit, data?: Uint8Array, patch?: HeaderPatch): Uint8Array[] {
    const dataLength = data?.length ?? 0;
    const head = this.#take(this.#headLength(f));
    this.#writeHead(head, 0, head.length, f, dataLength, patch);
    if (data === undefined || dataLength === 0) return [head];
    const trailerLength = padded(dataLength) - dataLength + this.#digestLength(dataLength);
    if (trailerLength === 0) return [head, data];
    const trailer = this.#take(trailerLength);
    this.#writeTrailer(trailer, 0, trailerLength, data);
    return [head, data, trailer];
  }

  /** Writes one PDU in one piece at `offset`, with a copy of the data; returns its length, see `size`. */
  encodeInto(into: Uint8Array, offset: number, f: PduInit, data?: Uint8Array, patch?: HeaderPatch): number {
    const dataLength = data?.length ?? 0;
    const headLength = this.#headLength(f);
    const trailerLength = padded(dataLength) - dataLength + this.#digestLength(dataLength);
    const length = headLength + dataLength + trailerLength;
    if (offset + length > into.length) {
      throw new RangeError(`a PDU of ${length} bytes does not fit at ${offset} of ${into.length}`);
    }
    this.#writeHead(into, offset, headLength, f, dataLength, patch);
    if (data !== undefined && dataLength > 0) {
      into.set(data, offset + headLength);
      this.#writeTrailer(into, offset + headLength + dataLength, trailerLength, data);
    }
    return length;
  }

  #headLength(f: PduInit): number {
    return BHS_LENGTH + ahsLength(pduAhs(f)) + (this.#headerDigest ? 4 : 0);
  }

  #digestLength(dataLength: number): number {
    return this.#dataDigest && dataLength > 0 ? 4 : 0;
  }

  #writeHead(
    into: Uint8Array,
    at: number,
    length: number,
    f: PduInit,
    dataLength: number,
    patch: HeaderPatch | undefined,
  ): void {
    if (dataLength > 0xff_ffff)
      throw new RangeError(`a data segment has at most 16777215 bytes, not ${dataLength}`);
    writePdu(into, at, f);
    putU24(into, at + 5, dataLength);
    const end = at + length - (this.#headerDigest ? 4 : 0);
    if (end > at + BHS_LENGTH) writeAhs(into, at + BHS_LENGTH, pduAhs(f));
    if (patch !== undefined) patch(into.subarray(at, end));
    if (this.#headerDigest) putU32le(into, end, this.#crc32c(into.subarray(at, end)));
  }

  #writeTrailer(into: Uint8Array, at: number, length: number, data: Uint8Array): void {
    const pad = padded(data.length) - data.length;
    into.fill(0, at, at + pad);
    if (length === pad) return;
    let crc = this.#crc32c(data);
    if (pad > 0) crc = this.#crc32c(into.subarray(at, at + pad), crc);
    putU32le(into, at + pad, crc);
  }

  #take(length: number): Uint8Array {
    if (length > BHS_LENGTH + MAX_TRAILER) return this.#allocate(length);
    if (this.#used + length > this.#slab.length) {
      this.#slab = this.#allocate(SLAB_LENGTH);
      this.#used = 0;
    }
    const piece = this.#slab.subarray(this.#used, this.#used + length);
    this.#used += length;
    return piece;
  }
}

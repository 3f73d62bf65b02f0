import { MAX_AHS_LENGTH } from "./ahs.ts";
import { viewPdu, type AnyPdu } from "./any-pdu.ts";
import { EMPTY, padded, u24, u32le, u8, copyBytes } from "./bytes.ts";
import { crc32cJs, type Crc32c } from "./crc32c.ts";
import { ProtocolError, type ProtocolErrorInit } from "./errors.ts";
import { isOpcode } from "./opcode.ts";
import { BHS_LENGTH } from "./view.ts";

/** Takes what a framer finds. Views end with the call. An exception thrown here ends the framer. */
export interface FrameSink {
  /**
   * BHS and AHS are in, and their digest is right. Says where the data segment goes: at least `pdu.dataLength`
   * bytes, or null to have the framer make a buffer of exactly that length. Called for every PDU; without data
   * the answer does not matter.
   */
  header(pdu: AnyPdu): Uint8Array | null;
  /**
   * The PDU is whole and its digests are right. `data` is exactly `pdu.dataLength` bytes of the buffer that
   * `header` gave. After a data digest error it is not called, though the buffer holds the wrong bytes.
   */
  pdu(pdu: AnyPdu, data: Uint8Array): void;
  /**
   * Something is wrong. With `error.recoverable` the framer goes on with the next PDU; `pdu` is the header where
   * it is known to be right (data digest errors). Otherwise the framer has stopped: drop the connection.
   */
  error(error: ProtocolError, pdu?: AnyPdu): void;
}

export interface FramerOptions {
  readonly headerDigest?: boolean;
  readonly dataDigest?: boolean;
  /** This side's MaxRecvDataSegmentLength, bytes; the framer never allocates more for one PDU. Default 8192. */
  readonly maxDataLength?: number;
  /**
   * Go on after a header digest error (ErrorRecoveryLevel 1 and up; RFC 7143 §7.8): skip what the bad header says
   * is its data, then look, word by word, for a header whose digest is right.
   */
  readonly resync?: boolean;
  /** Default: JavaScript; see `hybridCrc32c`. */
  readonly crc32c?: Crc32c;
  /** Makes the buffers where the sink gives none. Default: new Uint8Array. */
  readonly allocate?: (length: number) => Uint8Array;
}

/** RFC 7143 §13.12: what holds until another length is declared. */
const DEFAULT_MAX_DATA_LENGTH = 8192;

const HEADER = 0;
const DATA = 1;
const TRAILER = 2;
const SKIP = 3;

/**
 * Cuts a byte stream into PDUs, however it is split, and copies each data segment once, straight to where the
 * sink wants it, while the digest runs over it. Keeps nothing of the chunks and makes no garbage but one view a PDU.
 */
export class Framer {
  readonly #sink: FrameSink;
  #headerDigest = false;
  #dataDigest = false;
  #resync = false;
  #maxDataLength = DEFAULT_MAX_DATA_LENGTH;
  #crc32c: Crc32c = crc32cJs;
  #allocate: (length: number) => Uint8Array = (length) => new Uint8Array(length);

  readonly #header = new Uint8Array(BHS_LENGTH + MAX_AHS_LENGTH + 4);
  readonly #trailer = new Uint8Array(8);
  #state = HEADER;
  /** Bytes that the part being collected has, and needs. */
  #have = 0;
  #need = BHS_LENGTH;
  #pdu: AnyPdu | undefined;
  #data: Uint8Array = EMPTY;
  #dataLength = 0;
  #crc = 0;
  /** Digests of the PDU at hand: settings change from the next PDU on. */
  #checkHeader = false;
  #checkData = false;
  #hunting = false;
  #hunted = 0;
  #stopped = false;
  #pushing = false;

  constructor(sink: FrameSink, options: FramerOptions = {}) {
    this.#sink = sink;
    this.configure(options);
  }

  /** Changes settings from the next PDU on; may be called from the sink, as on the last Login Response. */
  configure(options: FramerOptions): void {
    if (options.maxDataLength !== undefined) this.#maxDataLength = checkBound(options.maxDataLength);
    if (options.headerDigest !== undefined) this.#headerDigest = options.headerDigest;
    if (options.dataDigest !== undefined) this.#dataDigest = options.dataDigest;
    if (options.resync !== undefined) this.#resync = options.resync;
    if (options.crc32c !== undefined) this.#crc32c = options.crc32c;
    if (options.allocate !== undefined) this.#allocate = options.allocate;
  }

  /** True after a fatal error, `stop()`, or an exception from the sink: what is pushed is thrown away. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** True between PDUs: a connection that ends here was not cut in the middle of one. */
  get idle(): boolean {
    return this.#state === HEADER && this.#have === 0 && !this.#hunting;
  }

  /** Delivers nothing more, not even what is left of the chunk being pushed. */
  stop(): void {
    this.#stopped = true;
  }

  /** Takes the next bytes of the stream. The chunk may be reused as soon as this returns. */
  push(chunk: Uint8Array): void {
    if (this.#pushing) throw new Error("Framer.push was called from its own sink");
    this.#pushing = true;
    let finished = false;
    try {
      // Of a Node.js Buffer `slice` makes a view, so what a sink keeps of a header would change under it.
      const bytes =
        chunk.constructor === Uint8Array
          ? chunk
          : new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      let at = 0;
      while (at < bytes.length && !this.#stopped) {
        const next = this.#state === HEADER && this.#have === 0 ? this.#takeWhole(bytes, at) : at;
        at = next > at ? next : this.#advance(bytes, at);
      }
      finished = true;
    } finally {
      this.#pushing = false;
      if (!finished) this.#stopped = true;
    }
  }

  #advance(chunk: Uint8Array, at: number): number {
    switch (this.#state) {
      case HEADER:
        return this.#takeHeader(chunk, at);
      case DATA:
        return this.#takeData(chunk, at);
      case TRAILER:
        return this.#takeTrailer(chunk, at);
      default:
        return this.#skip(chunk, at);
    }
  }

  /** The short way for a PDU that lies in the chunk as a whole and looks right; gives `at` where none does. */
  #takeWhole(chunk: Uint8Array, at: number): number {
    const start = at + BHS_LENGTH + (this.#headerDigest ? 4 : 0);
    if (this.#hunting || start > chunk.length || u8(chunk, at + 4) !== 0) return at;
    const length = u24(chunk, at + 5);
    const checkData = this.#dataDigest && length > 0;
    const end = start + padded(length);
    const next = checkData ? end + 4 : end;
    if (length > this.#maxDataLength || next > chunk.length) return at;
    if (
      this.#headerDigest &&
      this.#crc32c(chunk.subarray(at, at + BHS_LENGTH)) !== u32le(chunk, at + BHS_LENGTH)
    )
      return at;
    const pdu = viewPdu(chunk, at);
    const into = this.#sink.header(pdu);
    if (this.#stopped) return next;
    if (length === 0) {
      this.#sink.pdu(pdu, EMPTY);
      return next;
    }
    const data = this.#destination(into, length);
    data.set(chunk.subarray(start, start + length));
    const error = checkData
      ? digestError(pdu, this.#crc32c(chunk.subarray(start, end)), u32le(chunk, end))
      : undefined;
    if (error !== undefined) this.#sink.error(error, pdu);
    else this.#sink.pdu(pdu, data.length === length ? data : data.subarray(0, length));
    return next;
  }

  #takeHeader(chunk: Uint8Array, at: number): number {
    if (this.#have === 0) this.#checkHeader = this.#headerDigest || this.#hunting;
    const next = this.#collect(this.#header, chunk, at);
    if (this.#have < this.#need) return next;
    // A header that is hunted for has no AHS: its length could not be trusted before its digest is known.
    const ahs = this.#hunting ? 0 : u8(this.#header, 4) * 4;
    const full = BHS_LENGTH + ahs + (this.#checkHeader ? 4 : 0);
    if (this.#need < full) this.#need = full;
    else if (this.#hunting) this.#judgeCandidate();
    else if (this.#checkHeader && this.#headerCrc() !== u32le(this.#header, this.#need - 4))
      this.#badHeader();
    else this.#goodHeader();
    return next;
  }

  #headerCrc(): number {
    return this.#crc32c(this.#header.subarray(0, this.#need - 4));
  }

  #goodHeader(): void {
    const length = u24(this.#header, 5);
    if (length > this.#maxDataLength) {
      this.#fail({
        code: "PDU_DATA_LENGTH",
        section: "RFC 7143 §11.2.1.6",
        field: "DataSegmentLength",
        got: length,
        limit: this.#maxDataLength,
        message: `a data segment of ${length} bytes, at most ${this.#maxDataLength} were declared`,
        header: copyBytes(this.#header, 0, BHS_LENGTH),
      });
      return;
    }
    const pdu = viewPdu(this.#header);
    const checkData = this.#dataDigest;
    const into = this.#sink.header(pdu);
    if (this.#stopped) return;
    if (length === 0) {
      this.#startPdu();
      this.#sink.pdu(pdu, EMPTY);
      return;
    }
    this.#pdu = pdu;
    this.#data = this.#destination(into, length);
    this.#dataLength = length;
    this.#checkData = checkData;
    this.#crc = 0;
    this.#begin(DATA, length);
  }

  #destination(into: Uint8Array | null, length: number): Uint8Array {
    if (into === null) return this.#allocate(length);
    if (into.length >= length) return into;
    throw new RangeError(`FrameSink.header gave ${into.length} bytes for a data segment of ${length}`);
  }

  #takeData(chunk: Uint8Array, at: number): number {
    const count = Math.min(chunk.length - at, this.#need - this.#have);
    const part = count === chunk.length ? chunk : chunk.subarray(at, at + count);
    this.#data.set(part, this.#have);
    if (this.#checkData) this.#crc = this.#crc32c(part, this.#crc);
    this.#have += count;
    if (this.#have === this.#need) {
      const trailer = padded(this.#dataLength) - this.#dataLength + (this.#checkData ? 4 : 0);
      if (trailer === 0) this.#finish();
      else this.#begin(TRAILER, trailer);
    }
    return at + count;
  }

  #takeTrailer(chunk: Uint8Array, at: number): number {
    const next = this.#collect(this.#trailer, chunk, at);
    if (this.#have === this.#need) this.#finish();
    return next;
  }

  #finish(): void {
    const pdu = this.#pdu;
    const data =
      this.#data.length === this.#dataLength ? this.#data : this.#data.subarray(0, this.#dataLength);
    this.#pdu = undefined;
    this.#data = EMPTY;
    this.#startPdu();
    if (pdu === undefined) return;
    const error = this.#checkData ? this.#checkDataDigest(pdu) : undefined;
    if (error === undefined) this.#sink.pdu(pdu, data);
    else this.#sink.error(error, pdu);
  }

  #checkDataDigest(pdu: AnyPdu): ProtocolError | undefined {
    const pad = padded(this.#dataLength) - this.#dataLength;
    const crc = pad === 0 ? this.#crc : this.#crc32c(this.#trailer.subarray(0, pad), this.#crc);
    return digestError(pdu, crc, u32le(this.#trailer, pad));
  }

  #badHeader(): void {
    const header = this.#header;
    const error = new ProtocolError({
      code: "PDU_HEADER_DIGEST",
      section: "RFC 7143 §7.8",
      field: "Header-Digest",
      got: hex(u32le(header, this.#need - 4)),
      limit: hex(this.#headerCrc()),
      message: "the header digest is wrong",
      header: copyBytes(header, 0, BHS_LENGTH),
      recoverable: this.#resync,
    });
    if (this.#resync) {
      const length = u24(header, 5);
      this.#hunting = true;
      this.#hunted = 0;
      this.#startPdu();
      if (length > 0 && length <= this.#maxDataLength) {
        this.#begin(SKIP, padded(length) + (this.#dataDigest ? 4 : 0));
      }
    } else {
      this.#stopped = true;
    }
    this.#sink.error(error);
  }

  /** 52 bytes are in: are they a BHS and its digest? If not, drop one word and wait for the next. */
  #judgeCandidate(): void {
    const header = this.#header;
    const plausible =
      isOpcode(u8(header, 0) & 0x3f) && u8(header, 4) === 0 && u24(header, 5) <= this.#maxDataLength;
    if (plausible && this.#headerCrc() === u32le(header, BHS_LENGTH)) {
      this.#hunting = false;
      this.#goodHeader();
      return;
    }
    this.#hunted += 4;
    if (this.#hunted > 2 * this.#maxDataLength + header.length) {
      this.#fail({
        code: "PDU_RESYNC",
        section: "RFC 7143 §7.8",
        field: "Header-Digest",
        got: this.#hunted,
        limit: 2 * this.#maxDataLength + header.length,
        message: `no valid header in ${this.#hunted} bytes after a header digest error`,
      });
      return;
    }
    header.copyWithin(0, 4, this.#have);
    this.#have -= 4;
  }

  #skip(chunk: Uint8Array, at: number): number {
    const count = Math.min(chunk.length - at, this.#need - this.#have);
    this.#have += count;
    if (this.#have === this.#need) this.#startPdu();
    return at + count;
  }

  /** Copies what the part at hand still lacks; these are few bytes, for which a loop beats `set`. */
  #collect(into: Uint8Array, chunk: Uint8Array, at: number): number {
    const end = at + Math.min(chunk.length - at, this.#need - this.#have);
    let have = this.#have;
    for (let from = at; from < end; from += 1, have += 1) into[have] = chunk[from] ?? 0;
    this.#have = have;
    return end;
  }

  #startPdu(): void {
    this.#begin(HEADER, this.#hunting ? BHS_LENGTH + 4 : BHS_LENGTH);
  }

  #begin(state: number, need: number): void {
    this.#state = state;
    this.#have = 0;
    this.#need = need;
  }

  #fail(init: ProtocolErrorInit): void {
    this.#stopped = true;
    this.#sink.error(new ProtocolError(init));
  }
}

function digestError(pdu: AnyPdu, crc: number, received: number): ProtocolError | undefined {
  if (crc === received) return undefined;
  return new ProtocolError({
    code: "PDU_DATA_DIGEST",
    section: "RFC 7143 §7.8",
    field: "Data-Digest",
    got: hex(received),
    limit: hex(crc),
    message: "the data digest is wrong",
    header: copyBytes(pdu.bytes, pdu.offset, pdu.offset + BHS_LENGTH),
    recoverable: true,
  });
}

function checkBound(bytes: number): number {
  if (Number.isInteger(bytes) && bytes >= 0 && bytes <= 0xff_ffff) return bytes;
  throw new RangeError(`maxDataLength ${bytes} is not a whole number from 0 to 16777215`);
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}

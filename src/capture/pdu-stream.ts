import { Opcode, isOpcode, opcodeSender } from "ts-iscsi-pdu";
import type { ByteSink } from "./tcp-direction.ts";

const BHS_LENGTH = 48;
/** Data segments up to this are kept for a look inside; text keys, sense data and reasons are far shorter. */
const KEPT_DATA = 64 * 1024;
/** Headers with longer data segments are taken for garbage when looking for one. */
const PLAUSIBLE_DATA = 1 << 24;

/** Opcodes whose data segment says something about the session; that of the others is passed over unread. */
const TOLD: ReadonlySet<number> = new Set([
  Opcode.LoginRequest,
  Opcode.LoginResponse,
  Opcode.TextRequest,
  Opcode.TextResponse,
  Opcode.ScsiResponse,
  Opcode.Async,
  Opcode.Reject,
]);

/** A PDU as a capture shows it: `header` is the basic header segment, `data` empty for what is passed over. */
export type PduSink = (header: Buffer, data: Buffer) => void;

/**
 * Cuts one direction of an iSCSI connection into PDUs without touching the data that nobody looks at. Unlike the
 * codec's framer it lives with holes: one inside of data is counted over, after any other the next segment that
 * begins with a likely header is where it goes on. Digests are skipped, not verified.
 */
export class PduStream implements ByteSink {
  readonly #sender: "initiator" | "target";
  readonly #sink: PduSink;
  #headerDigest = false;
  #dataDigest = false;
  #inSync = true;
  /** A header that is not whole yet, or that waits for its data. */
  readonly #header = Buffer.alloc(BHS_LENGTH);
  #headerBytes = 0;
  #data: Buffer | undefined;
  #dataBytes = 0;
  /** Bytes to pass over before the next thing: additional headers, digests, padding, data. */
  #skip = 0;

  constructor(sender: "initiator" | "target", sink: PduSink) {
    this.#sender = sender;
    this.#sink = sink;
  }

  /** False while looking for a header after a hole. */
  get inSync(): boolean {
    return this.#inSync;
  }

  /** What the login agreed on; holds from the next PDU. */
  useDigests(header: boolean, data: boolean): void {
    this.#headerDigest = header;
    this.#dataDigest = data;
  }

  data(bytes: Buffer): void {
    if (!this.#inSync && !this.#resume(bytes)) return;
    let at = 0;
    while (at < bytes.length && this.#inSync) {
      if (this.#skip > 0) {
        const passed = Math.min(this.#skip, bytes.length - at);
        this.#skip -= passed;
        at += passed;
      } else if (this.#data !== undefined) at = this.#fillData(this.#data, bytes, at);
      else at = this.#fillHeader(bytes, at);
    }
  }

  gap(length: number): void {
    if (this.#data === undefined && length <= this.#skip) this.#skip -= length;
    else this.#lose();
  }

  #lose(): void {
    this.#inSync = false;
    this.#headerBytes = this.#skip = this.#dataBytes = 0;
    this.#data = undefined;
  }

  #resume(bytes: Buffer): boolean {
    this.#inSync = bytes.length >= BHS_LENGTH && isLikelyHeader(bytes, this.#sender);
    return this.#inSync;
  }

  #fillHeader(bytes: Buffer, at: number): number {
    if (this.#headerBytes === 0 && at + BHS_LENGTH <= bytes.length) {
      this.#begin(bytes.subarray(at, at + BHS_LENGTH));
      return at + BHS_LENGTH;
    }
    const taken = bytes.copy(this.#header, this.#headerBytes, at, at + BHS_LENGTH - this.#headerBytes);
    this.#headerBytes += taken;
    if (this.#headerBytes === BHS_LENGTH) {
      this.#headerBytes = 0;
      this.#begin(this.#header);
    }
    return at + taken;
  }

  /** A whole header: delivers the PDU, or waits for its data. */
  #begin(header: Buffer): void {
    const opcode = header.readUInt8(0) & 0x3f;
    if (!isOpcode(opcode) || opcodeSender(opcode) !== this.#sender) return this.#lose();
    const additional = header.readUInt8(4) * 4;
    const length = header.readUIntBE(5, 3);
    const before = additional + (this.#headerDigest ? 4 : 0);
    if (TOLD.has(opcode) && length > 0 && length <= KEPT_DATA) {
      if (header !== this.#header) header.copy(this.#header);
      this.#data = Buffer.allocUnsafe(length);
      this.#skip = before;
      return;
    }
    this.#skip = before + this.#tail(length) + length;
    this.#sink(header, Buffer.alloc(0));
  }

  #fillData(data: Buffer, bytes: Buffer, at: number): number {
    const taken = bytes.copy(data, this.#dataBytes, at, at + data.length - this.#dataBytes);
    this.#dataBytes += taken;
    if (this.#dataBytes === data.length) {
      this.#data = undefined;
      this.#dataBytes = 0;
      this.#skip = this.#tail(data.length);
      this.#sink(this.#header, data);
    }
    return at + taken;
  }

  /** Padding and digest behind a data segment. */
  #tail(length: number): number {
    return length === 0 ? 0 : ((4 - (length % 4)) % 4) + (this.#dataDigest ? 4 : 0);
  }
}

/** Whether bytes look like the basic header of a PDU of that sender (RFC 7143, section 11.2). */
export function isLikelyHeader(bytes: Buffer, sender: "initiator" | "target"): boolean {
  if (bytes.length < BHS_LENGTH) return false;
  const opcode = bytes.readUInt8(0) & 0x3f;
  const topBits = bytes.readUInt8(0) >> 6;
  if (!isOpcode(opcode) || opcodeSender(opcode) !== sender || topBits > (sender === "target" ? 0 : 1))
    return false;
  if (bytes.readUIntBE(5, 3) > PLAUSIBLE_DATA || bytes.readUInt8(4) > 8) return false;
  if (opcode === Opcode.LoginRequest)
    return topBits === 1 && bytes.readUInt8(2) === 0 && bytes.readUInt8(3) === 0;
  if (opcode === Opcode.ScsiCommand) return (bytes.readUInt8(1) & 0x18) === 0 && bytes.readUInt16BE(2) === 0;
  const finalOnly = opcode !== Opcode.DataIn && opcode !== Opcode.DataOut && opcode !== Opcode.LoginResponse;
  return (
    !finalOnly ||
    opcode === Opcode.TextRequest ||
    opcode === Opcode.TextResponse ||
    bytes.readUInt8(1) >= 0x80
  );
}

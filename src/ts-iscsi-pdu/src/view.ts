import { readAhs, type AhsSegment } from "./ahs.ts";
import { padded, u24, u32, u8, copyBytes } from "./bytes.ts";
import { ProtocolError } from "./errors.ts";
import type { PduFields } from "./fields.ts";
import { decodeLun, type Lun } from "./lun.ts";
import type { Opcode, UnknownOpcode } from "./opcode.ts";

/** Length of the Basic Header Segment (RFC 7143 §11.2.1). */
export const BHS_LENGTH = 48;

/** The tag that means "none": a reserved Initiator Task Tag or Target Transfer Tag. */
export const RESERVED_TAG = 0xffff_ffff;

/**
 * A PDU header read in place: 48 bytes of BHS at `offset`, then the AHS. Getters decode on demand and nothing is
 * copied, so a view is as valid as its bytes: one handed out by the framer ends with the callback; `copy()` keeps it.
 */
export abstract class PduView {
  readonly bytes: Uint8Array;
  readonly offset: number;
  abstract readonly opcode: Opcode | UnknownOpcode;

  /** Throws ProtocolError PDU_SHORT when fewer than 48 bytes are there. */
  constructor(bytes: Uint8Array, offset = 0) {
    if (offset + BHS_LENGTH > bytes.length) {
      throw new ProtocolError({
        code: "PDU_SHORT",
        section: "RFC 7143 §11.2.1",
        field: "BHS",
        got: Math.max(0, bytes.length - offset),
        limit: BHS_LENGTH,
        message: "a basic header segment has 48 bytes",
      });
    }
    this.bytes = bytes;
    this.offset = offset;
  }

  /** The 6-bit opcode, also where `opcode` is unknown. */
  get opcodeByte(): number {
    return u8(this.bytes, this.offset) & 0x3f;
  }

  /** F bit; in login PDUs the same bit is T (`transit`). */
  get final(): boolean {
    return (u8(this.bytes, this.offset + 1) & 0x80) !== 0;
  }

  /** Words of 4 bytes that the additional header segments take. */
  get totalAhsLength(): number {
    return u8(this.bytes, this.offset + 4);
  }

  /** Bytes of additional header segments. */
  get ahsLength(): number {
    return this.totalAhsLength * 4;
  }

  /** DataSegmentLength: bytes of data without padding. */
  get dataLength(): number {
    return u24(this.bytes, this.offset + 5);
  }

  /** Initiator Task Tag. */
  get itt(): number {
    return u32(this.bytes, this.offset + 16);
  }

  /** The logical unit's number, or NOT_A_LUN (-1) where `lunBytes` hold no single-level address. */
  get lun(): Lun {
    return decodeLun(this.bytes, this.offset + 8);
  }

  get lunBytes(): Uint8Array {
    return this.bytes.subarray(this.offset + 8, this.offset + 16);
  }

  /** Bytes of BHS and AHS, what the header digest covers. */
  get headerBytes(): Uint8Array {
    return this.bytes.subarray(this.offset, this.offset + BHS_LENGTH + this.ahsLength);
  }

  /** Bytes of the data segment with its padding to a word. */
  get paddedDataLength(): number {
    return padded(this.dataLength);
  }

  /** The additional header segments, as views. Throws ProtocolError PDU_AHS or PDU_SHORT. */
  ahs(): readonly AhsSegment[] {
    const length = this.ahsLength;
    if (length === 0) return [];
    const area = this.headerBytes.subarray(BHS_LENGTH);
    if (area.length < length) {
      throw new ProtocolError({
        code: "PDU_SHORT",
        section: "RFC 7143 §11.2.1.5",
        field: "TotalAHSLength",
        got: area.length,
        limit: length,
        message: "the additional header segments are cut off",
      });
    }
    return readAhs(area);
  }

  /** The same header over its own bytes, to keep beyond the callback. */
  copy(): this {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- subclasses keep this constructor's parameters
    const View = this.constructor as new (bytes: Uint8Array) => this;
    return new View(copyBytes(this.headerBytes));
  }

  /** Everything in the header as plain data, with the additional header segments if there are any. */
  abstract toFields(): PduFields;

  /** U32 at a byte of the BHS. */
  protected word(at: number): number {
    return u32(this.bytes, this.offset + at);
  }

  protected byte(at: number): number {
    return u8(this.bytes, this.offset + at);
  }
}

/** What requests share: CmdSN and ExpStatSN (RFC 7143 §4.2.2). */
export abstract class RequestView extends PduView {
  /** I bit: delivered at once, CmdSN not consumed. */
  get immediate(): boolean {
    return (this.byte(0) & 0x40) !== 0;
  }

  get cmdSn(): number {
    return this.word(24);
  }

  get expStatSn(): number {
    return this.word(28);
  }
}

/** What the target's PDUs share: StatSN, ExpCmdSN and MaxCmdSN. */
export abstract class ResponseView extends PduView {
  get statSn(): number {
    return this.word(24);
  }

  get expCmdSn(): number {
    return this.word(28);
  }

  get maxCmdSn(): number {
    return this.word(32);
  }
}

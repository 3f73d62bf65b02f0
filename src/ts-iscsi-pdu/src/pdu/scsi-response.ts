import { putU16, putU32, u16 } from "../bytes.ts";
import type { Init, ResponseFields } from "../fields.ts";
import { Opcode } from "../opcode.ts";
import { ResponseView } from "../view.ts";
import { ahsField, finalBit, writeResponse } from "../write.ts";

/** RFC 7143 §11.4. Its data segment is SenseLength (2 bytes), the sense data, then response data. */
export interface ScsiResponseFields extends ResponseFields {
  readonly opcode: typeof Opcode.ScsiResponse;
  readonly final: boolean;
  /** o bit: more than the expected read data of a bidirectional command was to move. */
  readonly bidirectionalOverflow: boolean;
  /** u bit. */
  readonly bidirectionalUnderflow: boolean;
  /** O bit: `residualCount` bytes did not fit in the Expected Data Transfer Length. */
  readonly overflow: boolean;
  /** U bit: `residualCount` bytes of the Expected Data Transfer Length were not moved. */
  readonly underflow: boolean;
  /** 0x00: the command completed at the target and `status` holds; otherwise the target failed. */
  readonly response: number;
  /** SAM status. */
  readonly status: number;
  /** SAM status qualifier; only with iSCSIProtocolLevel 2 (RFC 7144 §5.2). */
  readonly statusQualifier: number;
  readonly snackTag: number;
  /** How many R2T and Data-In PDUs the target has sent for the command. */
  readonly expDataSn: number;
  readonly bidirectionalResidualCount: number;
  readonly residualCount: number;
}
export type ScsiResponseInit = Init<
  ScsiResponseFields,
  "itt" | "status" | "statSn" | "expCmdSn" | "maxCmdSn"
>;

export class ScsiResponseView extends ResponseView {
  readonly opcode = Opcode.ScsiResponse;

  get bidirectionalOverflow(): boolean {
    return (this.byte(1) & 0x10) !== 0;
  }

  get bidirectionalUnderflow(): boolean {
    return (this.byte(1) & 0x08) !== 0;
  }

  get overflow(): boolean {
    return (this.byte(1) & 0x04) !== 0;
  }

  get underflow(): boolean {
    return (this.byte(1) & 0x02) !== 0;
  }

  get response(): number {
    return this.byte(2);
  }

  get status(): number {
    return this.byte(3);
  }

  get statusQualifier(): number {
    return u16(this.bytes, this.offset + 8);
  }

  get snackTag(): number {
    return this.word(20);
  }

  get expDataSn(): number {
    return this.word(36);
  }

  get bidirectionalResidualCount(): number {
    return this.word(40);
  }

  get residualCount(): number {
    return this.word(44);
  }

  toFields(): ScsiResponseFields {
    return {
      opcode: this.opcode,
      final: this.final,
      bidirectionalOverflow: this.bidirectionalOverflow,
      bidirectionalUnderflow: this.bidirectionalUnderflow,
      overflow: this.overflow,
      underflow: this.underflow,
      response: this.response,
      status: this.status,
      dataLength: this.dataLength,
      statusQualifier: this.statusQualifier,
      itt: this.itt,
      snackTag: this.snackTag,
      statSn: this.statSn,
      expCmdSn: this.expCmdSn,
      maxCmdSn: this.maxCmdSn,
      expDataSn: this.expDataSn,
      bidirectionalResidualCount: this.bidirectionalResidualCount,
      residualCount: this.residualCount,
      ...ahsField(this.ahs()),
    };
  }
}

export function writeScsiResponse(into: Uint8Array, offset: number, f: ScsiResponseInit): void {
  const byte1 =
    finalBit(f) |
    (f.bidirectionalOverflow === true ? 0x10 : 0) |
    (f.bidirectionalUnderflow === true ? 0x08 : 0) |
    (f.overflow === true ? 0x04 : 0) |
    (f.underflow === true ? 0x02 : 0);
  writeResponse(into, offset, Opcode.ScsiResponse, byte1, f);
  into[offset + 2] = f.response ?? 0;
  into[offset + 3] = f.status;
  putU16(into, offset + 8, f.statusQualifier ?? 0);
  putU32(into, offset + 20, f.snackTag ?? 0);
  putU32(into, offset + 36, f.expDataSn ?? 0);
  putU32(into, offset + 40, f.bidirectionalResidualCount ?? 0);
  putU32(into, offset + 44, f.residualCount ?? 0);
}

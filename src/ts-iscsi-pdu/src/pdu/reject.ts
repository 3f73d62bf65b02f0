import { putU32 } from "../bytes.ts";
import type { Init, ResponseFields } from "../fields.ts";
import { Opcode } from "../opcode.ts";
import { ResponseView } from "../view.ts";
import { ahsField, finalBit, writeResponse } from "../write.ts";

/** RFC 7143 §11.17. The ITT is 0xffffffff; the data segment is the complete header of the rejected PDU. */
export interface RejectFields extends ResponseFields {
  readonly opcode: typeof Opcode.Reject;
  readonly final: boolean;
  /** One of RejectReason, or a code that it lacks. */
  readonly reason: number;
  /** DataSN or R2TSN that comes next for the task, where the reason is Protocol Error or a rejected SNACK. */
  readonly dataSn: number;
}
export type RejectInit = Init<RejectFields, "reason" | "statSn" | "expCmdSn" | "maxCmdSn">;

export class RejectView extends ResponseView {
  readonly opcode = Opcode.Reject;

  get reason(): number {
    return this.byte(2);
  }

  get dataSn(): number {
    return this.word(36);
  }

  toFields(): RejectFields {
    return {
      opcode: this.opcode,
      final: this.final,
      reason: this.reason,
      dataLength: this.dataLength,
      itt: this.itt,
      statSn: this.statSn,
      expCmdSn: this.expCmdSn,
      maxCmdSn: this.maxCmdSn,
      dataSn: this.dataSn,
      ...ahsField(this.ahs()),
    };
  }
}

export function writeReject(into: Uint8Array, offset: number, f: RejectInit): void {
  writeResponse(into, offset, Opcode.Reject, finalBit(f), f);
  into[offset + 2] = f.reason;
  putU32(into, offset + 36, f.dataSn ?? 0);
}

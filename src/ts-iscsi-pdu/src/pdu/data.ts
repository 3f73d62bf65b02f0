import { putU32 } from "../bytes.ts";
import type { CommonFields, Init, ResponseFields } from "../fields.ts";
import { encodeLun, lunValue, type LunValue } from "../lun.ts";
import { Opcode } from "../opcode.ts";
import { PduView, RESERVED_TAG, ResponseView } from "../view.ts";
import { ahsField, finalBit, writeHeader, writeResponse } from "../write.ts";

/** RFC 7143 §11.7. TTT and LUN are those of the R2T; an unsolicited Data-Out has TTT 0xffffffff. */
export interface DataOutFields extends CommonFields {
  readonly opcode: typeof Opcode.DataOut;
  /** Last PDU of the sequence that answers one R2T, or of the unsolicited data. */
  readonly final: boolean;
  readonly lun: LunValue;
  readonly ttt: number;
  readonly expStatSn: number;
  /** From 0 in every sequence. */
  readonly dataSn: number;
  /** Bytes from the start of the command's data. */
  readonly bufferOffset: number;
}
export type DataOutInit = Init<DataOutFields, "itt" | "final" | "expStatSn" | "dataSn" | "bufferOffset">;

export class DataOutView extends PduView {
  readonly opcode = Opcode.DataOut;

  get ttt(): number {
    return this.word(20);
  }

  get expStatSn(): number {
    return this.word(28);
  }

  get dataSn(): number {
    return this.word(36);
  }

  get bufferOffset(): number {
    return this.word(40);
  }

  toFields(): DataOutFields {
    return {
      opcode: this.opcode,
      final: this.final,
      dataLength: this.dataLength,
      lun: lunValue(this.bytes, this.offset + 8),
      itt: this.itt,
      ttt: this.ttt,
      expStatSn: this.expStatSn,
      dataSn: this.dataSn,
      bufferOffset: this.bufferOffset,
      ...ahsField(this.ahs()),
    };
  }
}

export function writeDataOut(into: Uint8Array, offset: number, f: DataOutInit): void {
  writeHeader(into, offset, Opcode.DataOut, finalBit(f), f);
  encodeLun(into, offset + 8, f.lun ?? 0);
  putU32(into, offset + 20, f.ttt ?? RESERVED_TAG);
  putU32(into, offset + 28, f.expStatSn);
  putU32(into, offset + 36, f.dataSn);
  putU32(into, offset + 40, f.bufferOffset);
}

/** RFC 7143 §11.7. StatSN, status and residual hold only where `hasStatus` (S bit) is set. */
export interface DataInFields extends ResponseFields {
  readonly opcode: typeof Opcode.DataIn;
  /** Last PDU of a sequence. */
  readonly final: boolean;
  /** A bit: the target asks for a DataACK SNACK (ErrorRecoveryLevel 1 and up). */
  readonly acknowledge: boolean;
  /** O bit. */
  readonly overflow: boolean;
  /** U bit. */
  readonly underflow: boolean;
  /** S bit: this is the last Data-In of the command and carries its status. */
  readonly hasStatus: boolean;
  readonly status: number;
  /** Only valid together with a valid TTT. */
  readonly lun: LunValue;
  /** A tag to copy into a DataACK, where `acknowledge` is set; else 0xffffffff. */
  readonly ttt: number;
  readonly dataSn: number;
  readonly bufferOffset: number;
  readonly residualCount: number;
}
export type DataInInit = Init<
  DataInFields,
  "itt" | "final" | "expCmdSn" | "maxCmdSn" | "dataSn" | "bufferOffset"
>;

export class DataInView extends ResponseView {
  readonly opcode = Opcode.DataIn;

  get acknowledge(): boolean {
    return (this.byte(1) & 0x40) !== 0;
  }

  get overflow(): boolean {
    return (this.byte(1) & 0x04) !== 0;
  }

  get underflow(): boolean {
    return (this.byte(1) & 0x02) !== 0;
  }

  get hasStatus(): boolean {
    return (this.byte(1) & 0x01) !== 0;
  }

  get status(): number {
    return this.byte(3);
  }

  get ttt(): number {
    return this.word(20);
  }

  get dataSn(): number {
    return this.word(36);
  }

  get bufferOffset(): number {
    return this.word(40);
  }

  get residualCount(): number {
    return this.word(44);
  }

  toFields(): DataInFields {
    return {
      opcode: this.opcode,
      final: this.final,
      acknowledge: this.acknowledge,
      overflow: this.overflow,
      underflow: this.underflow,
      hasStatus: this.hasStatus,
      status: this.status,
      dataLength: this.dataLength,
      lun: lunValue(this.bytes, this.offset + 8),
      itt: this.itt,
      ttt: this.ttt,
      statSn: this.statSn,
      expCmdSn: this.expCmdSn,
      maxCmdSn: this.maxCmdSn,
      dataSn: this.dataSn,
      bufferOffset: this.bufferOffset,
      residualCount: this.residualCount,
      ...ahsField(this.ahs()),
    };
  }
}

export function writeDataIn(into: Uint8Array, offset: number, f: DataInInit): void {
  const byte1 =
    finalBit(f) |
    (f.acknowledge === true ? 0x40 : 0) |
    (f.overflow === true ? 0x04 : 0) |
    (f.underflow === true ? 0x02 : 0) |
    (f.hasStatus === true ? 0x01 : 0);
  writeResponse(into, offset, Opcode.DataIn, byte1, f);
  into[offset + 3] = f.status ?? 0;
  encodeLun(into, offset + 8, f.lun ?? 0);
  putU32(into, offset + 20, f.ttt ?? RESERVED_TAG);
  putU32(into, offset + 36, f.dataSn);
  putU32(into, offset + 40, f.bufferOffset);
  putU32(into, offset + 44, f.residualCount ?? 0);
}

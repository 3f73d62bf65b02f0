import { putU32 } from "../bytes.ts";
import type { CommonFields, Init } from "../fields.ts";
import { encodeLun, lunValue, type LunValue } from "../lun.ts";
import { Opcode } from "../opcode.ts";
import { PduView, RESERVED_TAG } from "../view.ts";
import { ahsField, finalBit, writeHeader } from "../write.ts";

/** RFC 7143 §11.16. */
export interface SnackFields extends CommonFields {
  readonly opcode: typeof Opcode.Snack;
  readonly final: boolean;
  /** One of SnackType, or a code that it lacks. */
  readonly type: number;
  readonly lun: LunValue;
  /** TTT of the Data-In for a DataACK, SNACK Tag for an R-Data SNACK, else 0xffffffff. */
  readonly ttt: number;
  readonly expStatSn: number;
  /** First DataSN, R2TSN or StatSN asked for. */
  readonly begRun: number;
  /** How many; 0 means all that were sent from `begRun` on. */
  readonly runLength: number;
}
export type SnackInit = Init<SnackFields, "type" | "expStatSn" | "begRun" | "runLength">;

export class SnackView extends PduView {
  readonly opcode = Opcode.Snack;

  get type(): number {
    return this.byte(1) & 0x0f;
  }

  get ttt(): number {
    return this.word(20);
  }

  get expStatSn(): number {
    return this.word(28);
  }

  get begRun(): number {
    return this.word(40);
  }

  get runLength(): number {
    return this.word(44);
  }

  toFields(): SnackFields {
    return {
      opcode: this.opcode,
      final: this.final,
      type: this.type,
      dataLength: this.dataLength,
      lun: lunValue(this.bytes, this.offset + 8),
      itt: this.itt,
      ttt: this.ttt,
      expStatSn: this.expStatSn,
      begRun: this.begRun,
      runLength: this.runLength,
      ...ahsField(this.ahs()),
    };
  }
}

export function writeSnack(into: Uint8Array, offset: number, f: SnackInit): void {
  writeHeader(into, offset, Opcode.Snack, finalBit(f) | (f.type & 0x0f), f);
  encodeLun(into, offset + 8, f.lun ?? 0);
  putU32(into, offset + 20, f.ttt ?? RESERVED_TAG);
  putU32(into, offset + 28, f.expStatSn);
  putU32(into, offset + 40, f.begRun);
  putU32(into, offset + 44, f.runLength);
}

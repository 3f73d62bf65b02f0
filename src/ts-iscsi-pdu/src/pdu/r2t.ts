import { putU32 } from "../bytes.ts";
import type { Init, ResponseFields } from "../fields.ts";
import { encodeLun, lunValue, type LunValue } from "../lun.ts";
import { Opcode } from "../opcode.ts";
import { ResponseView } from "../view.ts";
import { ahsField, finalBit, writeResponse } from "../write.ts";

/** RFC 7143 §11.8. StatSN is the next one to come and is not advanced. */
export interface R2tFields extends ResponseFields {
  readonly opcode: typeof Opcode.R2t;
  readonly final: boolean;
  readonly lun: LunValue;
  readonly ttt: number;
  readonly r2tSn: number;
  /** First byte asked for, from the start of the command's data. */
  readonly bufferOffset: number;
  /** Bytes asked for: more than 0, at most MaxBurstLength. */
  readonly desiredLength: number;
}
export type R2tInit = Init<
  R2tFields,
  "itt" | "ttt" | "statSn" | "expCmdSn" | "maxCmdSn" | "r2tSn" | "bufferOffset" | "desiredLength"
>;

export class R2tView extends ResponseView {
  readonly opcode = Opcode.R2t;

  get ttt(): number {
    return this.word(20);
  }

  get r2tSn(): number {
    return this.word(36);
  }

  get bufferOffset(): number {
    return this.word(40);
  }

  get desiredLength(): number {
    return this.word(44);
  }

  toFields(): R2tFields {
    return {
      opcode: this.opcode,
      final: this.final,
      dataLength: this.dataLength,
      lun: lunValue(this.bytes, this.offset + 8),
      itt: this.itt,
      ttt: this.ttt,
      statSn: this.statSn,
      expCmdSn: this.expCmdSn,
      maxCmdSn: this.maxCmdSn,
      r2tSn: this.r2tSn,
      bufferOffset: this.bufferOffset,
      desiredLength: this.desiredLength,
      ...ahsField(this.ahs()),
    };
  }
}

export function writeR2t(into: Uint8Array, offset: number, f: R2tInit): void {
  writeResponse(into, offset, Opcode.R2t, finalBit(f), f);
  encodeLun(into, offset + 8, f.lun ?? 0);
  putU32(into, offset + 20, f.ttt);
  putU32(into, offset + 36, f.r2tSn);
  putU32(into, offset + 40, f.bufferOffset);
  putU32(into, offset + 44, f.desiredLength);
}

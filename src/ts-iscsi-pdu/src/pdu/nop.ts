import { putU32 } from "../bytes.ts";
import type { Init, RequestFields, ResponseFields } from "../fields.ts";
import { encodeLun, lunValue, type LunValue } from "../lun.ts";
import { Opcode } from "../opcode.ts";
import { RequestView, RESERVED_TAG, ResponseView } from "../view.ts";
import { ahsField, finalBit, immediateBit, writeRequest, writeResponse } from "../write.ts";

/** RFC 7143 §11.18. A valid ITT asks for an answer; a valid TTT is an answer and copies LUN and TTT of the NOP-In. */
export interface NopOutFields extends RequestFields {
  readonly opcode: typeof Opcode.NopOut;
  readonly final: boolean;
  readonly lun: LunValue;
  readonly ttt: number;
}
export type NopOutInit = Init<NopOutFields, "cmdSn" | "expStatSn">;

export class NopOutView extends RequestView {
  readonly opcode = Opcode.NopOut;

  get ttt(): number {
    return this.word(20);
  }

  toFields(): NopOutFields {
    return {
      opcode: this.opcode,
      immediate: this.immediate,
      final: this.final,
      dataLength: this.dataLength,
      lun: lunValue(this.bytes, this.offset + 8),
      itt: this.itt,
      ttt: this.ttt,
      cmdSn: this.cmdSn,
      expStatSn: this.expStatSn,
      ...ahsField(this.ahs()),
    };
  }
}

export function writeNopOut(into: Uint8Array, offset: number, f: NopOutInit): void {
  writeRequest(into, offset, Opcode.NopOut | immediateBit(f), finalBit(f), f);
  encodeLun(into, offset + 8, f.lun ?? 0);
  putU32(into, offset + 20, f.ttt ?? RESERVED_TAG);
}

/** RFC 7143 §11.19. A valid TTT asks for an answer; a valid ITT is the answer to that NOP-Out. */
export interface NopInFields extends ResponseFields {
  readonly opcode: typeof Opcode.NopIn;
  readonly final: boolean;
  readonly lun: LunValue;
  readonly ttt: number;
}
export type NopInInit = Init<NopInFields, "statSn" | "expCmdSn" | "maxCmdSn">;

export class NopInView extends ResponseView {
  readonly opcode = Opcode.NopIn;

  get ttt(): number {
    return this.word(20);
  }

  toFields(): NopInFields {
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
      ...ahsField(this.ahs()),
    };
  }
}

export function writeNopIn(into: Uint8Array, offset: number, f: NopInInit): void {
  writeResponse(into, offset, Opcode.NopIn, finalBit(f), f);
  encodeLun(into, offset + 8, f.lun ?? 0);
  putU32(into, offset + 20, f.ttt ?? RESERVED_TAG);
}

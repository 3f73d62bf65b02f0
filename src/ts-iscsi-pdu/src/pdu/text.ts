import { putU32 } from "../bytes.ts";
import type { Init, RequestFields, ResponseFields } from "../fields.ts";
import { encodeLun, lunValue, type LunValue } from "../lun.ts";
import { Opcode } from "../opcode.ts";
import { RequestView, RESERVED_TAG, ResponseView } from "../view.ts";
import { ahsField, finalBit, immediateBit, writeRequest, writeResponse } from "../write.ts";

/** RFC 7143 §11.10. */
export interface TextRequestFields extends RequestFields {
  readonly opcode: typeof Opcode.TextRequest;
  readonly final: boolean;
  /** C bit: the text goes on in the next request; never together with `final`. */
  readonly continues: boolean;
  readonly lun: LunValue;
  readonly ttt: number;
}
export type TextRequestInit = Init<TextRequestFields, "itt" | "cmdSn" | "expStatSn">;

export class TextRequestView extends RequestView {
  readonly opcode = Opcode.TextRequest;

  get continues(): boolean {
    return (this.byte(1) & 0x40) !== 0;
  }

  get ttt(): number {
    return this.word(20);
  }

  toFields(): TextRequestFields {
    return {
      opcode: this.opcode,
      immediate: this.immediate,
      final: this.final,
      continues: this.continues,
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

export function writeTextRequest(into: Uint8Array, offset: number, f: TextRequestInit): void {
  const byte1 = finalBit(f) | (f.continues === true ? 0x40 : 0);
  writeRequest(into, offset, Opcode.TextRequest | immediateBit(f), byte1, f);
  encodeLun(into, offset + 8, f.lun ?? 0);
  putU32(into, offset + 20, f.ttt ?? RESERVED_TAG);
}

/** RFC 7143 §11.11. */
export interface TextResponseFields extends ResponseFields {
  readonly opcode: typeof Opcode.TextResponse;
  readonly final: boolean;
  /** C bit. */
  readonly continues: boolean;
  readonly lun: LunValue;
  /** Copied into the next request while the exchange goes on; 0xffffffff in the last response. */
  readonly ttt: number;
}
export type TextResponseInit = Init<TextResponseFields, "itt" | "statSn" | "expCmdSn" | "maxCmdSn">;

export class TextResponseView extends ResponseView {
  readonly opcode = Opcode.TextResponse;

  get continues(): boolean {
    return (this.byte(1) & 0x40) !== 0;
  }

  get ttt(): number {
    return this.word(20);
  }

  toFields(): TextResponseFields {
    return {
      opcode: this.opcode,
      final: this.final,
      continues: this.continues,
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

export function writeTextResponse(into: Uint8Array, offset: number, f: TextResponseInit): void {
  const byte1 = finalBit(f) | (f.continues === true ? 0x40 : 0);
  writeResponse(into, offset, Opcode.TextResponse, byte1, f);
  encodeLun(into, offset + 8, f.lun ?? 0);
  putU32(into, offset + 20, f.ttt ?? RESERVED_TAG);
}

import { putU24, putU32, u24 } from "../bytes.ts";
import type { Init, RequestFields, ResponseFields } from "../fields.ts";
import { encodeLun, lunValue, type LunValue } from "../lun.ts";
import { Opcode } from "../opcode.ts";
import { RequestView, RESERVED_TAG, ResponseView } from "../view.ts";
import { ahsField, finalBit, immediateBit, writeRequest, writeResponse } from "../write.ts";

/** RFC 7143 §11.5. */
export interface TmfRequestFields extends RequestFields {
  readonly opcode: typeof Opcode.TmfRequest;
  readonly final: boolean;
  /** One of TmfFunction, or a code that it lacks. */
  readonly function: number;
  readonly lun: LunValue;
  /** ITT of the task for ABORT TASK, TASK REASSIGN and QUERY TASK; 0xffffffff for the others. */
  readonly referencedTaskTag: number;
  /** CmdSN of the task to abort. */
  readonly refCmdSn: number;
  /** TASK REASSIGN: the next DataSN or R2TSN that the initiator expects. */
  readonly expDataSn: number;
}
export type TmfRequestInit = Init<TmfRequestFields, "itt" | "function" | "cmdSn" | "expStatSn">;

export class TmfRequestView extends RequestView {
  readonly opcode = Opcode.TmfRequest;

  get function(): number {
    return this.byte(1) & 0x7f;
  }

  get referencedTaskTag(): number {
    return this.word(20);
  }

  get refCmdSn(): number {
    return this.word(32);
  }

  get expDataSn(): number {
    return this.word(36);
  }

  toFields(): TmfRequestFields {
    return {
      opcode: this.opcode,
      immediate: this.immediate,
      final: this.final,
      function: this.function,
      dataLength: this.dataLength,
      lun: lunValue(this.bytes, this.offset + 8),
      itt: this.itt,
      referencedTaskTag: this.referencedTaskTag,
      cmdSn: this.cmdSn,
      expStatSn: this.expStatSn,
      refCmdSn: this.refCmdSn,
      expDataSn: this.expDataSn,
      ...ahsField(this.ahs()),
    };
  }
}

export function writeTmfRequest(into: Uint8Array, offset: number, f: TmfRequestInit): void {
  writeRequest(into, offset, Opcode.TmfRequest | immediateBit(f), finalBit(f) | (f.function & 0x7f), f);
  encodeLun(into, offset + 8, f.lun ?? 0);
  putU32(into, offset + 20, f.referencedTaskTag ?? RESERVED_TAG);
  putU32(into, offset + 32, f.refCmdSn ?? 0);
  putU32(into, offset + 36, f.expDataSn ?? 0);
}

/** RFC 7143 §11.6. */
export interface TmfResponseFields extends ResponseFields {
  readonly opcode: typeof Opcode.TmfResponse;
  readonly final: boolean;
  /** One of TmfResponseCode, or a code that it lacks. */
  readonly response: number;
  /** Additional Response Information, 3 bytes, for QUERY ASYNCHRONOUS EVENT (RFC 7144 §6). */
  readonly additionalInformation: number;
}
export type TmfResponseInit = Init<
  TmfResponseFields,
  "itt" | "response" | "statSn" | "expCmdSn" | "maxCmdSn"
>;

export class TmfResponseView extends ResponseView {
  readonly opcode = Opcode.TmfResponse;

  get response(): number {
    return this.byte(2);
  }

  get additionalInformation(): number {
    return u24(this.bytes, this.offset + 8);
  }

  toFields(): TmfResponseFields {
    return {
      opcode: this.opcode,
      final: this.final,
      response: this.response,
      dataLength: this.dataLength,
      additionalInformation: this.additionalInformation,
      itt: this.itt,
      statSn: this.statSn,
      expCmdSn: this.expCmdSn,
      maxCmdSn: this.maxCmdSn,
      ...ahsField(this.ahs()),
    };
  }
}

export function writeTmfResponse(into: Uint8Array, offset: number, f: TmfResponseInit): void {
  writeResponse(into, offset, Opcode.TmfResponse, finalBit(f), f);
  into[offset + 2] = f.response;
  putU24(into, offset + 8, f.additionalInformation ?? 0);
}

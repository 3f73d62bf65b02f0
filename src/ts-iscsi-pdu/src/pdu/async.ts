import { putU16, u16 } from "../bytes.ts";
import type { Init, ResponseFields } from "../fields.ts";
import { encodeLun, lunValue, type LunValue } from "../lun.ts";
import { Opcode } from "../opcode.ts";
import { ResponseView } from "../view.ts";
import { ahsField, finalBit, writeResponse } from "../write.ts";

/** RFC 7143 §11.9. The ITT is always 0xffffffff. */
export interface AsyncFields extends ResponseFields {
  readonly opcode: typeof Opcode.Async;
  readonly final: boolean;
  readonly lun: LunValue;
  /** One of AsyncEvent, or a code that it lacks. */
  readonly event: number;
  readonly vendorCode: number;
  /** Event 2: the CID that will be dropped. */
  readonly parameter1: number;
  /** Events 2 and 3: Time2Wait, seconds. */
  readonly parameter2: number;
  /** Events 1 and 4: seconds to react; 2 and 3: Time2Retain, seconds. */
  readonly parameter3: number;
}
export type AsyncInit = Init<AsyncFields, "event" | "statSn" | "expCmdSn" | "maxCmdSn">;

export class AsyncView extends ResponseView {
  readonly opcode = Opcode.Async;

  get event(): number {
    return this.byte(36);
  }

  get vendorCode(): number {
    return this.byte(37);
  }

  get parameter1(): number {
    return u16(this.bytes, this.offset + 38);
  }

  get parameter2(): number {
    return u16(this.bytes, this.offset + 40);
  }

  get parameter3(): number {
    return u16(this.bytes, this.offset + 42);
  }

  toFields(): AsyncFields {
    return {
      opcode: this.opcode,
      final: this.final,
      dataLength: this.dataLength,
      lun: lunValue(this.bytes, this.offset + 8),
      itt: this.itt,
      statSn: this.statSn,
      expCmdSn: this.expCmdSn,
      maxCmdSn: this.maxCmdSn,
      event: this.event,
      vendorCode: this.vendorCode,
      parameter1: this.parameter1,
      parameter2: this.parameter2,
      parameter3: this.parameter3,
      ...ahsField(this.ahs()),
    };
  }
}

export function writeAsync(into: Uint8Array, offset: number, f: AsyncInit): void {
  writeResponse(into, offset, Opcode.Async, finalBit(f), f);
  encodeLun(into, offset + 8, f.lun ?? 0);
  into[offset + 36] = f.event;
  into[offset + 37] = f.vendorCode ?? 0;
  putU16(into, offset + 38, f.parameter1 ?? 0);
  putU16(into, offset + 40, f.parameter2 ?? 0);
  putU16(into, offset + 42, f.parameter3 ?? 0);
}

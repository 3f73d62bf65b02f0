import { putU16, u16 } from "../bytes.ts";
import type { Init, RequestFields, ResponseFields } from "../fields.ts";
import { Opcode } from "../opcode.ts";
import { RequestView, ResponseView } from "../view.ts";
import { ahsField, finalBit, immediateBit, writeRequest, writeResponse } from "../write.ts";

/** RFC 7143 §11.14. */
export interface LogoutRequestFields extends RequestFields {
  readonly opcode: typeof Opcode.LogoutRequest;
  readonly final: boolean;
  /** One of LogoutReason, or a code that it lacks. */
  readonly reason: number;
  /** The connection to close or recover; reserved when the session is closed. */
  readonly cid: number;
}
export type LogoutRequestInit = Init<LogoutRequestFields, "itt" | "reason" | "cmdSn" | "expStatSn">;

export class LogoutRequestView extends RequestView {
  readonly opcode = Opcode.LogoutRequest;

  get reason(): number {
    return this.byte(1) & 0x7f;
  }

  get cid(): number {
    return u16(this.bytes, this.offset + 20);
  }

  toFields(): LogoutRequestFields {
    return {
      opcode: this.opcode,
      immediate: this.immediate,
      final: this.final,
      reason: this.reason,
      dataLength: this.dataLength,
      itt: this.itt,
      cid: this.cid,
      cmdSn: this.cmdSn,
      expStatSn: this.expStatSn,
      ...ahsField(this.ahs()),
    };
  }
}

export function writeLogoutRequest(into: Uint8Array, offset: number, f: LogoutRequestInit): void {
  writeRequest(into, offset, Opcode.LogoutRequest | immediateBit(f), finalBit(f) | (f.reason & 0x7f), f);
  putU16(into, offset + 20, f.cid ?? 0);
}

/** RFC 7143 §11.15. */
export interface LogoutResponseFields extends ResponseFields {
  readonly opcode: typeof Opcode.LogoutResponse;
  readonly final: boolean;
  /** One of LogoutResponseCode, or a code that it lacks. */
  readonly response: number;
  /** Seconds to wait before a new login that reinstates. */
  readonly time2Wait: number;
  /** Seconds after Time2Wait for which the target keeps the tasks. */
  readonly time2Retain: number;
}
export type LogoutResponseInit = Init<LogoutResponseFields, "itt" | "statSn" | "expCmdSn" | "maxCmdSn">;

export class LogoutResponseView extends ResponseView {
  readonly opcode = Opcode.LogoutResponse;

  get response(): number {
    return this.byte(2);
  }

  get time2Wait(): number {
    return u16(this.bytes, this.offset + 40);
  }

  get time2Retain(): number {
    return u16(this.bytes, this.offset + 42);
  }

  toFields(): LogoutResponseFields {
    return {
      opcode: this.opcode,
      final: this.final,
      response: this.response,
      dataLength: this.dataLength,
      itt: this.itt,
      statSn: this.statSn,
      expCmdSn: this.expCmdSn,
      maxCmdSn: this.maxCmdSn,
      time2Wait: this.time2Wait,
      time2Retain: this.time2Retain,
      ...ahsField(this.ahs()),
    };
  }
}

export function writeLogoutResponse(into: Uint8Array, offset: number, f: LogoutResponseInit): void {
  writeResponse(into, offset, Opcode.LogoutResponse, finalBit(f), f);
  into[offset + 2] = f.response ?? 0;
  putU16(into, offset + 40, f.time2Wait ?? 0);
  putU16(into, offset + 42, f.time2Retain ?? 0);
}

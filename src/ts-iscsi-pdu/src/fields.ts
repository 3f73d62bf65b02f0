import type { AhsSegment } from "./ahs.ts";
import type { UnknownOpcode } from "./opcode.ts";
import type { AsyncFields } from "./pdu/async.ts";
import type { DataInFields, DataOutFields } from "./pdu/data.ts";
import type { LoginRequestFields, LoginResponseFields } from "./pdu/login.ts";
import type { LogoutRequestFields, LogoutResponseFields } from "./pdu/logout.ts";
import type { NopInFields, NopOutFields } from "./pdu/nop.ts";
import type { R2tFields } from "./pdu/r2t.ts";
import type { RejectFields } from "./pdu/reject.ts";
import type { ScsiCommandFields } from "./pdu/scsi-command.ts";
import type { ScsiResponseFields } from "./pdu/scsi-response.ts";
import type { SnackFields } from "./pdu/snack.ts";
import type { TextRequestFields, TextResponseFields } from "./pdu/text.ts";
import type { TmfRequestFields, TmfResponseFields } from "./pdu/tmf.ts";

export interface CommonFields {
  readonly itt: number;
  /** DataSegmentLength; an encoder takes it from the data it is given. */
  readonly dataLength: number;
  /** Additional header segments, where there are any. */
  readonly ahs?: readonly AhsSegment[];
}

export interface RequestFields extends CommonFields {
  readonly immediate: boolean;
  readonly cmdSn: number;
  readonly expStatSn: number;
}

export interface ResponseFields extends CommonFields {
  readonly statSn: number;
  readonly expCmdSn: number;
  readonly maxCmdSn: number;
}

/** A header as plain data, discriminated by `opcode`: for tests, logs, fault plans. */
export type PduFields =
  | NopOutFields
  | ScsiCommandFields
  | TmfRequestFields
  | LoginRequestFields
  | TextRequestFields
  | DataOutFields
  | LogoutRequestFields
  | SnackFields
  | NopInFields
  | ScsiResponseFields
  | TmfResponseFields
  | LoginResponseFields
  | TextResponseFields
  | DataInFields
  | LogoutResponseFields
  | R2tFields
  | AsyncFields
  | RejectFields
  | UnknownPduFields;

/** A PDU with an opcode that RFC 7143 does not define. */
export interface UnknownPduFields extends CommonFields {
  readonly opcode: UnknownOpcode;
  /** The whole BHS. */
  readonly header: Uint8Array;
}

/**
 * What a writer takes: the fields named in `Must`, any of the others. What is left out is 0 or false, `final` is
 * true, tags that are left out are 0xffffffff. Numbers are taken modulo the width of their field.
 */
export type Init<F extends { readonly opcode: number }, Must extends keyof F = never> = Partial<
  Omit<F, "opcode" | Must>
> &
  Pick<F, Must>;

import type { AhsSegment } from "./ahs.ts";
import { u8, copyBytes } from "./bytes.ts";
import type { UnknownPduFields } from "./fields.ts";
import { Opcode, UNKNOWN_OPCODE } from "./opcode.ts";
import { AsyncView, writeAsync, type AsyncInit } from "./pdu/async.ts";
import {
  DataInView,
  DataOutView,
  writeDataIn,
  writeDataOut,
  type DataInInit,
  type DataOutInit,
} from "./pdu/data.ts";
import {
  LoginRequestView,
  LoginResponseView,
  writeLoginRequest,
  writeLoginResponse,
  type LoginRequestInit,
  type LoginResponseInit,
} from "./pdu/login.ts";
import {
  LogoutRequestView,
  LogoutResponseView,
  writeLogoutRequest,
  writeLogoutResponse,
  type LogoutRequestInit,
  type LogoutResponseInit,
} from "./pdu/logout.ts";
import {
  NopInView,
  NopOutView,
  writeNopIn,
  writeNopOut,
  type NopInInit,
  type NopOutInit,
} from "./pdu/nop.ts";
import { R2tView, writeR2t, type R2tInit } from "./pdu/r2t.ts";
import { RejectView, writeReject, type RejectInit } from "./pdu/reject.ts";
import {
  scsiCommandAhs,
  ScsiCommandView,
  writeScsiCommand,
  type ScsiCommandInit,
} from "./pdu/scsi-command.ts";
import { ScsiResponseView, writeScsiResponse, type ScsiResponseInit } from "./pdu/scsi-response.ts";
import { SnackView, writeSnack, type SnackInit } from "./pdu/snack.ts";
import {
  TextRequestView,
  TextResponseView,
  writeTextRequest,
  writeTextResponse,
  type TextRequestInit,
  type TextResponseInit,
} from "./pdu/text.ts";
import {
  TmfRequestView,
  TmfResponseView,
  writeTmfRequest,
  writeTmfResponse,
  type TmfRequestInit,
  type TmfResponseInit,
} from "./pdu/tmf.ts";
import { UnknownPduView } from "./pdu/unknown.ts";
import { writeHeader, writeTotalAhsLength } from "./write.ts";
import { ahsLength } from "./ahs.ts";

/** A PDU of any kind; `switch (pdu.opcode)` tells which. */
export type AnyPdu =
  | NopOutView
  | ScsiCommandView
  | TmfRequestView
  | LoginRequestView
  | TextRequestView
  | DataOutView
  | LogoutRequestView
  | SnackView
  | NopInView
  | ScsiResponseView
  | TmfResponseView
  | LoginResponseView
  | TextResponseView
  | DataInView
  | LogoutResponseView
  | R2tView
  | AsyncView
  | RejectView
  | UnknownPduView;

/** The view class of each opcode. */
export const VIEWS = {
  [Opcode.NopOut]: NopOutView,
  [Opcode.ScsiCommand]: ScsiCommandView,
  [Opcode.TmfRequest]: TmfRequestView,
  [Opcode.LoginRequest]: LoginRequestView,
  [Opcode.TextRequest]: TextRequestView,
  [Opcode.DataOut]: DataOutView,
  [Opcode.LogoutRequest]: LogoutRequestView,
  [Opcode.Snack]: SnackView,
  [Opcode.NopIn]: NopInView,
  [Opcode.ScsiResponse]: ScsiResponseView,
  [Opcode.TmfResponse]: TmfResponseView,
  [Opcode.LoginResponse]: LoginResponseView,
  [Opcode.TextResponse]: TextResponseView,
  [Opcode.DataIn]: DataInView,
  [Opcode.LogoutResponse]: LogoutResponseView,
  [Opcode.R2t]: R2tView,
  [Opcode.Async]: AsyncView,
  [Opcode.Reject]: RejectView,
} as const satisfies Record<Opcode, new (bytes: Uint8Array, offset?: number) => AnyPdu>;

const viewByOpcode: readonly (new (bytes: Uint8Array, offset?: number) => AnyPdu)[] = Array.from(
  { length: 64 },
  (_, opcode) => (VIEWS as Partial<Record<number, (typeof VIEWS)[Opcode]>>)[opcode] ?? UnknownPduView,
);

/** A view of the PDU header at `offset`. Throws ProtocolError PDU_SHORT when fewer than 48 bytes are there. */
export function viewPdu(bytes: Uint8Array, offset = 0): AnyPdu {
  const View = viewByOpcode[u8(bytes, offset) & 0x3f] ?? UnknownPduView;
  return new View(bytes, offset);
}

type With<O extends Opcode, I> = { readonly opcode: O } & I;

/** What an encoder takes: an opcode and that PDU's fields, those that have a default left out at will. */
export type PduInit =
  | With<typeof Opcode.NopOut, NopOutInit>
  | With<typeof Opcode.ScsiCommand, ScsiCommandInit>
  | With<typeof Opcode.TmfRequest, TmfRequestInit>
  | With<typeof Opcode.LoginRequest, LoginRequestInit>
  | With<typeof Opcode.TextRequest, TextRequestInit>
  | With<typeof Opcode.DataOut, DataOutInit>
  | With<typeof Opcode.LogoutRequest, LogoutRequestInit>
  | With<typeof Opcode.Snack, SnackInit>
  | With<typeof Opcode.NopIn, NopInInit>
  | With<typeof Opcode.ScsiResponse, ScsiResponseInit>
  | With<typeof Opcode.TmfResponse, TmfResponseInit>
  | With<typeof Opcode.LoginResponse, LoginResponseInit>
  | With<typeof Opcode.TextResponse, TextResponseInit>
  | With<typeof Opcode.DataIn, DataInInit>
  | With<typeof Opcode.LogoutResponse, LogoutResponseInit>
  | With<typeof Opcode.R2t, R2tInit>
  | With<typeof Opcode.Async, AsyncInit>
  | With<typeof Opcode.Reject, RejectInit>
  | UnknownPduFields;

/** Fills the 48 bytes at `offset` with the BHS of any PDU. Throws a RangeError for what does not fit. */
export function writePdu(into: Uint8Array, offset: number, f: PduInit): void {
  switch (f.opcode) {
    case Opcode.NopOut:
      return writeNopOut(into, offset, f);
    case Opcode.ScsiCommand:
      return writeScsiCommand(into, offset, f);
    case Opcode.TmfRequest:
      return writeTmfRequest(into, offset, f);
    case Opcode.LoginRequest:
      return writeLoginRequest(into, offset, f);
    case Opcode.TextRequest:
      return writeTextRequest(into, offset, f);
    case Opcode.DataOut:
      return writeDataOut(into, offset, f);
    case Opcode.LogoutRequest:
      return writeLogoutRequest(into, offset, f);
    case Opcode.Snack:
      return writeSnack(into, offset, f);
    case Opcode.NopIn:
      return writeNopIn(into, offset, f);
    case Opcode.ScsiResponse:
      return writeScsiResponse(into, offset, f);
    case Opcode.TmfResponse:
      return writeTmfResponse(into, offset, f);
    case Opcode.LoginResponse:
      return writeLoginResponse(into, offset, f);
    case Opcode.TextResponse:
      return writeTextResponse(into, offset, f);
    case Opcode.DataIn:
      return writeDataIn(into, offset, f);
    case Opcode.LogoutResponse:
      return writeLogoutResponse(into, offset, f);
    case Opcode.R2t:
      return writeR2t(into, offset, f);
    case Opcode.Async:
      return writeAsync(into, offset, f);
    case Opcode.Reject:
      return writeReject(into, offset, f);
    case UNKNOWN_OPCODE:
      return writeUnknown(into, offset, f);
  }
}

const NO_SEGMENTS: readonly AhsSegment[] = [];

/** The additional header segments that follow the BHS of these fields. */
export function pduAhs(f: PduInit): readonly AhsSegment[] {
  return f.opcode === Opcode.ScsiCommand ? scsiCommandAhs(f) : (f.ahs ?? NO_SEGMENTS);
}

function writeUnknown(into: Uint8Array, offset: number, f: UnknownPduFields): void {
  if (f.header.length !== 48)
    throw new RangeError(`an unknown PDU's header has 48 bytes, not ${f.header.length}`);
  writeHeader(into, offset, 0, 0, f);
  const lengths = copyBytes(into, offset + 4, offset + 8);
  into.set(f.header, offset);
  into.set(lengths, offset + 4);
  writeTotalAhsLength(into, offset, ahsLength(pduAhs(f)));
}

import type { AnyPdu } from "./any-pdu.ts";
import { u8, copyBytes } from "./bytes.ts";
import { ProtocolError } from "./errors.ts";
import { fieldBytes, fieldMask } from "./field.ts";
import { FIELD_TABLES } from "./field-tables.ts";
import { Opcode, OPCODE_TITLES, UNKNOWN_OPCODE } from "./opcode.ts";
import type { LoginRequestView, LoginResponseView } from "./pdu/login.ts";
import { BHS_LENGTH, RESERVED_TAG } from "./view.ts";

/**
 * What is wrong with a header by itself, without knowing the session: an undefined opcode, reserved bits that are
 * set, a fixed F bit that is not, data or additional headers on a PDU that has none, flags and tags that exclude each
 * other. An empty list is a good header. Receivers ignore reserved bits (RFC 7143 §11.2); testers report them.
 */
export function checkPdu(pdu: AnyPdu): readonly ProtocolError[] {
  const found: ProtocolError[] = [];
  const wrong = (section: string, field: string, got: number | string, message: string) => {
    const title = pdu.opcode === UNKNOWN_OPCODE ? "PDU" : OPCODE_TITLES[pdu.opcode];
    found.push(
      new ProtocolError({
        code: pdu.opcode === UNKNOWN_OPCODE ? "PDU_OPCODE" : "PDU_FIELD",
        section: `RFC 7143 §${section}`,
        field,
        got,
        message: `${title}: ${message}`,
        header: copyBytes(pdu.bytes, pdu.offset, pdu.offset + BHS_LENGTH),
        recoverable: true,
      }),
    );
  };
  if (pdu.opcode === UNKNOWN_OPCODE) {
    wrong("11.2.1.2", "Opcode", pdu.opcodeByte, "an opcode that is not defined");
    return found;
  }
  checkReserved(pdu, pdu.opcode, wrong);
  if (ALWAYS_FINAL.has(pdu.opcode) && !pdu.final)
    wrong(sectionOf(pdu.opcode), "F", 0, "byte 1 bit 7 is always 1");
  if (NO_DATA.has(pdu.opcode) && pdu.dataLength !== 0) {
    wrong("11.2.1.6", "DataSegmentLength", pdu.dataLength, "has no data segment");
  }
  if (pdu.opcode !== Opcode.ScsiCommand && pdu.ahsLength !== 0) {
    wrong("11.2.1.5", "TotalAHSLength", pdu.ahsLength, "has no additional header segments");
  }
  checkCombinations(pdu, wrong);
  return found;
}

type Wrong = (section: string, field: string, got: number | string, message: string) => void;

/** PDUs whose byte 1 bit 7 is drawn as 1. */
const ALWAYS_FINAL: ReadonlySet<Opcode> = new Set([
  Opcode.NopOut,
  Opcode.TmfRequest,
  Opcode.LogoutRequest,
  Opcode.Snack,
  Opcode.NopIn,
  Opcode.ScsiResponse,
  Opcode.TmfResponse,
  Opcode.LogoutResponse,
  Opcode.R2t,
  Opcode.Async,
  Opcode.Reject,
]);

const NO_DATA: ReadonlySet<Opcode> = new Set([
  Opcode.TmfRequest,
  Opcode.LogoutRequest,
  Opcode.Snack,
  Opcode.TmfResponse,
  Opcode.LogoutResponse,
  Opcode.R2t,
]);

const sectionOf = (opcode: Opcode) => FIELD_TABLES[opcode][0]?.section ?? "11";

/** The bits of each byte that some field claims. */
const claimed = new Map<Opcode, Uint8Array>();

function claimedBits(opcode: Opcode): Uint8Array {
  const known = claimed.get(opcode);
  if (known !== undefined) return known;
  const bits = new Uint8Array(BHS_LENGTH);
  for (const field of FIELD_TABLES[opcode]) {
    for (let index = 0; index < fieldBytes(field); index += 1) {
      bits[field.byte + index] = u8(bits, field.byte + index) | fieldMask(field, index);
    }
  }
  claimed.set(opcode, bits);
  return bits;
}

function checkReserved(pdu: AnyPdu, opcode: Opcode, wrong: Wrong): void {
  const bits = claimedBits(opcode);
  for (let at = 0; at < BHS_LENGTH; at += 1) {
    const set = u8(pdu.bytes, pdu.offset + at) & ~u8(bits, at) & 0xff;
    if (set !== 0)
      wrong(
        sectionOf(opcode),
        `byte ${at}`,
        `0x${set.toString(16).padStart(2, "0")}`,
        "reserved bits are set",
      );
  }
}

function checkCombinations(pdu: AnyPdu, wrong: Wrong): void {
  switch (pdu.opcode) {
    case Opcode.LoginRequest:
      if (!pdu.immediate) wrong("11.12", "I", 0, "the I bit is always 1");
      if (pdu.transit && pdu.continues) wrong("11.12.2", "C", 1, "C and T exclude each other");
      checkStages(pdu, wrong);
      return;
    case Opcode.LoginResponse:
      if (pdu.transit && pdu.continues) wrong("11.13.7", "C", 1, "C and T exclude each other");
      checkStages(pdu, wrong);
      return;
    case Opcode.TextRequest:
      if (pdu.final && pdu.continues) wrong("11.10.2", "C", 1, "C and F exclude each other");
      return;
    case Opcode.TextResponse:
      if (pdu.final && pdu.continues) wrong("11.11.2", "C", 1, "C and F exclude each other");
      if (pdu.final && pdu.ttt !== RESERVED_TAG)
        wrong("11.11.4", "TargetTransferTag", pdu.ttt, "the last has no tag");
      if (!pdu.final && pdu.ttt === RESERVED_TAG)
        wrong("11.11.4", "TargetTransferTag", "none", "more needs a tag");
      return;
    case Opcode.ScsiCommand:
      if (!pdu.final && !pdu.write) wrong("11.3.1", "F", 0, "W and F are both 0");
      return;
    case Opcode.ScsiResponse:
      if (pdu.overflow && pdu.underflow) wrong("11.4.1", "O, U", "1, 1", "O and U exclude each other");
      if (pdu.bidirectionalOverflow && pdu.bidirectionalUnderflow) {
        wrong("11.4.1", "o, u", "1, 1", "o and u exclude each other");
      }
      return;
    case Opcode.DataIn:
      if (pdu.overflow && pdu.underflow) wrong("11.7.3", "O, U", "1, 1", "O and U exclude each other");
      if (pdu.hasStatus && !pdu.final) wrong("11.7.3", "F", 0, "S without F");
      return;
    case Opcode.R2t:
      if (pdu.desiredLength === 0) wrong("11.8.4", "DesiredDataTransferLength", 0, "asks for nothing");
      return;
    case Opcode.Async:
    case Opcode.Reject:
      if (pdu.itt !== RESERVED_TAG)
        wrong(sectionOf(pdu.opcode), "InitiatorTaskTag", pdu.itt, "has no task tag");
      return;
    case Opcode.NopOut:
    case Opcode.TmfRequest:
    case Opcode.DataOut:
    case Opcode.LogoutRequest:
    case Opcode.Snack:
    case Opcode.NopIn:
    case Opcode.TmfResponse:
    case Opcode.LogoutResponse:
    case UNKNOWN_OPCODE:
  }
}

function checkStages(pdu: LoginRequestView | LoginResponseView, wrong: Wrong): void {
  if (pdu.csg === 2) wrong("11.12.3", "CSG", 2, "a reserved stage");
  if (pdu.transit && pdu.nsg === 2) wrong("11.12.3", "NSG", 2, "a reserved stage");
  if (pdu.transit && pdu.nsg <= pdu.csg)
    wrong("11.12.3", "NSG", pdu.nsg, "the next stage is not a later one");
  if (!pdu.transit && pdu.nsg !== 0) wrong("11.12.3", "NSG", pdu.nsg, "a next stage without T");
}

import { AhsType, bidirectionalReadLength, writeAhs, ahsLength, type AhsSegment } from "./ahs.ts";
import { pduAhs, viewPdu, writePdu, type AnyPdu, type PduInit } from "./any-pdu.ts";
import { loginStatuses } from "./codes.ts";
import { ProtocolError } from "./errors.ts";
import { FIELD_TABLES } from "./field-tables.ts";
import { readField, type Field, type FieldValue } from "./field.ts";
import { Opcode, OPCODE_TITLES, UNKNOWN_OPCODE } from "./opcode.ts";
import { BHS_LENGTH, RESERVED_TAG } from "./view.ts";

/** A field, its value, and the value as people read it. */
export interface FieldRow {
  readonly field: Field;
  readonly value: FieldValue;
  /** "0x00000007", "1 (ABORT TASK)", "none" for a reserved tag. */
  readonly text: string;
}

/** The rows of a PDU's header, in the order of its bytes: what a PDU inspector shows. */
export function pduRows(pdu: AnyPdu): readonly FieldRow[] {
  if (pdu.opcode === UNKNOWN_OPCODE) return [];
  return FIELD_TABLES[pdu.opcode].map((field) => {
    const value = readField(pdu.bytes, field, pdu.offset);
    return { field, value, text: valueText(field, value) };
  });
}

/**
 * One line: the PDU's name, its flags, then every field that says something.
 * "SCSI Data-In F S Status=0 DataSegmentLength=512 InitiatorTaskTag=0x00000007 …"
 */
export function formatPdu(pdu: AnyPdu): string {
  if (pdu.opcode === UNKNOWN_OPCODE) {
    return `unknown opcode 0x${pdu.opcodeByte.toString(16).padStart(2, "0")} DataSegmentLength=${pdu.dataLength}`;
  }
  const words: string[] = [OPCODE_TITLES[pdu.opcode]];
  for (const { field, value, text } of pduRows(pdu)) {
    if (field.kind === "flag") {
      if (value === true) words.push(field.label);
    } else if (says(field, value)) {
      words.push(`${field.label}=${text}`);
    }
  }
  if (pdu.opcode === Opcode.LoginResponse && pdu.status !== 0)
    words.push(`(${loginStatuses.text(pdu.status)})`);
  return [...words, ...ahsWords(pdu)].join(" ");
}

/** The line of plain fields, as of a view of them. */
export function formatFields(f: PduInit): string {
  const segments = pduAhs(f);
  const header = new Uint8Array(BHS_LENGTH + ahsLength(segments));
  writePdu(header, 0, f);
  writeAhs(header, BHS_LENGTH, segments);
  return formatPdu(viewPdu(header));
}

/** Zero counts and absent tags are left out; serial numbers and codes are always said. */
function says(field: Field, value: FieldValue): boolean {
  if (field.name === "opcodeByte") return false;
  if (field.kind === "tag") return value !== RESERVED_TAG && !(value === 0 && field.name === "snackTag");
  return field.kind !== "number" || field.codes !== undefined || field.name === "status" || value !== 0;
}

function valueText(field: Field, value: FieldValue): string {
  if (value instanceof Uint8Array) return hex(value);
  if (typeof value === "boolean") return value ? "1" : "0";
  if (field.codes !== undefined) return `${value} (${field.codes.text(value)})`;
  if (field.kind === "tag")
    return value === RESERVED_TAG ? "none" : `0x${value.toString(16).padStart(8, "0")}`;
  if (field.name === "opcodeByte") return `0x${value.toString(16).padStart(2, "0")}`;
  return String(value);
}

function ahsWords(pdu: AnyPdu): string[] {
  if (pdu.ahsLength === 0) return [];
  try {
    return pdu.ahs().map(ahsText);
  } catch (error) {
    if (error instanceof ProtocolError) return [`AHS=malformed (${error.message})`];
    throw error;
  }
}

function ahsText(segment: AhsSegment): string {
  const length = bidirectionalReadLength(segment);
  if (length !== undefined) return `BidirectionalReadLength=${length}`;
  if (segment.type === AhsType.ExtendedCdb) return `ExtendedCDB=${hex(segment.specific.subarray(1))}`;
  return `AHS type ${segment.type}=${hex(segment.specific)}`;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * iSCSI PDUs (RFC 7143, RFC 7144) to and from bytes.
 *
 * Views read headers in place, writers fill 48 bytes in place, a framer cuts a byte stream into PDUs however it is
 * split, an encoder makes the pieces for one gathering write. Text keys, digests, serial numbers, LUN and ISID
 * forms and the tables of codes are here too.
 *
 * Initiators, targets, captures and fault plans build on it. It has no dependency, opens no socket, keeps no time
 * and knows no session: what a PDU means to a connection is for its users to say.
 */
export {
  ahsLength,
  AhsType,
  bidirectionalReadAhs,
  bidirectionalReadLength,
  extendedCdbAhs,
  readAhs,
  writeAhs,
  type AhsSegment,
} from "./ahs.ts";
export { pduAhs, viewPdu, VIEWS, writePdu, type AnyPdu, type PduInit } from "./any-pdu.ts";
export { checkPdu } from "./check.ts";
export { CodeTable, type CodeEntry } from "./code-table.ts";
export * from "./codes.ts";
export { padded, putU32le, u32le } from "./bytes.ts";
export { crc32cJs, hybridCrc32c, NATIVE_CRC32C_FROM, type Crc32c } from "./crc32c.ts";
export { PduGatherer, type Gathered } from "./gatherer.ts";
export { Encoder, type EncoderOptions, type HeaderPatch } from "./encoder.ts";
export { ProtocolError, type ProtocolErrorCode, type ProtocolErrorInit } from "./errors.ts";
export { FIELD_TABLES, findField } from "./field-tables.ts";
export { readField, writeField, type Field, type FieldKind, type FieldValue } from "./field.ts";
export type { Init, PduFields, UnknownPduFields } from "./fields.ts";
export { formatFields, formatPdu, pduRows, type FieldRow } from "./format.ts";
export { Framer, type FramerOptions, type FrameSink } from "./framer.ts";
export { decodeIsid, encodeIsid, formatIsid, ISID_LENGTH, type Isid } from "./isid.ts";
export {
  decodeLun,
  encodeLun,
  lunValue,
  NOT_A_LUN,
  REPORT_LUNS_WELL_KNOWN_LUN,
  type Lun,
  type LunValue,
} from "./lun.ts";
export { KeyNegotiation, type KeyNegotiationOptions } from "./negotiation/key-negotiation.ts";
export { writeValue, type KeyRule, type KeyUse, type KeyValue } from "./negotiation/key-rule.ts";
export {
  defaultValues,
  isOperationalKey,
  operationalKeys,
  type OperationalKey,
  type OperationalValues,
} from "./negotiation/key-table.ts";
export {
  isOpcode,
  isOpcodeName,
  Opcode,
  OPCODE_TITLES,
  opcodeName,
  opcodeSender,
  UNKNOWN_OPCODE,
  type OpcodeName,
  type UnknownOpcode,
} from "./opcode.ts";
export * from "./pdu/async.ts";
export * from "./pdu/data.ts";
export * from "./pdu/login.ts";
export * from "./pdu/logout.ts";
export * from "./pdu/nop.ts";
export * from "./pdu/r2t.ts";
export * from "./pdu/reject.ts";
export * from "./pdu/scsi-command.ts";
export * from "./pdu/scsi-response.ts";
export * from "./pdu/snack.ts";
export * from "./pdu/text.ts";
export * from "./pdu/tmf.ts";
export { UnknownPduView } from "./pdu/unknown.ts";
export {
  serialAdd,
  serialDistance,
  serialInWindow,
  serialLess,
  serialLessOrEqual,
  serialMax,
} from "./serial.ts";
export {
  isKey,
  MAX_KEY_LENGTH,
  MAX_TEXT_VALUE_LENGTH,
  parseTextKeys,
  splitText,
  TextReassembler,
  textValue,
  writeTextKeys,
  type TextKey,
  type TextReassemblerOptions,
} from "./text-keys.ts";
export {
  writeBinary,
  writeBoolean,
  writeList,
  parseBinary,
  parseBoolean,
  parseList,
  parseNumber,
  parseRange,
  type BinaryOptions,
} from "./text-values.ts";
export { BHS_LENGTH, PduView, RequestView, RESERVED_TAG, ResponseView } from "./view.ts";

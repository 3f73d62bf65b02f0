import type { CodeTable } from "./code-table.ts";
import {
  asyncEvents,
  loginStages,
  loginStatusClasses,
  logoutReasons,
  logoutResponses,
  rejectReasons,
  scsiResponseCodes,
  snackTypes,
  taskAttributes,
  tmfFunctions,
  tmfResponses,
} from "./codes.ts";
import type { Field, FieldKind } from "./field.ts";
import { Opcode } from "./opcode.ts";

/**
 * Every field of every BHS, in the order of its bits: what printing, fuzzing, fault plans and documents go by. Bits
 * that no field claims are reserved. Each PDU's table starts with the PDU's own section (RFC 7143 §11).
 */
export const FIELD_TABLES: Readonly<Record<Opcode, readonly Field[]>> = {
  [Opcode.ScsiCommand]: table("11.3", [
    immediate(),
    flag("final", "F", 1, 7, "11.3.1"),
    flag("read", "R", 1, 6, "11.3.1"),
    flag("write", "W", 1, 5, "11.3.1"),
    bits("attribute", "ATTR", 1, 2, 3, "11.3.1", taskAttributes),
    bits("priority", "PRI", 2, 7, 4, "RFC 7144 §5.1"),
    lun("11.2.1.7"),
    itt(),
    word("edtl", "ExpectedDataTransferLength", 20, "11.3.4", "number"),
    word("cmdSn", "CmdSN", 24, "11.3.2"),
    word("expStatSn", "ExpStatSN", 28, "11.3.3"),
    bytes("cdb", "CDB", 32, 16, "11.3.5"),
  ]),
  [Opcode.ScsiResponse]: table("11.4", [
    flag("final", "F", 1, 7, "11.4.1"),
    flag("bidirectionalOverflow", "o", 1, 4, "11.4.1"),
    flag("bidirectionalUnderflow", "u", 1, 3, "11.4.1"),
    flag("overflow", "O", 1, 2, "11.4.1"),
    flag("underflow", "U", 1, 1, "11.4.1"),
    octet("response", "Response", 2, "11.4.3", scsiResponseCodes),
    octet("status", "Status", 3, "11.4.2"),
    half("statusQualifier", "StatusQualifier", 8, "RFC 7144 §5.2"),
    itt(),
    word("snackTag", "SNACKTag", 20, "11.4.4", "tag"),
    ...answered("11.4.9", "11.4.10", "11.4.11"),
    word("expDataSn", "ExpDataSN", 36, "11.4.8"),
    word("bidirectionalResidualCount", "BidirectionalReadResidualCount", 40, "11.4.6", "number"),
    word("residualCount", "ResidualCount", 44, "11.4.5", "number"),
  ]),
  [Opcode.TmfRequest]: table("11.5", [
    immediate(),
    flag("final", "F", 1, 7, "11.5"),
    bits("function", "Function", 1, 6, 7, "11.5.1", tmfFunctions),
    lun("11.5.3"),
    itt(),
    word("referencedTaskTag", "ReferencedTaskTag", 20, "11.5.4", "tag"),
    word("cmdSn", "CmdSN", 24, "11.3.2"),
    word("expStatSn", "ExpStatSN", 28, "11.3.3"),
    word("refCmdSn", "RefCmdSN", 32, "11.5.5"),
    word("expDataSn", "ExpDataSN", 36, "11.5.6"),
  ]),
  [Opcode.TmfResponse]: table("11.6", [
    flag("final", "F", 1, 7, "11.6"),
    octet("response", "Response", 2, "11.6.1", tmfResponses),
    { ...half("additionalInformation", "AdditionalResponseInformation", 8, "RFC 7144 §6"), width: 24 },
    itt(),
    ...answered("11.4.9", "11.4.10", "11.4.11"),
  ]),
  [Opcode.DataOut]: table("11.7", [
    flag("final", "F", 1, 7, "11.7.1"),
    lun("11.7.4"),
    itt(),
    word("ttt", "TargetTransferTag", 20, "11.7.4", "tag"),
    word("expStatSn", "ExpStatSN", 28, "11.3.3"),
    word("dataSn", "DataSN", 36, "11.7.5"),
    word("bufferOffset", "BufferOffset", 40, "11.7.6", "number"),
  ]),
  [Opcode.DataIn]: table("11.7", [
    flag("final", "F", 1, 7, "11.7.1"),
    flag("acknowledge", "A", 1, 6, "11.7.2"),
    flag("overflow", "O", 1, 2, "11.7.3"),
    flag("underflow", "U", 1, 1, "11.7.3"),
    flag("hasStatus", "S", 1, 0, "11.7.3"),
    octet("status", "Status", 3, "11.4.2"),
    lun("11.7.4"),
    itt(),
    word("ttt", "TargetTransferTag", 20, "11.7.4", "tag"),
    ...answered("11.4.9", "11.4.10", "11.4.11"),
    word("dataSn", "DataSN", 36, "11.7.5"),
    word("bufferOffset", "BufferOffset", 40, "11.7.6", "number"),
    word("residualCount", "ResidualCount", 44, "11.4.5", "number"),
  ]),
  [Opcode.R2t]: table("11.8", [
    flag("final", "F", 1, 7, "11.8"),
    lun("11.2.1.7"),
    itt(),
    word("ttt", "TargetTransferTag", 20, "11.8.5", "tag"),
    ...answered("11.8.3", "11.4.10", "11.4.11"),
    word("r2tSn", "R2TSN", 36, "11.8.2"),
    word("bufferOffset", "BufferOffset", 40, "11.8.4", "number"),
    word("desiredLength", "DesiredDataTransferLength", 44, "11.8.4", "number"),
  ]),
  [Opcode.Async]: table("11.9", [
    flag("final", "F", 1, 7, "11.9"),
    lun("11.9.3"),
    itt(),
    ...answered("11.4.9", "11.4.10", "11.4.11"),
    octet("event", "AsyncEvent", 36, "11.9.1", asyncEvents),
    octet("vendorCode", "AsyncVCode", 37, "11.9.2"),
    half("parameter1", "Parameter1", 38, "11.9.1"),
    half("parameter2", "Parameter2", 40, "11.9.1"),
    half("parameter3", "Parameter3", 42, "11.9.1"),
  ]),
  [Opcode.TextRequest]: table("11.10", [
    immediate(),
    flag("final", "F", 1, 7, "11.10.1"),
    flag("continues", "C", 1, 6, "11.10.2"),
    lun("11.2.1.7"),
    itt("11.10.3"),
    word("ttt", "TargetTransferTag", 20, "11.10.4", "tag"),
    word("cmdSn", "CmdSN", 24, "11.3.2"),
    word("expStatSn", "ExpStatSN", 28, "11.3.3"),
  ]),
  [Opcode.TextResponse]: table("11.11", [
    flag("final", "F", 1, 7, "11.11.1"),
    flag("continues", "C", 1, 6, "11.11.2"),
    lun("11.2.1.7"),
    itt("11.11.3"),
    word("ttt", "TargetTransferTag", 20, "11.11.4", "tag"),
    ...answered("11.11.5", "11.4.10", "11.4.11"),
  ]),
  [Opcode.LoginRequest]: table("11.12", [
    immediate(),
    flag("transit", "T", 1, 7, "11.12.1"),
    flag("continues", "C", 1, 6, "11.12.2"),
    bits("csg", "CSG", 1, 3, 2, "11.12.3", loginStages),
    bits("nsg", "NSG", 1, 1, 2, "11.12.3", loginStages),
    octet("versionMax", "Version-max", 2, "11.12.4.1"),
    octet("versionMin", "Version-min", 3, "11.12.4.2"),
    bytes("isid", "ISID", 8, 6, "11.12.5"),
    half("tsih", "TSIH", 14, "11.12.6"),
    itt(),
    half("cid", "CID", 20, "11.12.7"),
    word("cmdSn", "CmdSN", 24, "11.12.8"),
    word("expStatSn", "ExpStatSN", 28, "11.12.9"),
  ]),
  [Opcode.LoginResponse]: table("11.13", [
    flag("transit", "T", 1, 7, "11.13.6"),
    flag("continues", "C", 1, 6, "11.13.7"),
    bits("csg", "CSG", 1, 3, 2, "11.12.3", loginStages),
    bits("nsg", "NSG", 1, 1, 2, "11.12.3", loginStages),
    octet("versionMax", "Version-max", 2, "11.13.1"),
    octet("versionActive", "Version-active", 3, "11.13.2"),
    bytes("isid", "ISID", 8, 6, "11.12.5"),
    half("tsih", "TSIH", 14, "11.13.3"),
    itt(),
    ...answered("11.13.4", "11.4.10", "11.4.11"),
    octet("statusClass", "Status-Class", 36, "11.13.5", loginStatusClasses),
    octet("statusDetail", "Status-Detail", 37, "11.13.5"),
  ]),
  [Opcode.LogoutRequest]: table("11.14", [
    immediate(),
    flag("final", "F", 1, 7, "11.14"),
    bits("reason", "ReasonCode", 1, 6, 7, "11.14.1", logoutReasons),
    itt(),
    half("cid", "CID", 20, "11.14.3"),
    word("cmdSn", "CmdSN", 24, "11.3.2"),
    word("expStatSn", "ExpStatSN", 28, "11.14.4"),
  ]),
  [Opcode.LogoutResponse]: table("11.15", [
    flag("final", "F", 1, 7, "11.15"),
    octet("response", "Response", 2, "11.15.1", logoutResponses),
    itt(),
    ...answered("11.4.9", "11.4.10", "11.4.11"),
    half("time2Wait", "Time2Wait", 40, "11.15.3"),
    half("time2Retain", "Time2Retain", 42, "11.15.4"),
  ]),
  [Opcode.Snack]: table("11.16", [
    flag("final", "F", 1, 7, "11.16"),
    bits("type", "Type", 1, 3, 4, "11.16.1", snackTypes),
    lun("11.2.1.7"),
    itt("11.16.4"),
    word("ttt", "TargetTransferTag/SNACKTag", 20, "11.16.5", "tag"),
    word("expStatSn", "ExpStatSN", 28, "11.3.3"),
    word("begRun", "BegRun", 40, "11.16.6"),
    word("runLength", "RunLength", 44, "11.16.7", "number"),
  ]),
  [Opcode.Reject]: table("11.17", [
    flag("final", "F", 1, 7, "11.17"),
    octet("reason", "Reason", 2, "11.17.1", rejectReasons),
    itt(),
    ...answered("11.17.3", "11.17.3", "11.17.3"),
    word("dataSn", "DataSN/R2TSN", 36, "11.17.2"),
  ]),
  [Opcode.NopOut]: table("11.18", [
    immediate(),
    flag("final", "F", 1, 7, "11.18"),
    lun("11.2.1.7"),
    itt("11.18.1"),
    word("ttt", "TargetTransferTag", 20, "11.18.2", "tag"),
    word("cmdSn", "CmdSN", 24, "11.3.2"),
    word("expStatSn", "ExpStatSN", 28, "11.3.3"),
  ]),
  [Opcode.NopIn]: table("11.19", [
    flag("final", "F", 1, 7, "11.19"),
    lun("11.19.3"),
    itt(),
    word("ttt", "TargetTransferTag", 20, "11.19.1", "tag"),
    ...answered("11.19.2", "11.4.10", "11.4.11"),
  ]),
};

/** The field of that name, or undefined. */
export function findField(opcode: Opcode, name: string): Field | undefined {
  return FIELD_TABLES[opcode].find((field) => field.name === name);
}

/** Adds what every BHS has; `section` stands for the PDU as a whole. */
function table(section: string, own: readonly Field[]): readonly Field[] {
  const common: readonly Field[] = [
    { name: "opcodeByte", label: "Opcode", byte: 0, bit: 5, width: 6, kind: "number", section },
    octet("totalAhsLength", "TotalAHSLength", 4, "11.2.1.5"),
    {
      name: "dataLength",
      label: "DataSegmentLength",
      byte: 5,
      bit: 7,
      width: 24,
      kind: "number",
      section: "11.2.1.6",
    },
  ];
  return [...common, ...own].sort((a, b) => a.byte - b.byte || b.bit - a.bit);
}

function flag(name: string, label: string, byte: number, bit: number, section: string): Field {
  return { name, label, byte, bit, width: 1, kind: "flag", section };
}

function bits(
  name: string,
  label: string,
  byte: number,
  bit: number,
  width: number,
  section: string,
  codes?: CodeTable,
): Field {
  return {
    name,
    label,
    byte,
    bit,
    width,
    kind: "number",
    section,
    ...(codes === undefined ? {} : { codes }),
  };
}

function octet(name: string, label: string, byte: number, section: string, codes?: CodeTable): Field {
  return bits(name, label, byte, 7, 8, section, codes);
}

function half(name: string, label: string, byte: number, section: string): Field {
  return bits(name, label, byte, 7, 16, section);
}

function word(name: string, label: string, byte: number, section: string, kind: FieldKind = "serial"): Field {
  return { name, label, byte, bit: 7, width: 32, kind, section };
}

function bytes(name: string, label: string, byte: number, length: number, section: string): Field {
  return { name, label, byte, bit: 7, width: length * 8, kind: "bytes", section };
}

function lun(section: string): Field {
  return { name: "lun", label: "LUN", byte: 8, bit: 7, width: 64, kind: "lun", section };
}

function itt(section = "11.2.1.8"): Field {
  return word("itt", "InitiatorTaskTag", 16, section, "tag");
}

function immediate(): Field {
  return flag("immediate", "I", 0, 6, "11.2.1.1");
}

function answered(statSn: string, expCmdSn: string, maxCmdSn: string): readonly Field[] {
  return [
    word("statSn", "StatSN", 24, statSn),
    word("expCmdSn", "ExpCmdSN", 28, expCmdSn),
    word("maxCmdSn", "MaxCmdSN", 32, maxCmdSn),
  ];
}

/** RFC 7143 §11.2.1.2: initiator opcodes 0x00 to 0x1f, target opcodes 0x20 to 0x3f. */
export const Opcode = {
  NopOut: 0x00,
  ScsiCommand: 0x01,
  TmfRequest: 0x02,
  LoginRequest: 0x03,
  TextRequest: 0x04,
  DataOut: 0x05,
  LogoutRequest: 0x06,
  Snack: 0x10,
  NopIn: 0x20,
  ScsiResponse: 0x21,
  TmfResponse: 0x22,
  LoginResponse: 0x23,
  TextResponse: 0x24,
  DataIn: 0x25,
  LogoutResponse: 0x26,
  R2t: 0x31,
  Async: 0x32,
  Reject: 0x3f,
} as const;
export type Opcode = (typeof Opcode)[keyof typeof Opcode];
export type OpcodeName = keyof typeof Opcode;

/** What `view.opcode` says of an opcode outside RFC 7143; `view.opcodeByte` has its number. */
export const UNKNOWN_OPCODE = -1;
export type UnknownOpcode = typeof UNKNOWN_OPCODE;

/** The name that RFC 7143 §11 gives the PDU. */
export const OPCODE_TITLES: Readonly<Record<Opcode, string>> = {
  [Opcode.NopOut]: "NOP-Out",
  [Opcode.ScsiCommand]: "SCSI Command",
  [Opcode.TmfRequest]: "Task Management Function Request",
  [Opcode.LoginRequest]: "Login Request",
  [Opcode.TextRequest]: "Text Request",
  [Opcode.DataOut]: "SCSI Data-Out",
  [Opcode.LogoutRequest]: "Logout Request",
  [Opcode.Snack]: "SNACK Request",
  [Opcode.NopIn]: "NOP-In",
  [Opcode.ScsiResponse]: "SCSI Response",
  [Opcode.TmfResponse]: "Task Management Function Response",
  [Opcode.LoginResponse]: "Login Response",
  [Opcode.TextResponse]: "Text Response",
  [Opcode.DataIn]: "SCSI Data-In",
  [Opcode.LogoutResponse]: "Logout Response",
  [Opcode.R2t]: "Ready To Transfer",
  [Opcode.Async]: "Asynchronous Message",
  [Opcode.Reject]: "Reject",
};

const names: ReadonlyMap<number, string> = new Map(
  Object.entries(Opcode).map(([name, code]) => [code, name]),
);

/** `DataIn` for 0x25; undefined for an opcode that RFC 7143 does not define. */
export function opcodeName(opcode: number): OpcodeName | undefined {
  const name = names.get(opcode);
  return name !== undefined && isOpcodeName(name) ? name : undefined;
}

export function isOpcode(value: number): value is Opcode {
  return names.has(value);
}

export function isOpcodeName(name: string): name is OpcodeName {
  return Object.hasOwn(Opcode, name);
}

/** Who sends PDUs with this opcode: bit 5 tells (RFC 7143 §11.2.1.2). */
export function opcodeSender(opcode: number): "initiator" | "target" {
  return (opcode & 0x20) === 0 ? "initiator" : "target";
}

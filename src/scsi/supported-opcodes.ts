import { concat, readFlag, readUint, writeFlag, writeUint } from "./bytes.ts";

/** One command of REPORT SUPPORTED OPERATION CODES. */
export interface SupportedCommand {
  readonly opcode: number;
  readonly serviceAction?: number;
  readonly cdbLength: number;
}

/** The command timeouts descriptor (SPC-4, section 6.35.4) with no timeouts stated. */
const timeouts = new Uint8Array([0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/** All commands: four bytes of length, then 8 bytes a command, 20 with timeouts. */
export function writeSupportedCommands(list: readonly SupportedCommand[], withTimeouts: boolean): Uint8Array {
  const entries = list.map((command) => {
    const out = new Uint8Array(8);
    out[0] = command.opcode;
    writeUint(out, 2, 2, command.serviceAction ?? 0);
    writeFlag(out, 5, 1, withTimeouts);
    writeFlag(out, 5, 0, command.serviceAction !== undefined);
    writeUint(out, 6, 2, command.cdbLength);
    return withTimeouts ? concat([out, timeouts]) : out;
  });
  const header = new Uint8Array(4);
  writeUint(
    header,
    0,
    4,
    entries.reduce((sum, entry) => sum + entry.length, 0),
  );
  return concat([header, ...entries]);
}

export function readSupportedCommands(bytes: Uint8Array): readonly SupportedCommand[] {
  const end = Math.min(bytes.length, 4 + readUint(bytes, 0, 4));
  const list: SupportedCommand[] = [];
  for (let at = 4; at + 8 <= end; at += readFlag(bytes, at + 5, 1) ? 20 : 8)
    list.push({
      opcode: bytes[at] ?? 0,
      ...(readFlag(bytes, at + 5, 0) && { serviceAction: readUint(bytes, at + 2, 2) }),
      cdbLength: readUint(bytes, at + 6, 2),
    });
  return list;
}

/** One command: whether it is supported, and which bits of its CDB are evaluated. */
export interface CommandSupport {
  readonly supported: boolean;
  readonly usage: Uint8Array;
}

export function writeCommandSupport(support: CommandSupport, withTimeouts: boolean): Uint8Array {
  const header = new Uint8Array(4);
  // SUPPORT: 1 not supported, 3 supported as the standard says.
  header[1] = (support.supported && withTimeouts ? 0x80 : 0) | (support.supported ? 3 : 1);
  if (!support.supported) return header;
  writeUint(header, 2, 2, support.usage.length);
  return concat([header, support.usage, ...(withTimeouts ? [timeouts] : [])]);
}

export function readCommandSupport(bytes: Uint8Array): CommandSupport {
  const supported = ((bytes[1] ?? 0) & 7) >= 3;
  return { supported, usage: supported ? bytes.slice(4, 4 + readUint(bytes, 2, 2)) : new Uint8Array(0) };
}

import { readControlReport, type ControlReport } from "./control-report.ts";

const unionAt = 32;
const exceptionEnd = 188;
const loadSymbolsEnd = 65;

interface Stopped {
  readonly processorLevel: number;
  readonly processor: number;
  readonly processors: number;
  readonly thread: bigint;
  readonly programCounter: bigint;
  /** By either layout, as far as the body reaches. */
  readonly report: { readonly x86: ControlReport | undefined; readonly x64: ControlReport | undefined };
}

export interface ExceptionChange extends Stopped {
  readonly kind: "exception";
  readonly code: number;
  readonly flags: number;
  readonly address: bigint;
  readonly parameters: readonly bigint[];
  readonly firstChance: boolean;
}

export interface ModuleChange extends Stopped {
  readonly kind: "module";
  readonly path: string;
  readonly base: bigint;
  readonly size: number;
  readonly processId: bigint;
  readonly checksum: number;
  readonly unload: boolean;
}

export interface CommandChange extends Stopped {
  readonly kind: "command";
  readonly name: string;
  readonly command: string;
}

/** Why the kernel has stopped; it goes on when it is told to continue, and not before. */
export type StateChange = ExceptionChange | ModuleChange | CommandChange;

/**
 * Reads the body of a STATE_CHANGE64 packet: new state (4), processor level (2), processor (2), number of processors (4),
 * unused (4), thread (8), program counter (8), 160 bytes by state, control report (48), and more by state. Undefined
 * for a state that is not known or a body too short for it. Addresses of 32-bit kernels are sign-extended.
 */
export function readStateChange(body: Buffer): StateChange | undefined {
  if (body.length < unionAt + 160) return undefined;
  const stopped: Stopped = {
    processorLevel: body.readUInt16LE(4),
    processor: body.readUInt16LE(6),
    processors: body.readUInt32LE(8),
    thread: body.readBigUInt64LE(16),
    programCounter: body.readBigUInt64LE(24),
    report: { x86: readControlReport(body, "x86"), x64: readControlReport(body, "x64") },
  };
  // Bit 16 marks an alternate source of the change.
  switch (body.readUInt32LE(0) & 0xffff) {
    case 0x3030:
      return body.length < exceptionEnd ? undefined : { ...stopped, ...readException(body) };
    case 0x3031:
      return body.length < loadSymbolsEnd ? undefined : { ...stopped, ...readModule(body) };
    case 0x3032:
      return { ...stopped, ...readCommand(body) };
    default:
      return undefined;
  }
}

/** Code at 32, flags 36, nested record 40, address 48, parameter count 56, fifteen parameters from 64, first chance 184. */
function readException(body: Buffer): Omit<ExceptionChange, keyof Stopped> {
  const count = Math.min(body.readUInt32LE(56), 15);
  return {
    kind: "exception",
    code: body.readUInt32LE(32),
    flags: body.readUInt32LE(36),
    address: body.readBigUInt64LE(48),
    parameters: Array.from({ length: count }, (_, index) => body.readBigUInt64LE(64 + 8 * index)),
    firstChance: body.readUInt32LE(184) !== 0,
  };
}

/**
 * Path length 32, base 40, process 48, checksum 56, image size 60, unload 64. The path is the body's end, whatever
 * length the fixed part has in this version of the kernel.
 */
function readModule(body: Buffer): Omit<ModuleChange, keyof Stopped> {
  const pathLength = Math.min(body.readUInt32LE(32), body.length - (unionAt + 160));
  return {
    kind: "module",
    path: upToNul(body.toString("latin1", body.length - pathLength)),
    base: body.readBigUInt64LE(40),
    size: body.readUInt32LE(60),
    processId: body.readBigUInt64LE(48),
    checksum: body.readUInt32LE(56),
    unload: body.readUInt8(64) !== 0,
  };
}

function readCommand(body: Buffer): Omit<CommandChange, keyof Stopped> {
  const [name = "", command = ""] = body.toString("latin1", 240).split("\0");
  return { kind: "command", name, command };
}

function upToNul(text: string): string {
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}

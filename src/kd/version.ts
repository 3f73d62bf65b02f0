import type { Architecture } from "./control-report.ts";

/** What a kernel says of itself. */
export interface KdVersion {
  /** Major 0x0f of a free build, 0x0c of a checked one; the high byte tells the kind of system. */
  readonly major: number;
  readonly build: number;
  readonly protocol: number;
  readonly multiprocessor: boolean;
  readonly pointers: 4 | 8;
  /** The machine of its image header: 0x14c x86, 0x8664 x64. */
  readonly machine: number;
  readonly architecture: Architecture | undefined;
  /** Addresses as 64 bits; those of a 32-bit kernel are sign-extended. */
  readonly kernelBase: bigint;
  readonly moduleList: bigint;
  readonly debuggerData: bigint;
}

const machines: Readonly<Record<number, Architecture>> = { 0x14c: "x86", 0x8664: "x64" };

/**
 * Reads the 40 bytes of a GetVersion reply: major (2), build (2), protocol (1), secondary (1), flags (2; 1 multiprocessor,
 * 4 64-bit pointers), machine (2), six bytes of limits, kernel base at 16, module list 24, debugger data list 32.
 */
export function readVersion(parameters: Buffer): KdVersion {
  const flags = parameters.readUInt16LE(6);
  const machine = parameters.readUInt16LE(8);
  return {
    major: parameters.readUInt16LE(0),
    build: parameters.readUInt16LE(2),
    protocol: parameters.readUInt8(4),
    multiprocessor: (flags & 1) !== 0,
    pointers: (flags & 4) === 0 ? 4 : 8,
    machine,
    architecture: machines[machine],
    kernelBase: parameters.readBigUInt64LE(16),
    moduleList: parameters.readBigUInt64LE(24),
    debuggerData: parameters.readBigUInt64LE(32),
  };
}

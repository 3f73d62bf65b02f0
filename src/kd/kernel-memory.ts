import { KdError } from "./errors.ts";
import type { StoppedKernel } from "./stopped-kernel.ts";
import type { KdVersion } from "./version.ts";

export interface KernelModule {
  readonly name: string;
  readonly base: bigint;
  readonly size: number;
}

export interface BugcheckData {
  readonly code: number;
  readonly parameters: readonly bigint[];
}

/** Addresses that the kernel's debugger data block gives. */
export interface DebuggerData {
  readonly kernelBase: bigint;
  readonly moduleList: bigint;
  readonly processList: bigint;
  readonly bugcheck: bigint;
}

const tagKdbg = 0x4742_444b;
/** More than any real list has; a broken one may be a circle. */
const maxEntries = 1000;

/**
 * Finds the debugger data block: the list's first entry leads to it. At 16 it has the tag `KDBG`, at 24 the kernel's base,
 * at 0x48 the module list, at 0x50 the process list, at 0x88 the bugcheck's data. Undefined where there is none,
 * or where it is encoded, as in Windows without debugging.
 */
export async function readDebuggerData(
  kernel: StoppedKernel,
  version: KdVersion,
): Promise<DebuggerData | undefined> {
  if (version.debuggerData === 0n) return undefined;
  const block = await readPointer(kernel, version, version.debuggerData);
  const bytes = await kernel.readVirtual(block, 0x90);
  if (bytes.length < 0x90 || bytes.readUInt32LE(16) !== tagKdbg) return undefined;
  const address = (at: number) => extended(version, bytes.readBigUInt64LE(at));
  return {
    kernelBase: address(24),
    moduleList: address(0x48),
    processList: address(0x50),
    bugcheck: address(0x88),
  };
}

/** KiBugcheckData: five words of a pointer's size, the code and four parameters; code 0 before a bugcheck. */
export async function readBugcheck(
  kernel: StoppedKernel,
  version: KdVersion,
  data: DebuggerData,
): Promise<BugcheckData | undefined> {
  const size = version.pointers;
  const bytes = await kernel.readVirtual(data.bugcheck, 5 * size);
  if (bytes.length < 5 * size) return undefined;
  const [code = 0n, ...parameters] = Array.from({ length: 5 }, (_, index) =>
    size === 4 ? BigInt(bytes.readUInt32LE(4 * index)) : bytes.readBigUInt64LE(8 * index),
  );
  return code === 0n ? undefined : { code: Number(BigInt.asUintN(32, code)), parameters };
}

/**
 * The modules of the kernel's own list, in the order of loading. An entry of the list has, counted in pointers: base at 6,
 * size at 8 (4 bytes), and the base name at 11 (length 2, room 2, pointer to UTF-16).
 */
export async function readModules(
  kernel: StoppedKernel,
  version: KdVersion,
): Promise<readonly KernelModule[]> {
  const size = version.pointers;
  const modules: KernelModule[] = [];
  for await (const entry of listEntries(kernel, version, version.moduleList)) {
    const bytes = await kernel.readVirtual(entry, 14 * size);
    if (bytes.length < 14 * size) break;
    const nameLength = Math.min(bytes.readUInt16LE(11 * size), 520);
    const name = await kernel.readVirtual(pointerAt(version, bytes, 12 * size), nameLength);
    modules.push({
      name: name.toString("utf16le"),
      base: pointerAt(version, bytes, 6 * size),
      size: bytes.readUInt32LE(8 * size),
    });
  }
  return modules;
}

/** The first process of every kernel. Its record tells where names stand, which differs between versions. */
const firstProcess = "System\0";
/** Image file names have 15 characters at most, and a NUL. */
const nameLength = 16;
/** From the list's link to the end of the name: 0x1a0 bytes at most in Windows 2000 to 11. */
const recordLength = 0x300;

/**
 * The names of the running processes, in the order of their creation. The name's place is taken from the first record, which
 * is always that of `System`, and has to hold a name in every other one.
 *
 * @throws {KdError} KD_MISFIT where it does not
 */
export async function readProcesses(
  kernel: StoppedKernel,
  version: KdVersion,
  data: DebuggerData,
): Promise<readonly string[]> {
  const names: string[] = [];
  let place: number | undefined;
  let entry = await readPointer(kernel, version, data.processList);
  for (let count = 0; count < maxEntries && entry !== data.processList && entry !== 0n; count++) {
    const length = place === undefined ? recordLength : place + nameLength;
    const record = await kernel.readVirtual(entry, length);
    if (place === undefined) {
      place = record.indexOf(firstProcess, 2 * version.pointers, "latin1");
      if (place < 0) throw processMisfit(version, `its first process is not ${firstProcess.slice(0, -1)}`);
    }
    const name = /^[\x20-\x7e]{1,15}(?=\0|$)/.exec(
      record.toString("latin1", place, place + nameLength - 1),
    )?.[0];
    if (name === undefined)
      throw processMisfit(version, `process ${count} has no name where the first one has it`);
    names.push(name);
    entry = record.length < version.pointers ? 0n : pointerAt(version, record, 0);
  }
  return names;
}

function processMisfit({ build, architecture, machine }: KdVersion, what: string): KdError {
  const system = `build ${build} ${architecture ?? `machine 0x${machine.toString(16)}`}`;
  return new KdError(
    "KD_MISFIT",
    `the kernel's process list does not have the form known here (${system}): ${what}`,
  );
}

/** The addresses of a doubly linked list's entries, without its head. */
async function* listEntries(
  kernel: StoppedKernel,
  version: KdVersion,
  head: bigint,
): AsyncGenerator<bigint, void, undefined> {
  let entry = await readPointer(kernel, version, head);
  for (let count = 0; count < maxEntries && entry !== head && entry !== 0n; count++) {
    yield entry;
    entry = await readPointer(kernel, version, entry);
  }
}

async function readPointer(kernel: StoppedKernel, version: KdVersion, address: bigint): Promise<bigint> {
  const bytes = await kernel.readVirtual(address, version.pointers);
  return bytes.length < version.pointers ? 0n : pointerAt(version, bytes, 0);
}

function pointerAt(version: KdVersion, bytes: Buffer, at: number): bigint {
  return version.pointers === 4
    ? BigInt.asUintN(64, BigInt(bytes.readInt32LE(at)))
    : bytes.readBigUInt64LE(at);
}

/** The block of a 32-bit kernel may hold addresses with or without their sign. */
function extended(version: KdVersion, address: bigint): bigint {
  return version.pointers === 4 ? BigInt.asUintN(64, BigInt.asIntN(32, address)) : address;
}

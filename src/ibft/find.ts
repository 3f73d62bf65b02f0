import { ACPI_TABLE_LIMIT, acpiEntries, acpiRoots } from "./acpi.ts";
import type { Finding, Ibft } from "./model.ts";
import { readIbft } from "./read.ts";
import { HEADER_LENGTH, StructureId, StructureLength } from "./structures.ts";

/** A stretch of physical memory: `bytes` begin at physical address `base`. */
export interface Memory {
  readonly base: number;
  readonly bytes: Uint8Array;
}

/** bios: an operating system's scan below 1 MiB finds it; acpi: RSDT or XSDT lists it; memory: it only lies there. */
type FoundBy = "bios" | "acpi" | "memory";

export interface FoundIbft {
  readonly by: FoundBy;
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly table: Ibft;
  /** Whether signature, length, revision, checksum and the links of the control structure are right. */
  readonly valid: boolean;
  readonly findings: readonly Finding[];
}

const SCAN_START = 0x80000;
const SCAN_END = 0x100000;
const VGA_START = 0xa0000;
const VGA_END = 0xc0000;
/** Linux, FreeBSD and offload firmware know the table by these. */
export const SIGNATURES: readonly string[] = ["iBFT", "IBFT", "BIFT"];
const SIGNATURE_WORDS: ReadonlySet<number> = new Set(
  SIGNATURES.map((signature) => Buffer.from(signature).readUInt32BE()),
);

/**
 * The tables that an operating system would find in a memory image, in the order of search: by ACPI (RSDP, then XSDT
 * or RSDT), then by the BIOS scan. Tables that are listed or signed but wrong are among them, `valid` false.
 */
export function findIbft(memory: Memory): readonly FoundIbft[] {
  const byAcpi = findByAcpi(memory);
  const known = new Set(byAcpi.map((found) => found.address));
  return [...byAcpi, ...findByBiosScan(memory).filter((found) => !known.has(found.address))];
}

/**
 * The scan of 512 KiB to 1 MiB in steps of 16 bytes, without the VGA window (as Linux' `find_ibft_region` and
 * FreeBSD's isboot do it): a signature, and a length that ends below 1 MiB.
 */
export function findByBiosScan(memory: Memory): readonly FoundIbft[] {
  const bytes = asBuffer(memory.bytes);
  const found: FoundIbft[] = [];
  const first = Math.max(SCAN_START, Math.ceil(memory.base / 16) * 16);
  const end = Math.min(SCAN_END, memory.base + bytes.length) - 8;
  for (let address = first; address <= end; address += 16) {
    if (address >= VGA_START && address < VGA_END) address = VGA_END;
    const at = address - memory.base;
    if (at + 8 > bytes.length || !isSigned(bytes, at)) continue;
    const length = bytes.readUInt32LE(at + 4);
    if (address + length < SCAN_END) found.push(candidate("bios", memory, address, length));
  }
  return found;
}

/** The tables that the ACPI root tables list, XSDT before RSDT. */
export function findByAcpi(memory: Memory): readonly FoundIbft[] {
  const bytes = asBuffer(memory.bytes);
  const found = new Map<number, FoundIbft>();
  for (const root of acpiRoots(memory)) {
    const at = root.address - memory.base;
    if (at < 0) continue;
    for (const address of acpiEntries(bytes.subarray(at, at + ACPI_TABLE_LIMIT), root.signature)) {
      const offset = address - memory.base;
      if (found.has(address) || offset < 0 || offset + 8 > bytes.length || !isSigned(bytes, offset)) continue;
      found.set(address, candidate("acpi", memory, address, bytes.readUInt32LE(offset + 4)));
    }
  }
  return [...found.values()];
}

/**
 * Every valid table anywhere in a memory image, at any address: what lies there, whether or not an operating system
 * would find it. Firmware and systems leave strings and stale copies, so that only whole tables count.
 */
export function findInMemory(memory: Memory): readonly FoundIbft[] {
  const bytes = asBuffer(memory.bytes);
  const found: FoundIbft[] = [];
  for (const signature of SIGNATURES) {
    for (let at = bytes.indexOf(signature); at >= 0; at = bytes.indexOf(signature, at + 4)) {
      if (at + HEADER_LENGTH + StructureLength.control > bytes.length) break;
      const length = bytes.readUInt32LE(at + 4);
      if (length > ACPI_TABLE_LIMIT || at + length > bytes.length || bytes.readUInt8(at + 8) !== 1) continue;
      if (bytes.readUInt8(at + HEADER_LENGTH) !== StructureId.Control) continue;
      const one = candidate("memory", memory, memory.base + at, length);
      if (one.valid) found.push(one);
    }
  }
  return found.toSorted((a, b) => a.address - b.address);
}

/** The table in bytes that ACPI lists at an address; undefined where they do not begin with a signature. */
export function listedTable(bytes: Uint8Array, address: number): FoundIbft | undefined {
  const table = asBuffer(bytes);
  if (table.length < 8 || !isSigned(table, 0)) return undefined;
  return candidate("acpi", { base: address, bytes }, address, table.readUInt32LE(4));
}

function candidate(by: FoundBy, memory: Memory, address: number, length: number): FoundIbft {
  const at = address - memory.base;
  const bytes = Uint8Array.prototype.slice.call(memory.bytes, at, at + Math.min(length, ACPI_TABLE_LIMIT));
  const { table, findings, sum } = readIbft(bytes);
  const valid =
    sum === 0 &&
    bytes.length === length &&
    table.revision === 1 &&
    table.initiator !== null &&
    findings.every(({ severity }) => severity !== "fatal");
  return { by, address, bytes, table, valid, findings };
}

/** Compared as numbers: a watcher of a boot asks this many thousand times a second. */
function isSigned(bytes: Buffer, at: number): boolean {
  return SIGNATURE_WORDS.has(bytes.readUInt32BE(at));
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

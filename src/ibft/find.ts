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
const SIGNATURES = ["iBFT", "IBFT", "BIFT"] as const;
const SIGNATURE_WORDS: ReadonlySet<number> = new Set(
  SIGNATURES.map((signature) => Buffer.from(signature).readUInt32BE()),
);
/** No table is longer: its offsets are 16-bit words. */
const LENGTH_LIMIT = 0x10000;

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

/** The tables that the ACPI root tables list, XSDT before RSDT. The RSDP may lie on any 16-byte boundary. */
export function findByAcpi(memory: Memory): readonly FoundIbft[] {
  const bytes = asBuffer(memory.bytes);
  const found = new Map<number, FoundIbft>();
  for (let at = bytes.indexOf("RSD PTR "); at >= 0; at = bytes.indexOf("RSD PTR ", at + 8)) {
    if ((memory.base + at) % 16 !== 0) continue;
    for (const address of tablesOf(memory, at)) {
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
      if (length > LENGTH_LIMIT || at + length > bytes.length || bytes.readUInt8(at + 8) !== 1) continue;
      if (bytes.readUInt8(at + HEADER_LENGTH) !== StructureId.Control) continue;
      const one = candidate("memory", memory, memory.base + at, length);
      if (one.valid) found.push(one);
    }
  }
  return found.toSorted((a, b) => a.address - b.address);
}

function candidate(by: FoundBy, memory: Memory, address: number, length: number): FoundIbft {
  const at = address - memory.base;
  const bytes = Uint8Array.prototype.slice.call(memory.bytes, at, at + Math.min(length, LENGTH_LIMIT));
  const { table, findings, sum } = readIbft(bytes);
  const valid =
    sum === 0 &&
    bytes.length === length &&
    table.revision === 1 &&
    table.initiator !== null &&
    findings.every(({ severity }) => severity !== "fatal");
  return { by, address, bytes, table, valid, findings };
}

/** Addresses in the XSDT and RSDT that the RSDP at `at` names; none where a checksum is wrong. */
function tablesOf(memory: Memory, at: number): readonly number[] {
  const bytes = asBuffer(memory.bytes);
  if (at + 20 > bytes.length || sumOf(bytes, at, 20) !== 0) return [];
  const rsdt = entries(memory, bytes.readUInt32LE(at + 16), "RSDT");
  const extended = bytes.readUInt8(at + 15) >= 2 && at + 36 <= bytes.length && sumOf(bytes, at, 36) === 0;
  const xsdt = extended ? entries(memory, Number(bytes.readBigUInt64LE(at + 24)), "XSDT") : [];
  return [...xsdt, ...rsdt];
}

function entries(memory: Memory, address: number, signature: "RSDT" | "XSDT"): readonly number[] {
  const bytes = asBuffer(memory.bytes);
  const at = address - memory.base;
  if (at < 0 || at + 36 > bytes.length || bytes.toString("latin1", at, at + 4) !== signature) return [];
  const length = bytes.readUInt32LE(at + 4);
  if (length > LENGTH_LIMIT || at + length > bytes.length || sumOf(bytes, at, length) !== 0) return [];
  const size = signature === "XSDT" ? 8 : 4;
  return Array.from({ length: Math.max(0, Math.floor((length - 36) / size)) }, (_, i) =>
    size === 8 ? Number(bytes.readBigUInt64LE(at + 36 + i * 8)) : bytes.readUInt32LE(at + 36 + i * 4),
  );
}

/** Compared as numbers: a watcher of a boot asks this many thousand times a second. */
function isSigned(bytes: Buffer, at: number): boolean {
  return SIGNATURE_WORDS.has(bytes.readUInt32BE(at));
}

function sumOf(bytes: Buffer, at: number, length: number): number {
  return bytes.subarray(at, at + length).reduce((total, byte) => (total + byte) & 0xff, 0);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

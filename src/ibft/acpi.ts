import type { Memory } from "./find.ts";

type RootSignature = "RSDT" | "XSDT";

/** A root table that a root pointer names. */
export interface AcpiRoot {
  readonly address: number;
  readonly signature: RootSignature;
}

/** Longer than any root table and any iBFT, whose offsets are 16-bit words. */
export const ACPI_TABLE_LIMIT = 0x10000;
export const ACPI_HEADER_LENGTH = 36;

const V1_LENGTH = 20;
const V2_LENGTH = 36;

/**
 * The root tables that the root pointers in a piece of memory name, XSDT before RSDT (ACPI 6.4, 5.2.5.3). A root pointer
 * lies on any 16-byte boundary; one with a wrong checksum is none.
 */
export function acpiRoots(memory: Memory): readonly AcpiRoot[] {
  const bytes = asBuffer(memory.bytes);
  const roots: AcpiRoot[] = [];
  for (let at = bytes.indexOf("RSD PTR "); at >= 0; at = bytes.indexOf("RSD PTR ", at + 8)) {
    if ((memory.base + at) % 16 !== 0 || at + V1_LENGTH > bytes.length || sumOf(bytes, at, V1_LENGTH) !== 0)
      continue;
    const extended =
      bytes.readUInt8(at + 15) >= 2 && at + V2_LENGTH <= bytes.length && sumOf(bytes, at, V2_LENGTH) === 0;
    if (extended) roots.push({ address: Number(bytes.readBigUInt64LE(at + 24)), signature: "XSDT" });
    roots.push({ address: bytes.readUInt32LE(at + 16), signature: "RSDT" });
  }
  return roots.filter(({ address }) => address !== 0 && Number.isSafeInteger(address));
}

/** The addresses that a root table lists; none where it is not the table that it should be or its checksum is wrong. */
export function acpiEntries(table: Uint8Array, signature: RootSignature): readonly number[] {
  const bytes = asBuffer(table);
  if (bytes.length < ACPI_HEADER_LENGTH || bytes.toString("latin1", 0, 4) !== signature) return [];
  const length = bytes.readUInt32LE(4);
  if (length > bytes.length || length > ACPI_TABLE_LIMIT || sumOf(bytes, 0, length) !== 0) return [];
  const size = signature === "XSDT" ? 8 : 4;
  const count = Math.max(0, Math.floor((length - ACPI_HEADER_LENGTH) / size));
  const entry = (at: number) => (size === 8 ? Number(bytes.readBigUInt64LE(at)) : bytes.readUInt32LE(at));
  return Array.from({ length: count }, (_, i) => entry(ACPI_HEADER_LENGTH + i * size)).filter((address) =>
    Number.isSafeInteger(address),
  );
}

function sumOf(bytes: Buffer, at: number, length: number): number {
  return bytes.subarray(at, at + length).reduce((total, byte) => (total + byte) & 0xff, 0);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

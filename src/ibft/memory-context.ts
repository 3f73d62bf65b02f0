import { findIbft, findInMemory, type Memory } from "./find.ts";
import type { LintContext } from "./lint-scene.ts";

/** Where a BIOS keeps the size of base memory, KiB as a 16-bit word (40:13). */
const BASE_MEMORY_AT = 0x413;

/**
 * What an image of a machine's memory, taken when the firmware was done, says about a table: where it lies, whether
 * ACPI lists it, how many tables a system finds, and how far base memory is free to use. `known` is added to.
 */
export function contextOfMemory(memory: Memory, table: Uint8Array, known: LintContext = {}): LintContext {
  const bytes = Buffer.from(memory.bytes.buffer, memory.bytes.byteOffset, memory.bytes.length);
  const found = findIbft(memory);
  const isSame = (one: { readonly bytes: Uint8Array }) => Buffer.from(one.bytes).equals(table);
  const own = found.find(isSame) ?? findInMemory(memory).find(isSame);
  const at = BASE_MEMORY_AT - memory.base;
  const baseMemory = at >= 0 && at + 2 <= bytes.length ? bytes.readUInt16LE(at) : 0;
  return {
    ...known,
    tables: found.length,
    ...(own === undefined ? { intact: false } : { address: own.address, acpi: own.by === "acpi" }),
    ...(baseMemory > 0 && baseMemory <= 640 && { baseMemory }),
  };
}

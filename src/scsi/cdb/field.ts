import { readUint } from "../bytes.ts";

/** Where a field of a CDB lies: `width` bits whose lowest is bit `bit` of the last byte it touches. */
export interface CdbField<Kind extends "flag" | "number" = "flag" | "number"> {
  readonly kind: Kind;
  readonly byte: number;
  readonly bit: number;
  readonly width: number;
}

export const flag = (byte: number, bit: number): CdbField<"flag"> => ({ kind: "flag", byte, bit, width: 1 });
export const bits = (byte: number, bit: number, width: number): CdbField<"number"> => ({
  kind: "number",
  byte,
  bit,
  width,
});
export const u8 = (byte: number) => bits(byte, 0, 8);
export const u16 = (byte: number) => bits(byte, 0, 16);
export const u24 = (byte: number) => bits(byte, 0, 24);
export const u32 = (byte: number) => bits(byte, 0, 32);
export const u64 = (byte: number) => bits(byte, 0, 64);

/** The field's value; a flag as 0 or 1. Above 2^53 it is rounded, which still compares as beyond any disk. */
export function readField(cdb: Uint8Array, field: CdbField): number {
  const length = (field.bit + field.width + 7) >> 3;
  // Here the modulus would turn FFFFFFFFFFFFFFFFh, which is rounded up to 2^64, into zero.
  if (field.width === 64) return readUint(cdb, field.byte, 8);
  return Math.floor(readUint(cdb, field.byte, length) / 2 ** field.bit) % 2 ** field.width;
}

/** Sets the field's bits and leaves its neighbours. Throws a RangeError where the value does not fit. */
export function writeField(cdb: Uint8Array, field: CdbField, value: number, name: string): void {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** field.width)
    throw new RangeError(`${name}: ${value} does not fit into ${field.width} bits`);
  let rest = value * 2 ** field.bit;
  for (let at = field.byte + ((field.bit + field.width + 7) >> 3) - 1; at >= field.byte; at--) {
    cdb[at] = (cdb[at] ?? 0) | (rest % 256);
    rest = Math.floor(rest / 256);
  }
}

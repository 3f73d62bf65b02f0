import { u8 } from "./bytes.ts";
import type { CodeTable } from "./code-table.ts";
import { encodeLun, lunValue, type LunValue } from "./lun.ts";

/** How a field's value is written and printed. A tag is printed in hexadecimal, a serial number wraps at 2^32. */
export type FieldKind = "flag" | "number" | "tag" | "serial" | "bytes" | "lun";

/** Where one field of a BHS lies and where the specification speaks of it. */
export interface Field {
  /** The property of the PDU's view and plain fields. */
  readonly name: string;
  /** The specification's word: "ExpStatSN". */
  readonly label: string;
  /** First byte of the BHS, 0 to 47. */
  readonly byte: number;
  /** Highest bit in that byte, 7 to 0; 7 for fields of whole bytes. */
  readonly bit: number;
  /** Bits. */
  readonly width: number;
  readonly kind: FieldKind;
  /** Section of RFC 7143, or "RFC 7144 §…". */
  readonly section: string;
  /** The names of its values, where there are any. */
  readonly codes?: CodeTable;
}

/** A flag is a boolean, a LUN a number or 8 bytes, bytes are bytes, everything else a number. */
export type FieldValue = boolean | number | Uint8Array;

/** Reads a field out of the BHS at `offset`. Bytes are a view. */
export function readField(header: Uint8Array, field: Field, offset = 0): FieldValue {
  const at = offset + field.byte;
  if (field.kind === "lun") return lunValue(header, at);
  if (field.kind === "bytes") return header.subarray(at, at + field.width / 8);
  const number = readBits(header, at, field);
  return field.kind === "flag" ? number !== 0 : number;
}

/**
 * Writes a field into the BHS at `offset` and leaves every other bit as it is. Numbers are taken modulo the width;
 * throws a TypeError for a value of another kind, a RangeError for bytes of another length.
 */
export function writeField(header: Uint8Array, field: Field, value: FieldValue, offset = 0): void {
  const at = offset + field.byte;
  if (field.kind === "lun" && typeof value !== "boolean") {
    encodeLun(header, at, value satisfies LunValue);
  } else if (field.kind === "bytes" && value instanceof Uint8Array) {
    if (value.length !== field.width / 8) {
      throw new RangeError(`${field.label} has ${field.width / 8} bytes, not ${value.length}`);
    }
    header.set(value, at);
  } else if (field.kind !== "bytes" && field.kind !== "lun" && typeof value !== "object") {
    writeBits(header, at, field, Number(value));
  } else {
    throw new TypeError(`${field.label} cannot be ${value instanceof Uint8Array ? "bytes" : String(value)}`);
  }
}

/** The mask of the bits of byte `index` (counted from the field's first byte) that belong to the field. */
export function fieldMask(field: Field, index: number): number {
  const first = index === 0 ? 0xff >>> (7 - field.bit) : 0xff;
  const bitsBefore = index === 0 ? 0 : field.bit + 1 + (index - 1) * 8;
  const left = field.width - bitsBefore;
  const available = index === 0 ? field.bit + 1 : 8;
  return left >= available ? first : first & ~(0xff >>> (index === 0 ? 7 - field.bit + left : left));
}

/** Bytes that a field touches. */
export function fieldBytes(field: Field): number {
  return Math.ceil((7 - field.bit + field.width) / 8);
}

function readBits(header: Uint8Array, at: number, field: Field): number {
  if (field.bit === 7 && field.width % 8 === 0) {
    let value = 0;
    for (let index = 0; index < field.width / 8; index += 1) value = value * 256 + u8(header, at + index);
    return value;
  }
  return (u8(header, at) >>> (field.bit + 1 - field.width)) & (2 ** field.width - 1);
}

function writeBits(header: Uint8Array, at: number, field: Field, value: number): void {
  if (field.bit === 7 && field.width % 8 === 0) {
    for (
      let index = field.width / 8 - 1, rest = value;
      index >= 0;
      index -= 1, rest = Math.floor(rest / 256)
    ) {
      header[at + index] = rest;
    }
    return;
  }
  const shift = field.bit + 1 - field.width;
  const mask = (2 ** field.width - 1) << shift;
  header[at] = (u8(header, at) & ~mask) | ((value << shift) & mask);
}

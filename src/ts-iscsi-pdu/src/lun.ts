import { clear, u8, copyBytes } from "./bytes.ts";

/**
 * A logical unit number as people write it: 0 to 255 travel in peripheral device addressing, up to 16383 in
 * flat space addressing, up to 16777215 in extended flat space addressing (SAM-5 §4.7; RFC 7143 §11.2.1.7).
 */
export type Lun = number;

/** Where a LUN is written, a number or the 8 bytes themselves, for forms that have no plain number. */
export type LunValue = Lun | Uint8Array;

/** What {@link decodeLun} gives for 8 bytes that are not one single-level address. */
export const NOT_A_LUN = -1;

/** The well-known logical unit that answers REPORT LUNS (SAM-5 §4.7.7.5.2). */
export const REPORT_LUNS_WELL_KNOWN_LUN: Readonly<Uint8Array> = Uint8Array.of(0xc1, 0x01, 0, 0, 0, 0, 0, 0);

/** Reads the 8 bytes at `at`; {@link NOT_A_LUN} for multi-level, well-known and other forms. */
export function decodeLun(bytes: Uint8Array, at = 0): Lun {
  const first = u8(bytes, at);
  const second = u8(bytes, at + 1);
  const third = u8(bytes, at + 2);
  const fourth = u8(bytes, at + 3);
  if ((u8(bytes, at + 4) | u8(bytes, at + 5) | u8(bytes, at + 6) | u8(bytes, at + 7)) !== 0) return NOT_A_LUN;
  if (first === 0xd2) return (second << 16) | (third << 8) | fourth;
  if ((third | fourth) !== 0) return NOT_A_LUN;
  if (first === 0) return second;
  if ((first & 0xc0) === 0x40) return ((first & 0x3f) << 8) | second;
  return NOT_A_LUN;
}

/** Writes 8 bytes at `at`. Throws a RangeError for a number that no addressing method holds. */
export function encodeLun(into: Uint8Array, at: number, lun: LunValue): void {
  if (typeof lun !== "number") {
    if (lun.length !== 8) throw new RangeError(`a LUN has 8 bytes, not ${lun.length}`);
    into.set(lun, at);
    return;
  }
  if (!Number.isInteger(lun) || lun < 0 || lun > 0xff_ffff) {
    throw new RangeError(`LUN ${lun} is not a whole number from 0 to 16777215`);
  }
  clear(into, at, at + 8);
  if (lun < 0x100) {
    into[at + 1] = lun;
  } else if (lun < 0x4000) {
    into[at] = 0x40 | (lun >>> 8);
    into[at + 1] = lun;
  } else {
    into[at] = 0xd2;
    into[at + 1] = lun >>> 16;
    into[at + 2] = lun >>> 8;
    into[at + 3] = lun;
  }
}

/** The number when writing it gives the same 8 bytes again, else a copy of the bytes: nothing is lost. */
export function lunValue(bytes: Uint8Array, at = 0): LunValue {
  const lun = decodeLun(bytes, at);
  if (lun !== NOT_A_LUN) {
    encodeLun(scratch, 0, lun);
    if (scratch.every((byte, index) => byte === bytes[at + index])) return lun;
  }
  return copyBytes(bytes, at, at + 8);
}

const scratch = new Uint8Array(8);

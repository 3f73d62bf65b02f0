import { ahsLength, MAX_AHS_LENGTH, type AhsSegment } from "./ahs.ts";
import { clear, putU24, putU32, copyBytes } from "./bytes.ts";
import { RESERVED_TAG } from "./view.ts";

interface HeaderInit {
  readonly itt?: number;
  readonly dataLength?: number;
  readonly ahs?: readonly AhsSegment[];
}

interface RequestInit extends HeaderInit {
  readonly cmdSn?: number;
  readonly expStatSn?: number;
}

interface ResponseInit extends HeaderInit {
  readonly statSn?: number;
  readonly expCmdSn?: number;
  readonly maxCmdSn?: number;
}

const MAX_DATA_LENGTH = 0xff_ffff;

/** Clears 48 bytes and writes what every BHS has. Throws a RangeError for lengths that no header can say. */
export function writeHeader(into: Uint8Array, at: number, byte0: number, byte1: number, f: HeaderInit): void {
  if (at + 48 > into.length) throw new RangeError(`48 bytes do not fit at ${at} of ${into.length}`);
  clear(into, at, at + 48);
  into[at] = byte0;
  into[at + 1] = byte1;
  const dataLength = f.dataLength ?? 0;
  if (dataLength < 0 || dataLength > MAX_DATA_LENGTH) {
    throw new RangeError(`a data segment has at most ${MAX_DATA_LENGTH} bytes, not ${dataLength}`);
  }
  if (dataLength !== 0) putU24(into, at + 5, dataLength);
  if (f.ahs !== undefined) writeTotalAhsLength(into, at, ahsLength(f.ahs));
  putU32(into, at + 16, f.itt ?? RESERVED_TAG);
}

export function writeTotalAhsLength(into: Uint8Array, at: number, length: number): void {
  if (length > MAX_AHS_LENGTH) throw new RangeError(`additional headers: ${length} bytes, at most 1020`);
  into[at + 4] = length / 4;
}

export function writeRequest(
  into: Uint8Array,
  at: number,
  byte0: number,
  byte1: number,
  f: RequestInit,
): void {
  writeHeader(into, at, byte0, byte1, f);
  putU32(into, at + 24, f.cmdSn ?? 0);
  putU32(into, at + 28, f.expStatSn ?? 0);
}

export function writeResponse(
  into: Uint8Array,
  at: number,
  byte0: number,
  byte1: number,
  f: ResponseInit,
): void {
  writeHeader(into, at, byte0, byte1, f);
  putU32(into, at + 24, f.statSn ?? 0);
  putU32(into, at + 28, f.expCmdSn ?? 0);
  putU32(into, at + 32, f.maxCmdSn ?? 0);
}

export function immediateBit(f: { readonly immediate?: boolean }): number {
  return f.immediate === true ? 0x40 : 0;
}

export function finalBit(f: { readonly final?: boolean }): number {
  return f.final === false ? 0 : 0x80;
}

/** The `ahs` property of plain fields: absent when there are no segments. */
export function ahsField(segments: readonly AhsSegment[]): { ahs?: readonly AhsSegment[] } {
  if (segments.length === 0) return {};
  return { ahs: segments.map(({ type, specific }) => ({ type, specific: copyBytes(specific) })) };
}

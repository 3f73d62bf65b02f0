import { padded, putU16, putU32, u16, u32, u8 } from "./bytes.ts";
import { ProtocolError } from "./errors.ts";

/** RFC 7143 §11.2.2.1. */
export const AhsType = { ExtendedCdb: 1, BidirectionalReadLength: 2 } as const;

/** One additional header segment; `specific` is everything after the type: AHSLength bytes, padding left out. */
export interface AhsSegment {
  readonly type: number;
  readonly specific: Uint8Array;
}

/** TotalAHSLength counts 4-byte words in one byte. */
export const MAX_AHS_LENGTH = 255 * 4;

/**
 * Takes the AHS area apart (RFC 7143 §11.2.2): AHSLength (2 bytes), AHSType (1), then AHSLength bytes, padded to
 * a word. The segments are views of `area`. Throws ProtocolError PDU_AHS when a segment runs past the end.
 */
export function readAhs(area: Uint8Array): AhsSegment[] {
  const segments: AhsSegment[] = [];
  for (let at = 0; at < area.length;) {
    const length = at + 3 <= area.length ? u16(area, at) : Infinity;
    if (at + 3 + length > area.length) {
      throw new ProtocolError({
        code: "PDU_AHS",
        section: "RFC 7143 §11.2.2",
        field: "AHSLength",
        got: length === Infinity ? "cut off" : length,
        limit: Math.max(0, area.length - at - 3),
        message: "an additional header segment runs past TotalAHSLength",
      });
    }
    segments.push({ type: u8(area, at + 2) & 0x3f, specific: area.subarray(at + 3, at + 3 + length) });
    at += padded(3 + length);
  }
  return segments;
}

/** Bytes that the segments take on the wire. */
export function ahsLength(segments: readonly AhsSegment[]): number {
  if (segments.length === 0) return 0;
  return segments.reduce((sum, segment) => sum + padded(3 + segment.specific.length), 0);
}

/** Writes the segments at `at`, zero padded; returns the bytes written. */
export function writeAhs(into: Uint8Array, at: number, segments: readonly AhsSegment[]): number {
  let position = at;
  for (const { type, specific } of segments) {
    const end = position + padded(3 + specific.length);
    into.fill(0, position, end);
    putU16(into, position, specific.length);
    into[position + 2] = type;
    into.set(specific, position + 3);
    position = end;
  }
  return position - at;
}

/** The part of a CDB beyond 16 bytes (RFC 7143 §11.2.2.3): a reserved byte, then the bytes; AHSLength = CDB - 15. */
export function extendedCdbAhs(cdb: Uint8Array): AhsSegment {
  const specific = new Uint8Array(1 + cdb.length - 16);
  specific.set(cdb.subarray(16), 1);
  return { type: AhsType.ExtendedCdb, specific };
}

/** Expected bytes to read of a bidirectional command (RFC 7143 §11.2.2.4): a reserved byte, then 4 bytes. */
export function bidirectionalReadAhs(length: number): AhsSegment {
  const specific = new Uint8Array(5);
  putU32(specific, 1, length);
  return { type: AhsType.BidirectionalReadLength, specific };
}

/** The expected read length of a segment, or undefined when it is another kind or malformed. */
export function bidirectionalReadLength(segment: AhsSegment | undefined): number | undefined {
  if (segment?.type !== AhsType.BidirectionalReadLength || segment.specific.length !== 5) return undefined;
  return u32(segment.specific, 1);
}

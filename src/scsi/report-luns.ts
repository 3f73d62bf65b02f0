import { readUint, writeUint } from "./bytes.ts";

/** REPORT LUNS parameter data (SPC-4, section 6.33) from eight-byte LUNs as they stand in a PDU. */
export function writeReportLuns(luns: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(8 + 8 * luns.length);
  writeUint(out, 0, 4, 8 * luns.length);
  for (const [index, lun] of luns.entries()) out.set(lun.subarray(0, 8), 8 + 8 * index);
  return out;
}

export interface ReportedLuns {
  /** The eight-byte LUNs that arrived whole. */
  readonly luns: readonly Uint8Array[];
  /** How many bytes the whole answer has; more than arrived where the allocation length cut it. */
  readonly totalLength: number;
}

export function readReportLuns(bytes: Uint8Array): ReportedLuns {
  const totalLength = 8 + readUint(bytes, 0, 4);
  const luns: Uint8Array[] = [];
  for (let at = 8; at + 8 <= Math.min(bytes.length, totalLength); at += 8) luns.push(bytes.slice(at, at + 8));
  return { luns, totalLength };
}

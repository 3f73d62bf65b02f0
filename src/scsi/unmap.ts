import { readUint, writeUint } from "./bytes.ts";

export interface BlockRange {
  readonly lba: number;
  readonly blocks: number;
}

/** UNMAP parameter list (SBC-4, section 5.32.2): an eight-byte header and 16 bytes a range. */
export function writeUnmapList(ranges: readonly BlockRange[]): Uint8Array {
  const out = new Uint8Array(8 + 16 * ranges.length);
  writeUint(out, 0, 2, out.length - 2);
  writeUint(out, 2, 2, 16 * ranges.length);
  for (const [index, range] of ranges.entries()) {
    writeUint(out, 8 + 16 * index, 8, range.lba);
    writeUint(out, 16 + 16 * index, 4, range.blocks);
  }
  return out;
}

/** The whole ranges of a parameter list; undefined where its lengths point past its end. */
export function readUnmapList(bytes: Uint8Array): readonly BlockRange[] | undefined {
  if (bytes.length < 8) return undefined;
  const length = readUint(bytes, 2, 2);
  if (8 + length > bytes.length) return undefined;
  const ranges: BlockRange[] = [];
  for (let at = 8; at + 16 <= 8 + length; at += 16)
    ranges.push({ lba: readUint(bytes, at, 8), blocks: readUint(bytes, at + 8, 4) });
  return ranges;
}

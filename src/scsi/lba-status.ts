import { readUint, writeUint } from "./bytes.ts";

/** PROVISIONING STATUS of SBC-4, section 5.6.2. */
export const ProvisioningStatus = { Mapped: 0, Deallocated: 1, Anchored: 2 } as const;

export interface LbaStatus {
  readonly lba: number;
  readonly blocks: number;
  readonly status: number;
}

/** GET LBA STATUS parameter data: an eight-byte header and 16 bytes a descriptor. */
export function writeLbaStatus(list: readonly LbaStatus[]): Uint8Array {
  const out = new Uint8Array(8 + 16 * list.length);
  writeUint(out, 0, 4, out.length - 4);
  for (const [index, entry] of list.entries()) {
    writeUint(out, 8 + 16 * index, 8, entry.lba);
    writeUint(out, 16 + 16 * index, 4, entry.blocks);
    out[20 + 16 * index] = entry.status;
  }
  return out;
}

export function readLbaStatus(bytes: Uint8Array): readonly LbaStatus[] {
  const end = Math.min(bytes.length, 4 + readUint(bytes, 0, 4));
  const list: LbaStatus[] = [];
  for (let at = 8; at + 16 <= end; at += 16)
    list.push({
      lba: readUint(bytes, at, 8),
      blocks: readUint(bytes, at + 8, 4),
      status: (bytes[at + 12] ?? 0) & 0xf,
    });
  return list;
}

import { readFlag, readUint, writeFlag, writeUint } from "./bytes.ts";

/** What READ CAPACITY tells (SBC-4, sections 5.20 and 5.21). */
export interface Capacity {
  /** Logical blocks in all: one more than the last LBA. */
  readonly blocks: number;
  /** Bytes of a logical block. */
  readonly blockSize: number;
}

export interface Capacity16 extends Capacity {
  /** Protection information: 0 none, else type 1-3. */
  readonly protection: number;
  /** A physical block is 2^this logical blocks. */
  readonly physicalBlockExponent: number;
  readonly lowestAlignedLba: number;
  /** Logical block provisioning management: UNMAP may work. */
  readonly thinProvisioned: boolean;
  readonly readsZeros: boolean;
}

/** Eight bytes; a disk with more than 2^32 - 1 blocks answers FFFFFFFFh, "ask READ CAPACITY(16)". */
export function writeCapacity10(capacity: Capacity): Uint8Array {
  const out = new Uint8Array(8);
  writeUint(out, 0, 4, Math.min(capacity.blocks - 1, 0xffff_ffff));
  writeUint(out, 4, 4, capacity.blockSize);
  return out;
}

/** Undefined where the disk is too big for the ten-byte command or the data is cut. */
export function readCapacity10(bytes: Uint8Array): Capacity | undefined {
  const last = readUint(bytes, 0, 4);
  if (bytes.length < 8 || last === 0xffff_ffff) return undefined;
  return { blocks: last + 1, blockSize: readUint(bytes, 4, 4) };
}

/** 32 bytes. */
export function writeCapacity16(capacity: Capacity16): Uint8Array {
  const out = new Uint8Array(32);
  writeUint(out, 0, 8, capacity.blocks - 1);
  writeUint(out, 8, 4, capacity.blockSize);
  if (capacity.protection > 0) out[12] = ((capacity.protection - 1) << 1) | 1;
  out[13] = capacity.physicalBlockExponent & 0xf;
  writeUint(out, 14, 2, capacity.lowestAlignedLba & 0x3fff);
  writeFlag(out, 14, 7, capacity.thinProvisioned);
  writeFlag(out, 14, 6, capacity.readsZeros);
  return out;
}

/** Undefined where fewer than the twelve bytes arrived that every version of the command has. */
export function readCapacity16(bytes: Uint8Array): Capacity16 | undefined {
  if (bytes.length < 12) return undefined;
  return {
    blocks: readUint(bytes, 0, 8) + 1,
    blockSize: readUint(bytes, 8, 4),
    protection: readFlag(bytes, 12, 0) ? (((bytes[12] ?? 0) >> 1) & 7) + 1 : 0,
    physicalBlockExponent: (bytes[13] ?? 0) & 0xf,
    lowestAlignedLba: readUint(bytes, 14, 2) & 0x3fff,
    thinProvisioned: readFlag(bytes, 14, 7),
    readsZeros: readFlag(bytes, 14, 6),
  };
}

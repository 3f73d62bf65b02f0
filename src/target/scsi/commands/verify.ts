import { invalidField } from "../check.ts";
import type { LogicalUnit } from "../logical-unit.ts";
import { done, good, run, type Plan } from "../plan.ts";
import { checkProtection, checkRange, checkTransferLength, type Request } from "../request.ts";
import { firstDifference, miscompare } from "./read-write.ts";

type Verify = Request<"verify10" | "verify12" | "verify16">;
type WriteVerify = Request<"writeAndVerify10" | "writeAndVerify12" | "writeAndVerify16">;

/** BYTCHK 0: readable; 1: equal to the data; 3: each block equal to the one block of data (SBC-4, section 5.34). */
export function verify({ unit, cdb }: Verify): Plan {
  checkProtection(cdb.verifyProtect);
  checkByteCheck(cdb.byteCheck);
  checkRange(unit, cdb.lba, cdb.blocks);
  if (cdb.blocks === 0) return done;
  if (cdb.byteCheck === 0) return run(() => readThrough(unit, cdb.lba, cdb.blocks));
  if (cdb.byteCheck === 3) return verifySame(unit, cdb.lba, cdb.blocks);
  checkTransferLength(unit, cdb.blocks, 7);
  const base = cdb.lba * unit.blockSize;
  let wrong = Infinity;
  return {
    kind: "stream",
    length: cdb.blocks * unit.blockSize,
    write: async (offset, data) => {
      const medium = new Uint8Array(data.length);
      await unit.device.read(base + offset, medium);
      const at = firstDifference(medium, data);
      if (at !== undefined) wrong = Math.min(wrong, offset + at);
    },
    finish: async () => (wrong === Infinity ? good : miscompare(wrong)),
  };
}

/** Writes, past the cache, and compares what is read back where BYTCHK asks for it. */
export function writeAndVerify({ unit, cdb }: WriteVerify): Plan {
  checkProtection(cdb.writeProtect);
  checkByteCheck(cdb.byteCheck);
  if (cdb.byteCheck === 3) throw invalidField(1, 2);
  checkRange(unit, cdb.lba, cdb.blocks);
  checkTransferLength(unit, cdb.blocks, 7);
  if (cdb.blocks === 0) return done;
  const base = cdb.lba * unit.blockSize;
  let wrong = Infinity;
  return {
    kind: "stream",
    length: cdb.blocks * unit.blockSize,
    write: (offset, data) =>
      unit.writeLock.shared(async () => {
        await unit.device.write(base + offset, data, { fua: true });
        const medium = new Uint8Array(data.length);
        await unit.device.read(base + offset, medium);
        const at = cdb.byteCheck === 0 ? undefined : firstDifference(medium, data);
        if (at !== undefined) wrong = Math.min(wrong, offset + at);
      }),
    finish: async () => (wrong === Infinity ? good : miscompare(wrong)),
  };
}

function verifySame(unit: LogicalUnit, lba: number, blocks: number): Plan {
  return {
    kind: "gather",
    length: unit.blockSize,
    finish: async (data) => {
      const medium = new Uint8Array(unit.blockSize);
      for (let block = 0; block < blocks; block++) {
        await unit.device.read((lba + block) * unit.blockSize, medium);
        const at = firstDifference(medium, data);
        if (at !== undefined) return miscompare(block * unit.blockSize + at);
      }
      return good;
    },
  };
}

async function readThrough(unit: LogicalUnit, lba: number, blocks: number): Promise<void> {
  const piece = new Uint8Array(Math.min(blocks * unit.blockSize, 256 * 1024));
  const end = (lba + blocks) * unit.blockSize;
  for (let at = lba * unit.blockSize; at < end; at += piece.length)
    await unit.device.read(at, piece.subarray(0, Math.min(piece.length, end - at)));
}

function checkByteCheck(byteCheck: number): void {
  if (byteCheck === 2) throw invalidField(1, 2);
}

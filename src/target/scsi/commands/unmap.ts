import { readUnmapList } from "#scsi";
import { invalidField, invalidParameter, parameterListLengthError } from "../check.ts";
import type { LogicalUnit } from "../logical-unit.ts";
import { done, good, type Plan } from "../plan.ts";
import { checkProtection, checkRange, type Request } from "../request.ts";
import { maxUnmapDescriptors, maxWriteSameBytes } from "./limits.ts";

/** Lets go of the blocks of each range; they read as zero afterwards (SBC-4, section 5.32). */
export function unmap({ unit, cdb }: Request<"unmap">): Plan {
  if (cdb.anchor) throw invalidField(1, 0);
  if (cdb.parameterListLength === 0) return done;
  if (cdb.parameterListLength < 8) throw parameterListLengthError();
  return {
    kind: "gather",
    length: cdb.parameterListLength,
    finish: async (data) => {
      const ranges = readUnmapList(data);
      if (ranges === undefined) throw parameterListLengthError();
      if (ranges.length > maxUnmapDescriptors) throw invalidParameter(2);
      for (const range of ranges) checkRange(unit, range.lba, range.blocks);
      for (const range of ranges)
        if (range.blocks > 0)
          await unit.writeLock.shared(() =>
            unit.device.trim(range.lba * unit.blockSize, range.blocks * unit.blockSize),
          );
      return good;
    },
  };
}

type WriteSame = Request<"writeSame10" | "writeSame16">;

/**
 * Fills blocks with one block of data, or lets go of them where UNMAP is set. Like LIO and tgtd it does not look at the
 * data then: clients use the bit to discard, and some of them leave anything in the buffer.
 */
export function writeSame({ unit, cdb }: WriteSame): Plan {
  checkProtection(cdb.writeProtect);
  if (cdb.anchor) throw invalidField(1, 4);
  if (cdb.unmap && !unit.thin) throw invalidField(1, 3);
  checkRange(unit, cdb.lba, cdb.blocks);
  const blocks = cdb.blocks === 0 ? unit.blocks - cdb.lba : cdb.blocks;
  const tooLong = !cdb.unmap && blocks * unit.blockSize > maxWriteSameBytes;
  if (tooLong) throw invalidField(cdb.command === "writeSame10" ? 7 : 10);
  const noData = cdb.command === "writeSame16" && cdb.noDataOut;
  return {
    kind: "gather",
    length: noData ? 0 : unit.blockSize,
    exact: true,
    finish: async (data) => {
      const pattern = noData ? new Uint8Array(unit.blockSize) : data;
      if (blocks === 0) return good;
      if (cdb.unmap)
        await unit.writeLock.shared(() =>
          unit.device.trim(cdb.lba * unit.blockSize, blocks * unit.blockSize),
        );
      else await fill(unit, cdb.lba, blocks, pattern);
      return good;
    },
  };
}

/** Writes the same block over and over, many at a time. */
export async function fill(
  unit: LogicalUnit,
  lba: number,
  blocks: number,
  block: Uint8Array,
  progress?: (doneBlocks: number) => void,
): Promise<void> {
  const perWrite = Math.min(blocks, Math.floor((1024 * 1024) / unit.blockSize));
  const data = Buffer.alloc(perWrite * unit.blockSize, block);
  for (let at = 0; at < blocks; at += perWrite) {
    const count = Math.min(perWrite, blocks - at);
    await unit.writeLock.shared(() =>
      unit.device.write((lba + at) * unit.blockSize, data.subarray(0, count * unit.blockSize)),
    );
    progress?.(at + count);
  }
}

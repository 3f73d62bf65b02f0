import { checkCondition, invalidField } from "../check.ts";
import type { LogicalUnit } from "../logical-unit.ts";
import { done, good, run, type Plan } from "../plan.ts";
import { checkProtection, checkRange, checkTransferLength, type Request } from "../request.ts";

/** Where the TRANSFER LENGTH of a CDB begins, for the field pointer. */
const lengthByte: Readonly<Record<number, number>> = { 6: 4, 10: 7, 12: 6, 16: 10 };

/** READ of `blocks` blocks at `lba`. */
export function readBlocks(
  unit: LogicalUnit,
  lba: number,
  blocks: number,
  protect: number,
  cdbLength: number,
): Plan {
  checkProtection(protect);
  checkRange(unit, lba, blocks);
  checkTransferLength(unit, blocks, lengthByte[cdbLength] ?? 0);
  if (blocks === 0) return done;
  const base = lba * unit.blockSize;
  const { device } = unit;
  return {
    kind: "read",
    length: blocks * unit.blockSize,
    read: (offset, into) => device.read(base + offset, into),
  };
}

/** WRITE of `blocks` blocks at `lba`. */
export function writeBlocks(
  unit: LogicalUnit,
  lba: number,
  blocks: number,
  options: { readonly protect: number; readonly fua: boolean; readonly cdbLength: number },
): Plan {
  checkProtection(options.protect);
  checkRange(unit, lba, blocks);
  checkTransferLength(unit, blocks, lengthByte[options.cdbLength] ?? 0);
  if (blocks === 0) return done;
  const base = lba * unit.blockSize;
  const { device, writeLock } = unit;
  const through = options.fua || !unit.modes.writeCacheEnabled;
  return {
    kind: "stream",
    length: blocks * unit.blockSize,
    write: (offset, data) => writeLock.shared(() => device.write(base + offset, data, { fua: through })),
    finish: async () => good,
  };
}

type Read = Request<"read10" | "read12" | "read16">;
type Write = Request<"write10" | "write12" | "write16">;

export const read = ({ unit, cdb, bytes }: Read): Plan =>
  readBlocks(unit, cdb.lba, cdb.blocks, cdb.readProtect, cdbLengthOf(bytes));

export const write = ({ unit, cdb, bytes }: Write): Plan =>
  writeBlocks(unit, cdb.lba, cdb.blocks, {
    protect: cdb.writeProtect,
    fua: cdb.fua,
    cdbLength: cdbLengthOf(bytes),
  });

/** A length of zero means 256 in the six-byte commands. */
export const read6 = ({ unit, cdb }: Request<"read6">): Plan =>
  readBlocks(unit, cdb.lba, cdb.blocks || 256, 0, 6);
export const write6 = ({ unit, cdb }: Request<"write6">): Plan =>
  writeBlocks(unit, cdb.lba, cdb.blocks || 256, { protect: 0, fua: false, cdbLength: 6 });

/** All or nothing: the data is gathered and written in one go, apart from every other change. */
export function writeAtomic({ unit, cdb }: Request<"writeAtomic16">): Plan {
  checkProtection(cdb.writeProtect);
  checkRange(unit, cdb.lba, cdb.blocks);
  if (cdb.atomicBoundary !== 0) throw invalidField(10);
  if (cdb.blocks === 0) return done;
  checkTransferLength(unit, cdb.blocks, 12);
  return {
    kind: "gather",
    length: cdb.blocks * unit.blockSize,
    finish: (data) =>
      unit.writeLock.exclusive(async () => {
        await unit.device.write(cdb.lba * unit.blockSize, data, {
          fua: cdb.fua || !unit.modes.writeCacheEnabled,
        });
        return good;
      }),
  };
}

/** The whole cache is flushed: what device can flush a range only? */
export function synchronizeCache({ unit, cdb }: Request<"synchronizeCache10" | "synchronizeCache16">): Plan {
  checkRange(unit, cdb.lba, cdb.blocks);
  const flush = () => unit.device.flush();
  if (!cdb.immediate) return run(flush);
  // IMMED: status now; a failure has nobody left to tell but the next flush, which fails again.
  void flush().catch(() => undefined);
  return done;
}

export function prefetch({ unit, cdb }: Request<"prefetch10" | "prefetch16">): Plan {
  checkRange(unit, cdb.lba, cdb.blocks);
  return done;
}

/** Sets in the medium the bits that are set in the data. */
export function orWrite({ unit, cdb }: Request<"orWrite16">): Plan {
  checkProtection(cdb.orWriteProtect);
  checkRange(unit, cdb.lba, cdb.blocks);
  checkTransferLength(unit, cdb.blocks, 10);
  if (cdb.blocks === 0) return done;
  const base = cdb.lba * unit.blockSize;
  return {
    kind: "stream",
    length: cdb.blocks * unit.blockSize,
    write: (offset, data) =>
      unit.writeLock.exclusive(async () => {
        const old = new Uint8Array(data.length);
        await unit.device.read(base + offset, old);
        for (let i = 0; i < old.length; i++) old[i] = (old[i] ?? 0) | (data[i] ?? 0);
        await unit.device.write(base + offset, old, { fua: cdb.fua || !unit.modes.writeCacheEnabled });
      }),
    finish: async () => good,
  };
}

/** Compares, and only if equal writes; nothing changes the blocks in between (SBC-4, section 5.3). */
export function compareAndWrite({ unit, cdb }: Request<"compareAndWrite">): Plan {
  checkProtection(cdb.writeProtect);
  checkRange(unit, cdb.lba, cdb.blocks);
  const length = cdb.blocks * unit.blockSize;
  const base = cdb.lba * unit.blockSize;
  return {
    kind: "gather",
    length: 2 * length,
    exact: true,
    finish: (data) =>
      unit.writeLock.exclusive(async () => {
        const old = new Uint8Array(length);
        await unit.device.read(base, old);
        const wrong = firstDifference(old, data.subarray(0, length));
        if (wrong !== undefined) return miscompare(wrong);
        await unit.device.write(base, data.subarray(length), {
          fua: cdb.fua || !unit.modes.writeCacheEnabled,
        });
        return good;
      }),
  };
}

/** The first byte in which two equally long arrays differ. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number | undefined {
  if (Buffer.compare(a, b) === 0) return undefined;
  const at = a.findIndex((byte, index) => byte !== b[index]);
  return at < 0 ? undefined : at;
}

export const miscompare = (offset: number) =>
  checkCondition({ key: 0xe, asc: 0x1d, ascq: 0x00, information: offset }).outcome;

const cdbLengthOf = (bytes: Uint8Array) => ((bytes[0] ?? 0) >= 0xa0 ? 12 : (bytes[0] ?? 0) >= 0x80 ? 16 : 10);

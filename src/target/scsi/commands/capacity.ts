import { ProvisioningStatus, writeCapacity10, writeCapacity16, writeLbaStatus, type LbaStatus } from "#scsi";
import { invalidField, lbaOutOfRange } from "../check.ts";
import type { LogicalUnit } from "../logical-unit.ts";
import { answer, type Plan } from "../plan.ts";
import type { Request } from "../request.ts";

export function readCapacity10({ unit, cdb }: Request<"readCapacity10">): Plan {
  if (!cdb.partialMedium && cdb.lba !== 0) throw invalidField(2);
  return answer(writeCapacity10(unit), 8);
}

export function readCapacity16({ unit, cdb }: Request<"readCapacity16">): Plan {
  if (!cdb.partialMedium && cdb.lba !== 0) throw invalidField(2);
  const data = writeCapacity16({
    blocks: unit.blocks,
    blockSize: unit.blockSize,
    protection: 0,
    physicalBlockExponent: Math.max(0, Math.log2(unit.physicalBlockSize / unit.blockSize)),
    lowestAlignedLba: 0,
    thinProvisioned: unit.thin,
    readsZeros: unit.thin,
  });
  return answer(data, cdb.allocationLength);
}

/** Descriptors of one GET LBA STATUS answer; the initiator asks on from where it ended. */
const maxDescriptors = 128;

export function getLbaStatus({ unit, cdb }: Request<"getLbaStatus">): Plan {
  if (cdb.lba >= unit.blocks) throw lbaOutOfRange();
  const room = Math.min(maxDescriptors, Math.max(1, Math.floor((cdb.allocationLength - 8) / 16)));
  return {
    kind: "compute",
    length: cdb.allocationLength,
    data: async () => writeLbaStatus(await lbaStatus(unit, cdb.lba, room)),
  };
}

async function lbaStatus(unit: LogicalUnit, lba: number, room: number): Promise<readonly LbaStatus[]> {
  const list: LbaStatus[] = [];
  const start = lba * unit.blockSize;
  // A block count has 32 bits, and nobody needs the whole of a big disk at once.
  const length = Math.min((unit.blocks - lba) * unit.blockSize, 0x7fff_ffff * unit.blockSize);
  if (!unit.thin) return [{ lba, blocks: length / unit.blockSize, status: ProvisioningStatus.Mapped }];
  for await (const extent of unit.device.extents(start, length)) {
    const from = Math.floor(extent.offset / unit.blockSize);
    const to = Math.floor((extent.offset + extent.length) / unit.blockSize);
    const status = extent.allocated ? ProvisioningStatus.Mapped : ProvisioningStatus.Deallocated;
    if (to > from) list.push({ lba: from, blocks: to - from, status });
    if (list.length >= room) break;
  }
  return list;
}

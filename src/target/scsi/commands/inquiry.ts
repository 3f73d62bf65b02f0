import {
  VpdPage,
  writeBlockCharacteristics,
  writeBlockLimits,
  writeDesignators,
  writeExtendedInquiry,
  writeInquiry,
  writeLogicalBlockProvisioning,
  writeVpdPage,
} from "#scsi";
import { invalidField } from "../check.ts";
import { designators } from "../identity.ts";
import type { LogicalUnit } from "../logical-unit.ts";
import { answer, type Plan } from "../plan.ts";
import { maxTransferBytes, type DeviceServer, type Request } from "../request.ts";
import { maxUnmapDescriptors, maxWriteSameBytes } from "./limits.ts";

/** Version codes: SAM-5, SPC-4, iSCSI, SBC-3 or MMC-6 (SPC-4, section 6.6.2.2). */
const versions = { disk: [0x00a0, 0x0460, 0x0960, 0x04c0], cdrom: [0x00a0, 0x0460, 0x0960, 0x04e0] } as const;

export function inquiry({ unit, server, cdb }: Request<"inquiry">): Plan {
  if (!cdb.vital) {
    if (cdb.page !== 0) throw invalidField(2);
    return answer(standardInquiry(unit), cdb.allocationLength);
  }
  const body = pages[cdb.page]?.(unit, server);
  if (body === undefined) throw invalidField(2);
  return answer(writeVpdPage(unit.deviceType, cdb.page, body), cdb.allocationLength);
}

/** INQUIRY of a LUN that has no unit: qualifier 3, type 1Fh (SPC-4, section 6.6.1). */
export function inquiryOfNothing(allocationLength: number): Plan {
  const data = writeInquiry({
    qualifier: 3,
    deviceType: 0x1f,
    removable: false,
    version: 6,
    vendor: "SANLAB",
    product: "NO-UNIT",
    revision: "0001",
    commandQueuing: true,
    thirdPartyCopy: false,
    targetPortGroups: 0,
    versionDescriptors: [],
  });
  return answer(data, allocationLength);
}

function standardInquiry(unit: LogicalUnit): Uint8Array {
  return writeInquiry({
    qualifier: 0,
    deviceType: unit.deviceType,
    removable: unit.removable,
    version: 6,
    vendor: unit.identity.vendor,
    product: unit.identity.product,
    revision: unit.identity.revision,
    commandQueuing: true,
    thirdPartyCopy: unit.type === "disk",
    targetPortGroups: 0,
    versionDescriptors: versions[unit.type],
  });
}

type PageWriter = (unit: LogicalUnit, server: DeviceServer) => Uint8Array | undefined;

const forDisks =
  (write: PageWriter): PageWriter =>
  (unit, server) =>
    unit.type === "disk" ? write(unit, server) : undefined;

const pages: Readonly<Record<number, PageWriter>> = {
  [VpdPage.Supported]: (unit, server) =>
    Uint8Array.from(
      Object.keys(pages)
        .map(Number)
        .filter((page) => page === 0 || pages[page]?.(unit, server) !== undefined)
        .sort((a, b) => a - b),
    ),
  [VpdPage.SerialNumber]: (unit) => Buffer.from(unit.identity.serial, "latin1"),
  [VpdPage.DeviceIdentification]: (unit, server) =>
    writeDesignators(designators(unit.identity, server.name, server.portalGroup)),
  [VpdPage.ExtendedInquiry]: (unit) =>
    writeExtendedInquiry({
      writeUncorrectable: false,
      simpleTasks: true,
      orderedTasks: true,
      headOfQueueTasks: true,
      volatileCache: unit.type === "disk",
      luClearing: true,
    }),
  [VpdPage.BlockLimits]: forDisks((unit) => blockLimits(unit)),
  // Not rotating: guests then leave out their read-ahead and elevator for spinning disks.
  [VpdPage.BlockCharacteristics]: forDisks(() =>
    writeBlockCharacteristics({
      rotationRate: 1,
      formFactor: 0,
      writeAfterBlockErase: 1,
      writeAfterCryptographicErase: 1,
    }),
  ),
  [VpdPage.LogicalBlockProvisioning]: forDisks((unit) =>
    writeLogicalBlockProvisioning({
      thresholdExponent: 0,
      unmap: unit.thin,
      writeSame16: unit.thin,
      writeSame10: unit.thin,
      readsZeros: unit.thin,
      anchor: false,
      provisioningType: unit.thin ? 2 : 0,
    }),
  ),
};

function blockLimits(unit: LogicalUnit): Uint8Array {
  const blocks = (bytes: number) => Math.floor(bytes / unit.blockSize);
  return writeBlockLimits({
    writeSameNonZero: false,
    maxCompareAndWriteBlocks: 255,
    optimalTransferGranularity: blocks(4096) || 1,
    maxTransferBlocks: blocks(maxTransferBytes),
    optimalTransferBlocks: blocks(1024 * 1024),
    maxPrefetchBlocks: 0,
    maxUnmapBlocks: unit.thin ? 0xffff_ffff : 0,
    maxUnmapDescriptors: unit.thin ? maxUnmapDescriptors : 0,
    optimalUnmapGranularity: unit.thin ? blocks(65_536) : 0,
    ...(unit.thin && { unmapGranularityAlignment: 0 }),
    maxWriteSameBlocks: blocks(maxWriteSameBytes),
    maxAtomicTransferBlocks: blocks(maxTransferBytes),
    atomicAlignment: 0,
    atomicTransferGranularity: 0,
  });
}

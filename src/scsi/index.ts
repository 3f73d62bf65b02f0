/**
 * SCSI as bytes: command descriptor blocks, sense data, INQUIRY and vital product data, mode pages, and the parameter
 * data of the commands that a disk on a SAN is asked. Each structure goes both ways, so that the initiator and the
 * target share one description; lengths of answers that were cut by an allocation length are no error here.
 *
 * It never does I/O, keeps no state and decides nothing: what a unit supports and when is the target's business, and
 * how to react to sense data is the initiator's.
 */
export { cdbName, cdbSpecs, cdbTitle, cdbUsage, decodeCdb, encodeCdb } from "./cdb/cdb.ts";
export type { Cdb, CdbFields, CdbName } from "./cdb/cdb.ts";
export type { CdbSpec } from "./cdb/spec.ts";
export { additionalSenseText } from "./additional-sense.ts";
export { formatSense, readSense, writeSense, type Sense, type SenseField } from "./sense.ts";
export { SenseKey, senseKeyName } from "./sense-key.ts";
export { ScsiStatus, scsiStatusName } from "./status.ts";
export { DeviceType, readInquiry, writeInquiry, type StandardInquiry } from "./inquiry.ts";
export {
  VpdPage,
  readBlockCharacteristics,
  readBlockLimits,
  readExtendedInquiry,
  readLogicalBlockProvisioning,
  readVpdPage,
  writeBlockCharacteristics,
  writeBlockLimits,
  writeExtendedInquiry,
  writeLogicalBlockProvisioning,
  writeVpdPage,
  type BlockCharacteristics,
  type BlockLimits,
  type ExtendedInquiry,
  type LogicalBlockProvisioning,
} from "./vpd.ts";
export {
  DesignatorType,
  formatDesignator,
  readDesignators,
  writeDesignator,
  writeDesignators,
  type Designator,
} from "./designator.ts";
export {
  readCapacity10,
  readCapacity16,
  writeCapacity10,
  writeCapacity16,
  type Capacity,
  type Capacity16,
} from "./capacity.ts";
export { readReportLuns, writeReportLuns, type ReportedLuns } from "./report-luns.ts";
export { ProvisioningStatus, readLbaStatus, writeLbaStatus, type LbaStatus } from "./lba-status.ts";
export { readUnmapList, writeUnmapList, type BlockRange } from "./unmap.ts";
export {
  ModePage,
  dpoFuaBit,
  readModeParameters,
  writeModeParameters,
  writeProtectBit,
  type ModePageData,
  type ModeParameters,
} from "./mode-sense.ts";
export {
  ReservationType,
  isReservationType,
  noReservationKey,
  readFullStatus,
  readRegisterAndMove,
  readReservation,
  readReservationCapabilities,
  readReservationKeys,
  readReserveOutParameters,
  writeFullStatus,
  writeRegisterAndMove,
  writeReservation,
  writeReservationCapabilities,
  writeReservationKeys,
  writeReserveOutParameters,
  type RegisterAndMoveParameters,
  type RegistrationStatus,
  type Reservation,
  type ReservationCapabilities,
  type ReservationKey,
  type ReserveOutParameters,
} from "./persistent-reserve.ts";
export {
  readCommandSupport,
  readSupportedCommands,
  writeCommandSupport,
  writeSupportedCommands,
  type CommandSupport,
  type SupportedCommand,
} from "./supported-opcodes.ts";
export {
  CopyDescriptor,
  copyHeaderLength,
  copySegmentLength,
  copyTargetLength,
  readCopyHeader,
  readCopyOperatingParameters,
  readCopySegment,
  readCopyStatus,
  readCopyTarget,
  writeCopyOperatingParameters,
  writeCopyParameters,
  writeCopyStatus,
  type CopyHeader,
  type CopyOperatingParameters,
  type CopyParameters,
  type CopySegment,
  type CopyStatus,
  type CopyTarget,
} from "./extended-copy.ts";

import { bits, flag, u16, u24, u32, u64, u8 } from "./field.ts";
import { dataIn, dataOut, noData } from "./spec.ts";

const group = (byte: number) => bits(byte, 0, 5);
const protect = bits(1, 5, 3);
const dpo = flag(1, 4);
const fua = flag(1, 3);

const access10 = { dpo, fua, lba: u32(2), group: group(6), blocks: u16(7) } as const;
const access12 = { dpo, fua, lba: u32(2), blocks: u32(6), group: group(10) } as const;
const access16 = { dpo, fua, lba: u64(2), blocks: u32(10), group: group(14) } as const;
const verify10 = {
  verifyProtect: protect,
  dpo,
  byteCheck: bits(1, 1, 2),
  lba: u32(2),
  group: group(6),
  blocks: u16(7),
} as const;
const verify12 = {
  verifyProtect: protect,
  dpo,
  byteCheck: bits(1, 1, 2),
  lba: u32(2),
  blocks: u32(6),
  group: group(10),
} as const;
const verify16 = {
  verifyProtect: protect,
  dpo,
  byteCheck: bits(1, 1, 2),
  lba: u64(2),
  blocks: u32(10),
  group: group(14),
} as const;
const writeVerify10 = {
  writeProtect: protect,
  dpo,
  byteCheck: bits(1, 1, 2),
  lba: u32(2),
  group: group(6),
  blocks: u16(7),
} as const;
const writeVerify12 = {
  writeProtect: protect,
  dpo,
  byteCheck: bits(1, 1, 2),
  lba: u32(2),
  blocks: u32(6),
  group: group(10),
} as const;
const writeVerify16 = {
  writeProtect: protect,
  dpo,
  byteCheck: bits(1, 1, 2),
  lba: u64(2),
  blocks: u32(10),
  group: group(14),
} as const;
const writeSame = { writeProtect: protect, anchor: flag(1, 4), unmap: flag(1, 3) } as const;

/** The commands of SBC-4, section 5, by the name they have in this code. */
export const blockCommands = {
  formatUnit: dataOut("FORMAT UNIT", 0x04, 6, {
    formatProtection: bits(1, 6, 2),
    longList: flag(1, 5),
    formatData: flag(1, 4),
    completeList: flag(1, 3),
    defectListFormat: bits(1, 0, 3),
  }),
  read6: dataIn("READ(6)", 0x08, 6, { lba: bits(1, 0, 21), blocks: u8(4) }),
  write6: dataOut("WRITE(6)", 0x0a, 6, { lba: bits(1, 0, 21), blocks: u8(4) }),
  startStopUnit: noData("START STOP UNIT", 0x1b, 6, {
    immediate: flag(1, 0),
    powerConditionModifier: bits(3, 0, 4),
    powerCondition: bits(4, 4, 4),
    noFlush: flag(4, 2),
    loadEject: flag(4, 1),
    start: flag(4, 0),
  }),
  preventAllowMediumRemoval: noData("PREVENT ALLOW MEDIUM REMOVAL", 0x1e, 6, { prevent: bits(4, 0, 2) }),
  readCapacity10: dataIn("READ CAPACITY(10)", 0x25, 10, { lba: u32(2), partialMedium: flag(8, 0) }),
  read10: dataIn("READ(10)", 0x28, 10, { readProtect: protect, ...access10 }),
  write10: dataOut("WRITE(10)", 0x2a, 10, { writeProtect: protect, ...access10 }),
  writeAndVerify10: dataOut("WRITE AND VERIFY(10)", 0x2e, 10, writeVerify10),
  verify10: dataOut("VERIFY(10)", 0x2f, 10, verify10),
  prefetch10: noData("PRE-FETCH(10)", 0x34, 10, {
    immediate: flag(1, 1),
    lba: u32(2),
    group: group(6),
    blocks: u16(7),
  }),
  synchronizeCache10: noData("SYNCHRONIZE CACHE(10)", 0x35, 10, {
    immediate: flag(1, 1),
    lba: u32(2),
    group: group(6),
    blocks: u16(7),
  }),
  readDefectData10: dataIn("READ DEFECT DATA(10)", 0x37, 10, {
    primaryList: flag(2, 4),
    grownList: flag(2, 3),
    defectListFormat: bits(2, 0, 3),
    allocationLength: u16(7),
  }),
  writeSame10: dataOut("WRITE SAME(10)", 0x41, 10, {
    ...writeSame,
    lba: u32(2),
    group: group(6),
    blocks: u16(7),
  }),
  unmap: dataOut("UNMAP", 0x42, 10, { anchor: flag(1, 0), group: group(6), parameterListLength: u16(7) }),
  sanitizeOverwrite: dataOut(
    "SANITIZE OVERWRITE",
    0x48,
    10,
    {
      immediate: flag(1, 7),
      zonedNoReset: flag(1, 6),
      allowUnrestrictedExit: flag(1, 5),
      parameterListLength: u16(7),
    },
    { serviceAction: 0x01 },
  ),
  sanitizeBlockErase: noData(
    "SANITIZE BLOCK ERASE",
    0x48,
    10,
    {
      immediate: flag(1, 7),
      zonedNoReset: flag(1, 6),
      allowUnrestrictedExit: flag(1, 5),
      parameterListLength: u16(7),
    },
    { serviceAction: 0x02 },
  ),
  sanitizeCryptographicErase: noData(
    "SANITIZE CRYPTOGRAPHIC ERASE",
    0x48,
    10,
    {
      immediate: flag(1, 7),
      zonedNoReset: flag(1, 6),
      allowUnrestrictedExit: flag(1, 5),
      parameterListLength: u16(7),
    },
    { serviceAction: 0x03 },
  ),
  sanitizeExitFailureMode: noData(
    "SANITIZE EXIT FAILURE MODE",
    0x48,
    10,
    {
      immediate: flag(1, 7),
      zonedNoReset: flag(1, 6),
      allowUnrestrictedExit: flag(1, 5),
      parameterListLength: u16(7),
    },
    { serviceAction: 0x1f },
  ),
  read16: dataIn("READ(16)", 0x88, 16, { readProtect: protect, ...access16 }),
  compareAndWrite: dataOut("COMPARE AND WRITE", 0x89, 16, {
    writeProtect: protect,
    dpo,
    fua,
    lba: u64(2),
    blocks: u8(13),
    group: group(14),
  }),
  write16: dataOut("WRITE(16)", 0x8a, 16, { writeProtect: protect, ...access16 }),
  orWrite16: dataOut("ORWRITE(16)", 0x8b, 16, { orWriteProtect: protect, ...access16 }),
  writeAndVerify16: dataOut("WRITE AND VERIFY(16)", 0x8e, 16, writeVerify16),
  verify16: dataOut("VERIFY(16)", 0x8f, 16, verify16),
  prefetch16: noData("PRE-FETCH(16)", 0x90, 16, {
    immediate: flag(1, 1),
    lba: u64(2),
    blocks: u32(10),
    group: group(14),
  }),
  synchronizeCache16: noData("SYNCHRONIZE CACHE(16)", 0x91, 16, {
    immediate: flag(1, 1),
    lba: u64(2),
    blocks: u32(10),
    group: group(14),
  }),
  writeSame16: dataOut("WRITE SAME(16)", 0x93, 16, {
    ...writeSame,
    noDataOut: flag(1, 0),
    lba: u64(2),
    blocks: u32(10),
    group: group(14),
  }),
  writeAtomic16: dataOut("WRITE ATOMIC(16)", 0x9c, 16, {
    writeProtect: protect,
    dpo,
    fua,
    lba: u64(2),
    atomicBoundary: u16(10),
    blocks: u16(12),
    group: group(14),
  }),
  readCapacity16: dataIn(
    "READ CAPACITY(16)",
    0x9e,
    16,
    { lba: u64(2), allocationLength: u32(10), partialMedium: flag(14, 0) },
    { serviceAction: 0x10 },
  ),
  getLbaStatus: dataIn(
    "GET LBA STATUS",
    0x9e,
    16,
    { lba: u64(2), allocationLength: u32(10) },
    { serviceAction: 0x12 },
  ),
  read12: dataIn("READ(12)", 0xa8, 12, { readProtect: protect, ...access12 }),
  write12: dataOut("WRITE(12)", 0xaa, 12, { writeProtect: protect, ...access12 }),
  writeAndVerify12: dataOut("WRITE AND VERIFY(12)", 0xae, 12, writeVerify12),
  verify12: dataOut("VERIFY(12)", 0xaf, 12, verify12),
  readDefectData12: dataIn("READ DEFECT DATA(12)", 0xb7, 12, {
    primaryList: flag(1, 4),
    grownList: flag(1, 3),
    defectListFormat: bits(1, 0, 3),
    addressDescriptorIndex: u32(2),
    allocationLength: u32(6),
  }),
} as const;

/** The reads of MMC-6 that a CD-ROM with a data track answers. */
export const multimediaCommands = {
  readToc: dataIn("READ TOC/PMA/ATIP", 0x43, 10, {
    msf: flag(1, 1),
    format: bits(2, 0, 4),
    track: u8(6),
    allocationLength: u16(7),
  }),
  getConfiguration: dataIn("GET CONFIGURATION", 0x46, 10, {
    requestType: bits(1, 0, 2),
    startingFeature: u16(2),
    allocationLength: u16(7),
  }),
  getEventStatusNotification: dataIn("GET EVENT STATUS NOTIFICATION", 0x4a, 10, {
    polled: flag(1, 0),
    classes: u8(4),
    allocationLength: u16(7),
  }),
  readDiscInformation: dataIn("READ DISC INFORMATION", 0x51, 10, {
    dataType: bits(1, 0, 3),
    allocationLength: u16(7),
  }),
  readTrackInformation: dataIn("READ TRACK INFORMATION", 0x52, 10, {
    addressType: bits(1, 0, 2),
    address: u32(2),
    allocationLength: u16(7),
  }),
  mechanismStatus: dataIn("MECHANISM STATUS", 0xbd, 12, { allocationLength: u16(8) }),
  readCd: dataIn("READ CD", 0xbe, 12, {
    sectorType: bits(1, 2, 3),
    lba: u32(2),
    blocks: u24(6),
    mainChannel: u8(9),
    subChannel: bits(10, 0, 3),
  }),
} as const;

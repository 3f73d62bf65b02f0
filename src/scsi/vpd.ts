import { readFlag, readUint, writeFlag, writeUint } from "./bytes.ts";

/** Vital product data pages of SPC-4, section 7.8, and SBC-4, section 6.6. */
export const VpdPage = {
  Supported: 0x00,
  SerialNumber: 0x80,
  DeviceIdentification: 0x83,
  ExtendedInquiry: 0x86,
  ThirdPartyCopy: 0x8f,
  BlockLimits: 0xb0,
  BlockCharacteristics: 0xb1,
  LogicalBlockProvisioning: 0xb2,
} as const;

/** A page's header and body: device type, page code, length, data. */
export function writeVpdPage(deviceType: number, page: number, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + body.length);
  out[0] = deviceType;
  out[1] = page;
  writeUint(out, 2, 2, body.length);
  out.set(body, 4);
  return out;
}

/** The body of a page, cut to what arrived; undefined where the bytes are another page. */
export function readVpdPage(page: number, bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < 4 || bytes[1] !== page) return undefined;
  return bytes.subarray(4, Math.min(bytes.length, 4 + readUint(bytes, 2, 2)));
}

/** Page B0 (SBC-4, section 6.6.4). Lengths and granularities are logical blocks; 0 means not stated. */
export interface BlockLimits {
  /** WRITE SAME with a length of zero is refused. */
  readonly writeSameNonZero: boolean;
  readonly maxCompareAndWriteBlocks: number;
  readonly optimalTransferGranularity: number;
  readonly maxTransferBlocks: number;
  readonly optimalTransferBlocks: number;
  readonly maxPrefetchBlocks: number;
  readonly maxUnmapBlocks: number;
  readonly maxUnmapDescriptors: number;
  readonly optimalUnmapGranularity: number;
  /** First aligned block of unmap granules; undefined where not valid. */
  readonly unmapGranularityAlignment?: number;
  readonly maxWriteSameBlocks: number;
  readonly maxAtomicTransferBlocks: number;
  readonly atomicAlignment: number;
  readonly atomicTransferGranularity: number;
}

export function writeBlockLimits(limits: BlockLimits): Uint8Array {
  const body = new Uint8Array(60);
  writeFlag(body, 0, 0, limits.writeSameNonZero);
  body[1] = limits.maxCompareAndWriteBlocks;
  writeUint(body, 2, 2, limits.optimalTransferGranularity);
  writeUint(body, 4, 4, limits.maxTransferBlocks);
  writeUint(body, 8, 4, limits.optimalTransferBlocks);
  writeUint(body, 12, 4, limits.maxPrefetchBlocks);
  writeUint(body, 16, 4, limits.maxUnmapBlocks);
  writeUint(body, 20, 4, limits.maxUnmapDescriptors);
  writeUint(body, 24, 4, limits.optimalUnmapGranularity);
  writeUint(body, 28, 4, limits.unmapGranularityAlignment ?? 0);
  writeFlag(body, 28, 7, limits.unmapGranularityAlignment !== undefined);
  writeUint(body, 32, 8, limits.maxWriteSameBlocks);
  writeUint(body, 40, 4, limits.maxAtomicTransferBlocks);
  writeUint(body, 44, 4, limits.atomicAlignment);
  writeUint(body, 48, 4, limits.atomicTransferGranularity);
  return body;
}

/** Decodes the body of page B0; a page of an older standard is shorter, what it lacks reads as not stated. */
export function readBlockLimits(body: Uint8Array): BlockLimits {
  const u32 = (at: number) => readUint(body, at, 4);
  return {
    writeSameNonZero: readFlag(body, 0, 0),
    maxCompareAndWriteBlocks: body[1] ?? 0,
    optimalTransferGranularity: readUint(body, 2, 2),
    maxTransferBlocks: u32(4),
    optimalTransferBlocks: u32(8),
    maxPrefetchBlocks: u32(12),
    maxUnmapBlocks: u32(16),
    maxUnmapDescriptors: u32(20),
    optimalUnmapGranularity: u32(24),
    ...(readFlag(body, 28, 7) && { unmapGranularityAlignment: u32(28) % 2 ** 31 }),
    maxWriteSameBlocks: readUint(body, 32, 8),
    maxAtomicTransferBlocks: u32(40),
    atomicAlignment: u32(44),
    atomicTransferGranularity: u32(48),
  };
}

/** Page B1 (SBC-4, section 6.6.2). */
export interface BlockCharacteristics {
  /** Revolutions per minute; 0 not stated, 1 no rotating medium. */
  readonly rotationRate: number;
  /** 1: 5.25 inch, 2: 3.5, 3: 2.5, 4: 1.8, 5: less; 0 not stated. */
  readonly formFactor: number;
  /** What reading needs after a SANITIZE BLOCK ERASE: 0 not stated, 1 nothing, 2 and 3 a write first. */
  readonly writeAfterBlockErase?: number;
  /** The same after a SANITIZE CRYPTOGRAPHIC ERASE. */
  readonly writeAfterCryptographicErase?: number;
}

export function writeBlockCharacteristics(data: BlockCharacteristics): Uint8Array {
  const body = new Uint8Array(60);
  writeUint(body, 0, 2, data.rotationRate);
  body[3] =
    ((data.writeAfterBlockErase ?? 0) << 6) |
    ((data.writeAfterCryptographicErase ?? 0) << 4) |
    (data.formFactor & 0xf);
  return body;
}

export function readBlockCharacteristics(body: Uint8Array): BlockCharacteristics {
  const last = body[3] ?? 0;
  return {
    rotationRate: readUint(body, 0, 2),
    formFactor: last & 0xf,
    writeAfterBlockErase: last >> 6,
    writeAfterCryptographicErase: (last >> 4) & 3,
  };
}

/** Page B2 (SBC-4, section 6.6.6). */
export interface LogicalBlockProvisioning {
  /** A threshold unit is 2^this logical blocks. */
  readonly thresholdExponent: number;
  readonly unmap: boolean;
  readonly writeSame16: boolean;
  readonly writeSame10: boolean;
  /** Unmapped blocks read as zero. */
  readonly readsZeros: boolean;
  readonly anchor: boolean;
  /** 0 fully provisioned or not stated, 1 resource, 2 thin. */
  readonly provisioningType: number;
}

export function writeLogicalBlockProvisioning(data: LogicalBlockProvisioning): Uint8Array {
  const body = new Uint8Array(4);
  body[0] = data.thresholdExponent;
  writeFlag(body, 1, 7, data.unmap);
  writeFlag(body, 1, 6, data.writeSame16);
  writeFlag(body, 1, 5, data.writeSame10);
  writeFlag(body, 1, 2, data.readsZeros);
  writeFlag(body, 1, 1, data.anchor);
  body[2] = data.provisioningType & 7;
  return body;
}

export function readLogicalBlockProvisioning(body: Uint8Array): LogicalBlockProvisioning {
  return {
    thresholdExponent: body[0] ?? 0,
    unmap: readFlag(body, 1, 7),
    writeSame16: readFlag(body, 1, 6),
    writeSame10: readFlag(body, 1, 5),
    readsZeros: (((body[1] ?? 0) >> 2) & 7) !== 0,
    anchor: readFlag(body, 1, 1),
    provisioningType: (body[2] ?? 0) & 7,
  };
}

/** Page 86 (SPC-4, section 7.8.7): the bits of it that clients act on. */
export interface ExtendedInquiry {
  readonly writeUncorrectable: boolean;
  readonly simpleTasks: boolean;
  readonly orderedTasks: boolean;
  readonly headOfQueueTasks: boolean;
  /** A volatile cache is present. */
  readonly volatileCache: boolean;
  /** Unit attentions are kept per I_T nexus. */
  readonly luClearing: boolean;
}

export function writeExtendedInquiry(data: ExtendedInquiry): Uint8Array {
  const body = new Uint8Array(60);
  writeFlag(body, 1, 3, data.writeUncorrectable);
  writeFlag(body, 1, 0, data.simpleTasks);
  writeFlag(body, 1, 1, data.orderedTasks);
  writeFlag(body, 1, 2, data.headOfQueueTasks);
  writeFlag(body, 2, 0, data.volatileCache);
  writeFlag(body, 3, 0, data.luClearing);
  return body;
}

export function readExtendedInquiry(body: Uint8Array): ExtendedInquiry {
  return {
    writeUncorrectable: readFlag(body, 1, 3),
    simpleTasks: readFlag(body, 1, 0),
    orderedTasks: readFlag(body, 1, 1),
    headOfQueueTasks: readFlag(body, 1, 2),
    volatileCache: readFlag(body, 2, 0),
    luClearing: readFlag(body, 3, 0),
  };
}

import { readFlag, readUint, writeFlag, writeUint } from "./bytes.ts";
import { readDesignators, writeDesignator, type Designator } from "./designator.ts";

/** Descriptor type codes of EXTENDED COPY (SPC-4, section 6.4). */
export const CopyDescriptor = { BlockToBlock: 0x02, IdentificationTarget: 0xe4 } as const;

/** A copy source or destination, named by an identification descriptor. */
export interface CopyTarget {
  readonly type: number;
  readonly designator?: Designator;
  /** Bytes of a logical block of it. */
  readonly blockSize: number;
}

/** A piece to copy. For block to block: `blocks` of the source (DC 0) or the destination (DC 1). */
export interface CopySegment {
  readonly type: number;
  readonly source: number;
  readonly destination: number;
  readonly blocks: number;
  readonly sourceLba: number;
  readonly destinationLba: number;
  readonly destinationCount: boolean;
}

/** The parameter list of EXTENDED COPY(LID1) (SPC-4, section 6.3.1). */
export interface CopyParameters {
  readonly listIdentifier: number;
  /** LIST ID USAGE: 0 hold data for RECEIVE COPY RESULTS, 2 discard, 3 no list identifier. */
  readonly listIdUsage: number;
  readonly priority: number;
  readonly targets: readonly CopyTarget[];
  readonly segments: readonly CopySegment[];
  readonly inlineDataLength: number;
}

export const copyHeaderLength = 16;
export const copyTargetLength = 32;
const blockSegmentLength = 28;

export function writeCopyParameters(parameters: CopyParameters): Uint8Array {
  const targetBytes = copyTargetLength * parameters.targets.length;
  const segmentBytes = blockSegmentLength * parameters.segments.length;
  const out = new Uint8Array(copyHeaderLength + targetBytes + segmentBytes);
  out[0] = parameters.listIdentifier;
  out[1] = (parameters.listIdUsage << 3) | parameters.priority;
  writeUint(out, 2, 2, targetBytes);
  writeUint(out, 8, 4, segmentBytes);
  writeUint(out, 12, 4, parameters.inlineDataLength);
  for (const [index, target] of parameters.targets.entries())
    writeTarget(out, copyHeaderLength + copyTargetLength * index, target);
  for (const [index, segment] of parameters.segments.entries())
    writeSegment(out, copyHeaderLength + targetBytes + blockSegmentLength * index, segment);
  return out;
}

/** The lengths in the header of a parameter list, before anything else of it is believed. */
export interface CopyHeader {
  readonly listIdentifier: number;
  readonly listIdUsage: number;
  readonly targetLength: number;
  readonly segmentLength: number;
  readonly inlineDataLength: number;
}

export function readCopyHeader(bytes: Uint8Array): CopyHeader | undefined {
  if (bytes.length < copyHeaderLength) return undefined;
  return {
    listIdentifier: bytes[0] ?? 0,
    listIdUsage: ((bytes[1] ?? 0) >> 3) & 3,
    targetLength: readUint(bytes, 2, 2),
    segmentLength: readUint(bytes, 8, 4),
    inlineDataLength: readUint(bytes, 12, 4),
  };
}

/** A target descriptor of 32 bytes; the designator is missing where the type is not an identification descriptor. */
export function readCopyTarget(bytes: Uint8Array): CopyTarget {
  const type = bytes[0] ?? 0;
  const designator = readDesignators(bytes.subarray(4, 8 + Math.min(20, bytes[7] ?? 0)))[0];
  return {
    type,
    ...(type === CopyDescriptor.IdentificationTarget && designator !== undefined && { designator }),
    blockSize: readUint(bytes, 29, 3),
  };
}

/** How many bytes a segment descriptor has: its four-byte head and the DESCRIPTOR LENGTH. */
export const copySegmentLength = (bytes: Uint8Array) => 4 + readUint(bytes, 2, 2);

export function readCopySegment(bytes: Uint8Array): CopySegment {
  return {
    type: bytes[0] ?? 0,
    destinationCount: readFlag(bytes, 1, 1),
    source: readUint(bytes, 4, 2),
    destination: readUint(bytes, 6, 2),
    blocks: readUint(bytes, 10, 2),
    sourceLba: readUint(bytes, 12, 8),
    destinationLba: readUint(bytes, 20, 8),
  };
}

/** What RECEIVE COPY RESULTS says a copy manager can do (SPC-4, section 6.18.4). */
export interface CopyOperatingParameters {
  readonly maxTargets: number;
  readonly maxSegments: number;
  readonly maxDescriptorListLength: number;
  readonly maxSegmentLength: number;
  readonly maxInlineDataLength: number;
  readonly maxConcurrentCopies: number;
  readonly descriptorTypes: readonly number[];
}

export function writeCopyOperatingParameters(parameters: CopyOperatingParameters): Uint8Array {
  const out = new Uint8Array(44 + parameters.descriptorTypes.length);
  writeUint(out, 0, 4, out.length - 4);
  // SNLID: a list identifier may be left out.
  writeFlag(out, 4, 0, true);
  writeUint(out, 8, 2, parameters.maxTargets);
  writeUint(out, 10, 2, parameters.maxSegments);
  writeUint(out, 12, 4, parameters.maxDescriptorListLength);
  writeUint(out, 16, 4, parameters.maxSegmentLength);
  writeUint(out, 20, 4, parameters.maxInlineDataLength);
  writeUint(out, 34, 2, parameters.maxConcurrentCopies);
  out[36] = parameters.maxConcurrentCopies;
  out[43] = parameters.descriptorTypes.length;
  out.set(parameters.descriptorTypes, 44);
  return out;
}

export function readCopyOperatingParameters(bytes: Uint8Array): CopyOperatingParameters {
  return {
    maxTargets: readUint(bytes, 8, 2),
    maxSegments: readUint(bytes, 10, 2),
    maxDescriptorListLength: readUint(bytes, 12, 4),
    maxSegmentLength: readUint(bytes, 16, 4),
    maxInlineDataLength: readUint(bytes, 20, 4),
    maxConcurrentCopies: readUint(bytes, 34, 2),
    descriptorTypes: [...bytes.subarray(44, 44 + (bytes[43] ?? 0))],
  };
}

/** The state of a copy by its list identifier (SPC-4, section 6.18.2). */
export interface CopyStatus {
  /** 0 in progress, 1 done without errors, 2 ended with errors. */
  readonly status: number;
  readonly segmentsProcessed: number;
  /** Bytes moved. */
  readonly transferred: number;
}

export function writeCopyStatus(status: CopyStatus): Uint8Array {
  const out = new Uint8Array(12);
  writeUint(out, 0, 4, 8);
  out[4] = status.status & 0x7f;
  writeUint(out, 5, 2, status.segmentsProcessed);
  writeUint(out, 8, 4, Math.min(status.transferred, 0xffff_ffff));
  return out;
}

export function readCopyStatus(bytes: Uint8Array): CopyStatus {
  return {
    status: (bytes[4] ?? 0) & 0x7f,
    segmentsProcessed: readUint(bytes, 5, 2),
    transferred: readUint(bytes, 8, 4) * 1024 ** Math.min(bytes[7] ?? 0, 5),
  };
}

function writeTarget(out: Uint8Array, at: number, target: CopyTarget): void {
  out[at] = target.type;
  if (target.designator !== undefined) out.set(writeDesignator(target.designator).subarray(0, 24), at + 4);
  writeUint(out, at + 29, 3, target.blockSize);
}

function writeSegment(out: Uint8Array, at: number, segment: CopySegment): void {
  out[at] = segment.type;
  writeFlag(out, at + 1, 1, segment.destinationCount);
  writeUint(out, at + 2, 2, blockSegmentLength - 4);
  writeUint(out, at + 4, 2, segment.source);
  writeUint(out, at + 6, 2, segment.destination);
  writeUint(out, at + 10, 2, segment.blocks);
  writeUint(out, at + 12, 8, segment.sourceLba);
  writeUint(out, at + 20, 8, segment.destinationLba);
}

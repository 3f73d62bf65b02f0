import {
  CopyDescriptor,
  copyHeaderLength,
  copySegmentLength,
  copyTargetLength,
  readCopyHeader,
  readCopySegment,
  readCopyTarget,
  writeCopyOperatingParameters,
  writeCopyStatus,
  type CopySegment,
  type CopyStatus,
} from "#scsi";
import {
  CommandFailure,
  checkCondition,
  invalidField,
  invalidParameter,
  parameterListLengthError,
} from "../check.ts";
import type { LogicalUnit } from "../logical-unit.ts";
import type { Nexus } from "../nexus.ts";
import { answer, done, good, type Plan } from "../plan.ts";
import { checkRange, findUnit, type DeviceServer, type Request } from "../request.ts";
import { maxParameterBytes } from "./limits.ts";

const limits = {
  maxTargets: 2,
  maxSegments: 16,
  maxDescriptorListLength: 2 * 32 + 16 * 28,
  /** Bytes of one segment. */
  maxSegmentLength: 64 * 1024 * 1024,
  maxInlineDataLength: 0,
  maxConcurrentCopies: 8,
  descriptorTypes: [CopyDescriptor.BlockToBlock, CopyDescriptor.IdentificationTarget],
} as const;

const copyError = (ascq: number) => checkCondition({ key: 0x5, asc: 0x26, ascq });
const tooManyTargets = () => copyError(0x06);
const unsupportedTarget = () => copyError(0x07);
const tooManySegments = () => copyError(0x08);
const unsupportedSegment = () => copyError(0x09);
const inlineDataTooLong = () => copyError(0x0b);
const targetUnreachable = () => checkCondition({ key: 0xa, asc: 0x0d, ascq: 0x02 });

/** What the last copies of each nexus did, by list identifier. */
const results = new WeakMap<Nexus, Map<number, CopyStatus>>();

/** Copies blocks between units of this target, without the data crossing the network (SPC-4, section 6.3). */
export function extendedCopy({ server, nexus, cdb }: Request<"extendedCopy">): Plan {
  if (cdb.parameterListLength === 0) return done;
  if (cdb.parameterListLength < copyHeaderLength || cdb.parameterListLength > maxParameterBytes)
    throw parameterListLengthError();
  return {
    kind: "gather",
    length: cdb.parameterListLength,
    finish: async (data) => {
      const { units, segments, listIdentifier } = readList(server, data);
      const status = { segmentsProcessed: 0, transferred: 0 };
      try {
        for (const segment of segments) {
          const source = units[segment.source];
          const destination = units[segment.destination];
          if (source === undefined || destination === undefined) throw invalidParameter(copyHeaderLength);
          status.transferred += await copySegment(source, destination, segment);
          status.segmentsProcessed += 1;
        }
        remember(nexus, listIdentifier, { status: 1, ...status });
      } catch (error) {
        remember(nexus, listIdentifier, { status: 2, ...status });
        throw copyAborted(error);
      }
      return good;
    },
  };
}

export function receiveCopyStatus({ nexus, cdb }: Request<"receiveCopyStatus">): Plan {
  const status = results.get(nexus)?.get(cdb.listIdentifier);
  if (status === undefined) throw invalidField(2);
  return answer(writeCopyStatus(status), cdb.allocationLength);
}

export function receiveCopyOperatingParameters({ cdb }: Request<"receiveCopyOperatingParameters">): Plan {
  return answer(writeCopyOperatingParameters(limits), cdb.allocationLength);
}

interface CopyList {
  readonly listIdentifier: number;
  readonly units: readonly LogicalUnit[];
  readonly segments: readonly CopySegment[];
}

function readList(server: DeviceServer, data: Uint8Array): CopyList {
  const header = readCopyHeader(data);
  if (header === undefined) throw parameterListLengthError();
  if (header.inlineDataLength > limits.maxInlineDataLength) throw inlineDataTooLong();
  if (header.targetLength + header.segmentLength > limits.maxDescriptorListLength)
    throw parameterListLengthError();
  if (header.targetLength % copyTargetLength !== 0) throw invalidParameter(2);
  if (header.targetLength / copyTargetLength > limits.maxTargets) throw tooManyTargets();
  const segmentStart = copyHeaderLength + header.targetLength;
  if (segmentStart + header.segmentLength > data.length) throw parameterListLengthError();
  const units: LogicalUnit[] = [];
  for (let at = copyHeaderLength; at < segmentStart; at += copyTargetLength) {
    const target = readCopyTarget(data.subarray(at, at + copyTargetLength));
    if (target.type !== CopyDescriptor.IdentificationTarget) throw unsupportedTarget();
    const unit = target.designator === undefined ? undefined : findUnit(server, target.designator);
    if (unit === undefined) throw targetUnreachable();
    units.push(unit);
  }
  const segments: CopySegment[] = [];
  const end = segmentStart + header.segmentLength;
  for (let at = segmentStart; at < end;) {
    const bytes = data.subarray(at, end);
    if (segments.length >= limits.maxSegments) throw tooManySegments();
    if (bytes[0] !== CopyDescriptor.BlockToBlock) throw unsupportedSegment();
    if (bytes.length < 28 || copySegmentLength(bytes) !== 28) throw invalidParameter(at + 2);
    segments.push(readCopySegment(bytes));
    at += 28;
  }
  return { listIdentifier: header.listIdentifier, units, segments };
}

async function copySegment(
  source: LogicalUnit,
  destination: LogicalUnit,
  segment: CopySegment,
): Promise<number> {
  if (destination.writeProtected) throw checkCondition({ key: 0x7, asc: 0x27, ascq: 0x00 });
  const unit = segment.destinationCount ? destination : source;
  const length = segment.blocks * unit.blockSize;
  if (length % source.blockSize !== 0 || length % destination.blockSize !== 0) throw copyError(0x0d);
  checkRange(source, segment.sourceLba, length / source.blockSize);
  checkRange(destination, segment.destinationLba, length / destination.blockSize);
  const from = segment.sourceLba * source.blockSize;
  const to = segment.destinationLba * destination.blockSize;
  const piece = new Uint8Array(Math.min(length, 256 * 1024));
  for (let at = 0; at < length; at += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, length - at));
    await source.device.read(from + at, part);
    await destination.writeLock.shared(() => destination.device.write(to + at, part));
  }
  return length;
}

/** Whatever fails once segments are being processed ends with COPY ABORTED (SPC-4, section 6.3.3). */
function copyAborted(error: unknown): unknown {
  return error instanceof CommandFailure ? checkCondition({ key: 0xa, asc: 0x00, ascq: 0x00 }) : error;
}

function remember(nexus: Nexus, listIdentifier: number, status: CopyStatus): void {
  let own = results.get(nexus);
  if (own === undefined) results.set(nexus, (own = new Map()));
  own.set(listIdentifier, status);
}

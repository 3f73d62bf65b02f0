import {
  checkRange,
  checkWritable,
  type BlockDevice,
  type Extent,
  type IoOptions,
  type WriteOptions,
} from "#block";
import { UsageError } from "#core";
import { ProvisioningStatus, readLbaStatus } from "#scsi";
import { accessCdb } from "./access-cdb.ts";
import { identifyDisk, type DiskIdentity } from "./disk-identity.ts";
import { TransportError } from "./errors.ts";
import { isIllegalRequest, type LogicalUnit, type SignalOptions } from "./logical-unit.ts";

/** Longest piece of one transfer, bytes, where the disk states no shorter limit of its own (VPD page B0). */
const longestTransfer = 4 * 1024 * 1024;
const longestWriteSame = 32 * 1024 * 1024;
const statusDescriptors = 256;

/** A SCSI disk as a block device: requests of any length are cut to what the disk takes and run side by side. */
export class ScsiDisk implements BlockDevice {
  readonly size: number;
  readonly blockSize: number;
  readonly readOnly: boolean;
  readonly identity: DiskIdentity;
  readonly #unit: LogicalUnit;
  readonly #pieceLength: number;
  #writeSame: boolean;
  #lbaStatus: boolean;

  private constructor(unit: LogicalUnit, identity: DiskIdentity) {
    const { capacity, limits, provisioning } = identity;
    this.#unit = unit;
    this.identity = identity;
    this.blockSize = capacity.blockSize;
    this.size = capacity.blocks * capacity.blockSize;
    this.readOnly = identity.writeProtected;
    const limit =
      limits === undefined || limits.maxTransferBlocks === 0 ? Infinity : limits.maxTransferBlocks;
    const longest = Math.floor(longestTransfer / this.blockSize);
    this.#pieceLength = Math.max(1, Math.min(limit, longest)) * this.blockSize;
    this.#writeSame = provisioning?.writeSame16 ?? true;
    this.#lbaStatus = capacity.thinProvisioned && capacity.readsZeros;
  }

  /**
   * Identifies the disk behind a logical unit.
   * @throws ScsiError; UsageError NOT_A_DISK where the unit has no blocks of a usual size.
   */
  static async open(unit: LogicalUnit, options: SignalOptions = {}): Promise<ScsiDisk> {
    const identity = await identifyDisk(unit, options);
    const { blockSize, blocks } = identity.capacity;
    if (blockSize < 512 || blockSize % 512 !== 0 || !Number.isSafeInteger(blocks * blockSize)) {
      throw new UsageError(
        "NOT_A_DISK",
        `LUN ${String(unit.lun)}: ${blocks} blocks of ${blockSize} bytes is not a disk that can be used`,
      );
    }
    return new ScsiDisk(unit, identity);
  }

  async read(offset: number, into: Uint8Array, options: IoOptions = {}): Promise<void> {
    checkRange(this, offset, into.length);
    await this.#inPieces(offset, into, async (lba, part) => {
      const cdb = accessCdb("read", lba, part.length / this.blockSize, false);
      const { read } = await this.#unit.send(cdb, { readInto: part, ...options });
      if (read !== part.length) throw this.#short("read", lba, read, part.length);
    });
  }

  async write(offset: number, from: Uint8Array, options: WriteOptions = {}): Promise<void> {
    const { fua = false, ...io } = options;
    checkWritable(this, offset, from.length);
    const forced = fua && this.identity.forcedAccess;
    await this.#inPieces(offset, from, async (lba, part) => {
      const cdb = accessCdb("write", lba, part.length / this.blockSize, forced);
      const { written } = await this.#unit.send(cdb, { write: part, ...io });
      if (written !== part.length) throw this.#short("write", lba, written, part.length);
    });
    if (fua && !forced) await this.flush(io);
  }

  /** SYNCHRONIZE CACHE; a disk that does not know it has no cache to write out. */
  async flush(options: IoOptions = {}): Promise<void> {
    await this.#unit.run("synchronizeCache10", {}, options).catch((error: unknown) => {
      if (!isIllegalRequest(error)) throw error;
    });
  }

  /** WRITE SAME with the UNMAP bit, which leaves zeroes whatever the disk lets go of; else plain zeroes. */
  async trim(offset: number, length: number, options: IoOptions = {}): Promise<void> {
    checkWritable(this, offset, length);
    for (let at = offset; at < offset + length;) {
      const size = Math.min(this.#trimLength(), offset + length - at);
      if (await this.#writeZeroes(at, size, options)) at += size;
    }
  }

  async *extents(offset: number, length: number, options: IoOptions = {}): AsyncIterable<Extent> {
    checkRange(this, offset, length);
    for (let at = offset; at < offset + length;) {
      const next = await this.#extentAt(at, offset + length, options);
      yield* next;
      at = next.reduce((end, extent) => Math.max(end, extent.offset + extent.length), at);
    }
  }

  /** The disk belongs to its session, which stays open. */
  async [Symbol.asyncDispose](): Promise<void> {}

  async #inPieces(
    offset: number,
    bytes: Uint8Array,
    work: (lba: number, part: Uint8Array) => Promise<void>,
  ): Promise<void> {
    const lba = offset / this.blockSize;
    if (bytes.length === 0) return;
    if (bytes.length <= this.#pieceLength) return await work(lba, bytes);
    const pieces: Promise<void>[] = [];
    for (let at = 0; at < bytes.length; at += this.#pieceLength) {
      pieces.push(work(lba + at / this.blockSize, bytes.subarray(at, at + this.#pieceLength)));
    }
    // All of them must be over before the caller may have its buffer back.
    const failed = (await Promise.allSettled(pieces)).find((piece) => piece.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  #trimLength(): number {
    if (!this.#writeSame) return this.#pieceLength;
    const stated = this.identity.limits?.maxWriteSameBlocks ?? 0;
    return Math.min(
      stated === 0 ? Infinity : stated * this.blockSize,
      longestWriteSame - (longestWriteSame % this.blockSize),
    );
  }

  /** False when the disk turns out not to know WRITE SAME; another try then writes the zeroes. */
  async #writeZeroes(offset: number, length: number, options: IoOptions): Promise<boolean> {
    if (!this.#writeSame) {
      await this.write(offset, new Uint8Array(length), options);
      return true;
    }
    const fields = {
      lba: offset / this.blockSize,
      blocks: length / this.blockSize,
      unmap: this.identity.provisioning?.writeSame16 ?? false,
    };
    try {
      await this.#unit.run("writeSame16", fields, { write: new Uint8Array(this.blockSize), ...options });
      return true;
    } catch (error) {
      if (!isIllegalRequest(error)) throw error;
      this.#writeSame = false;
      return false;
    }
  }

  /** What is known from `at` on, at least one byte of it. */
  async #extentAt(at: number, end: number, options: IoOptions): Promise<readonly Extent[]> {
    const unknown = [{ offset: at, length: end - at, allocated: true }];
    if (!this.#lbaStatus) return unknown;
    const length = 8 + 16 * statusDescriptors;
    const fields = { lba: at / this.blockSize, allocationLength: length };
    const bytes = await this.#unit.fetch("getLbaStatus", fields, length, options).catch((error: unknown) => {
      if (!isIllegalRequest(error)) throw error;
      this.#lbaStatus = false;
      return new Uint8Array(0);
    });
    const extents: Extent[] = [];
    for (const { lba, blocks, status } of readLbaStatus(bytes)) {
      const from = Math.max(lba * this.blockSize, at);
      const to = Math.min((lba + blocks) * this.blockSize, end);
      if (to > from)
        extents.push({
          offset: from,
          length: to - from,
          allocated: status !== ProvisioningStatus.Deallocated,
        });
    }
    return extents.length === 0 ? unknown : extents;
  }

  #short(what: string, lba: number, got: number, wanted: number): TransportError {
    return new TransportError(
      "SHORT_TRANSFER",
      `LUN ${String(this.#unit.lun)}: ${what} at block ${lba} moved ${got} of ${wanted} bytes`,
    );
  }
}

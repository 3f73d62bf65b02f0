import { open, type FileHandle } from "node:fs/promises";
import { SanlabError, UsageError } from "#core";
import type { BlockDevice, Extent, IoOptions, WriteOptions } from "./block-device.ts";
import { fileError } from "./file-error.ts";
import { FileHoles } from "./file-holes.ts";
import { imageSize } from "./image-size.ts";
import { mergeExtents } from "./merge-extents.ts";
import { quickFile, type QuickFile } from "./quick-file.ts";
import { checkGeometry, checkRange, checkWritable, isZero, zeros } from "./range.ts";

/** What is looked at in one go where holes have to be guessed; 4 KiB is what file systems allocate. */
const scanSize = 256 * 1024;
const granule = 4096;

export interface FileDeviceOptions {
  readonly readOnly?: boolean;
  /** Bytes of a logical block; 512 unless told. */
  readonly blockSize?: 512 | 4096;
}

/**
 * A raw disk image in a file, or a Linux block device.
 *
 * `trim` punches a hole, and `extents` tells the file system's own holes. Where the file system or the machine cannot do
 * that, `trim` writes zeroes over what is not zero already, so that an image never grows by it, and `extents` reads the
 * range and calls a granule of 4 KiB that is all zero unallocated. Of a block device everything counts as allocated.
 */
export class FileDevice implements BlockDevice {
  readonly file: string;
  readonly size: number;
  readonly blockSize: number;
  readonly readOnly: boolean;
  readonly #handle: FileHandle;
  readonly #isBlockDevice: boolean;
  #holes: FileHoles | undefined;
  #quick: QuickFile | undefined;

  private constructor(
    { handle, holes, isBlockDevice, quick }: OpenedFile,
    file: string,
    size: number,
    blockSize: number,
    readOnly: boolean,
  ) {
    this.#handle = handle;
    this.#holes = holes;
    this.#isBlockDevice = isBlockDevice;
    this.#quick = quick;
    this.file = file;
    this.size = size;
    this.blockSize = blockSize;
    this.readOnly = readOnly;
  }

  /**
   * Opens an existing image.
   * @throws UsageError when it is missing, not raw, empty or cut off; the message names file and cure.
   */
  static async open(file: string, options: FileDeviceOptions = {}): Promise<FileDevice> {
    const { readOnly = false, blockSize = 512 } = options;
    const handle = await open(file, readOnly ? "r" : "r+").catch((cause: unknown) => {
      throw isDirectoryError(cause)
        ? new UsageError("NOT_AN_IMAGE", `${file}: is a folder; name a raw disk image`, { cause })
        : fileError(file, "open", cause);
    });
    try {
      const size = await imageSize(handle, file, blockSize);
      checkGeometry(size, blockSize);
      return new FileDevice(await opened(handle, file), file, size, blockSize, readOnly);
    } catch (error) {
      await handle.close();
      throw error instanceof SanlabError || error instanceof RangeError
        ? error
        : fileError(file, "read", error);
    }
  }

  /** Makes a new image that is one hole. An existing file is never overwritten. Only its owner may read it. */
  static async create(
    file: string,
    size: number,
    options: Omit<FileDeviceOptions, "readOnly"> = {},
  ): Promise<FileDevice> {
    const { blockSize = 512 } = options;
    checkGeometry(size, blockSize);
    let handle: FileHandle | undefined;
    try {
      handle = await open(file, "wx+", 0o600);
      await handle.truncate(size);
      return new FileDevice(await opened(handle, file), file, size, blockSize, false);
    } catch (error) {
      await handle?.close();
      throw fileError(file, "create", error);
    }
  }

  async read(offset: number, into: Uint8Array, options: IoOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    checkRange(this, offset, into.length);
    let done = this.#readQuickly(offset, into);
    while (done < into.length) {
      const { bytesRead } = await this.#handle
        .read(into, done, into.length - done, offset + done)
        .catch((cause: unknown) => {
          throw fileError(this.file, "read", cause);
        });
      if (bytesRead === 0) {
        throw new SanlabError(
          "IMAGE_SHORT",
          `${this.file}: became shorter than ${this.size} bytes while in use`,
        );
      }
      done += bytesRead;
    }
  }

  #readQuickly(offset: number, into: Uint8Array): number {
    try {
      return this.#quick?.read(into, offset) ?? 0;
    } catch (cause) {
      throw fileError(this.file, "read", cause);
    }
  }

  async write(offset: number, from: Uint8Array, options: WriteOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    checkWritable(this, offset, from.length);
    try {
      for (let done = this.#quick?.write(from, offset) ?? 0; done < from.length;) {
        done += (await this.#handle.write(from, done, from.length - done, offset + done)).bytesWritten;
      }
      if (options.fua === true) await this.#handle.datasync();
    } catch (error) {
      throw fileError(this.file, "write", error);
    }
  }

  async flush(options: IoOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    if (this.readOnly) return;
    await this.#handle.datasync().catch((cause: unknown) => {
      throw fileError(this.file, "write", cause);
    });
  }

  async trim(offset: number, length: number, options: IoOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    checkWritable(this, offset, length);
    if (length === 0 || (await this.#holes?.punch(offset, length)) === true) return;
    for await (const extent of mergeExtents(this.#scan(offset, length, options))) {
      if (!extent.allocated) continue;
      for (let done = 0; done < extent.length; done += scanSize) {
        await this.write(extent.offset + done, zeros(Math.min(scanSize, extent.length - done)), options);
      }
    }
  }

  extents(offset: number, length: number, options: IoOptions = {}): AsyncIterable<Extent> {
    if (this.#holes?.known === true) return mergeExtents(this.#map(this.#holes, offset, length, options));
    return this.#isBlockDevice
      ? this.#whole(offset, length)
      : mergeExtents(this.#scan(offset, length, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Its descriptor may soon be that of another file.
    const holes = this.#holes;
    this.#quick = undefined;
    this.#holes = undefined;
    await holes?.idle();
    await this.#handle.close();
  }

  /** A block that is data in part is allocated. */
  async *#map(holes: FileHoles, offset: number, length: number, options: IoOptions): AsyncIterable<Extent> {
    checkRange(this, offset, length);
    const end = offset + length;
    let at = offset;
    for await (const data of holes.data(offset, end)) {
      options.signal?.throwIfAborted();
      const start = Math.max(at, data.start - (data.start % this.blockSize));
      const stop = Math.min(end, Math.ceil(data.end / this.blockSize) * this.blockSize);
      if (start >= end) break;
      if (start > at) yield { offset: at, length: start - at, allocated: false };
      if (stop > start) yield { offset: start, length: stop - start, allocated: true };
      at = Math.max(at, stop);
    }
    if (at < end) yield { offset: at, length: end - at, allocated: false };
  }

  /** Of what lies in a block device nobody tells, and to read it all would take too long. */
  async *#whole(offset: number, length: number): AsyncIterable<Extent> {
    checkRange(this, offset, length);
    if (length > 0) yield { offset, length, allocated: true };
  }

  async *#scan(offset: number, length: number, options: IoOptions): AsyncIterable<Extent> {
    checkRange(this, offset, length);
    const buffer = Buffer.allocUnsafe(Math.min(scanSize, length));
    for (let at = offset; at < offset + length; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, offset + length - at));
      await this.read(at, part, options);
      for (let start = 0; start < part.length; start += granule) {
        const piece = part.subarray(start, start + granule);
        yield { offset: at + start, length: piece.length, allocated: !isZero(piece) };
      }
    }
  }
}

interface OpenedFile {
  readonly handle: FileHandle;
  readonly holes: FileHoles | undefined;
  readonly isBlockDevice: boolean;
  readonly quick: QuickFile | undefined;
}

async function opened(handle: FileHandle, file: string): Promise<OpenedFile> {
  const isBlockDevice = (await handle.stat()).isBlockDevice();
  // The folder of devices lies in memory; the devices do not.
  const quick = isBlockDevice ? undefined : await quickFile(handle.fd, file);
  return { handle, holes: await FileHoles.of(handle.fd), isBlockDevice, quick };
}

function isDirectoryError(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "EISDIR";
}

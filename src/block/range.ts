import { SanlabError } from "#core";
import type { BlockDevice } from "./block-device.ts";

type Geometry = Pick<BlockDevice, "blockSize" | "size" | "readOnly">;

/**
 * Refuses a range that is not made of whole blocks of the device.
 * @throws RangeError that names the range and the device's size.
 */
export function checkRange(device: Geometry, offset: number, length: number): void {
  const { blockSize, size } = device;
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw new RangeError(`offset ${offset}, length ${length}: both must be whole numbers of bytes`);
  }
  if (offset % blockSize !== 0 || length % blockSize !== 0) {
    throw new RangeError(`offset ${offset}, length ${length}: not a multiple of the ${blockSize}-byte block`);
  }
  if (offset + length > size) {
    throw new RangeError(`offset ${offset}, length ${length}: past the end of a device of ${size} bytes`);
  }
}

/** As `checkRange`, and refuses devices that must not be written. */
export function checkWritable(device: Geometry, offset: number, length: number): void {
  if (device.readOnly) {
    throw new SanlabError(
      "READ_ONLY",
      "the device is read-only; open it for writing, or put an overlay on it",
    );
  }
  checkRange(device, offset, length);
}

/** Refuses sizes that no disk can have. */
export function checkGeometry(size: number, blockSize: number): void {
  if (blockSize !== 512 && blockSize !== 4096) {
    throw new RangeError(`block size ${blockSize}: must be 512 or 4096`);
  }
  if (!Number.isSafeInteger(size) || size <= 0 || size % blockSize !== 0) {
    throw new RangeError(`size ${size}: must be a positive multiple of the ${blockSize}-byte block`);
  }
}

/** True when every byte is zero. */
export function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, zeros(bytes.length)) === 0;
}

let zeroPool = Buffer.alloc(0);

/** That many zero bytes; shared, so never to be written to. */
export function zeros(length: number): Uint8Array {
  if (zeroPool.length < length) zeroPool = Buffer.alloc(length);
  return zeroPool.subarray(0, length);
}

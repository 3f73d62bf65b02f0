/**
 * Block devices: the hub that everything else plugs into. The target serves one, an iSCSI disk is one, an overlay
 * wraps one.
 *
 * A device moves whole blocks and knows nothing of SCSI, of the network or of who uses it. None of them caches: what
 * was written is seen by the next read, and `flush` means what it says.
 */
export type { BlockDevice, Extent, IoOptions, WriteOptions } from "./block-device.ts";
export { FileDevice, type FileDeviceOptions } from "./file-device.ts";
export { detectFormat, type DetectedFormat, type ImageFormat } from "./image-format.ts";
export { MemoryDevice, type MemoryDeviceOptions } from "./memory-device.ts";
export { OverlayDevice } from "./overlay-device.ts";
export { checkRange, checkWritable, isZero } from "./range.ts";

/**
 * Block devices: the hub that everything else plugs into. The target serves one, an iSCSI disk is one, an overlay or a
 * fault wraps one.
 */
export type { BlockDevice, Extent, IoOptions, WriteOptions } from "./block-device.ts";

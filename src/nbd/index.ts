/**
 * The Network Block Device protocol, both sides: a server over block devices, for the disk of an emulated boot and for
 * everything that speaks NBD, and an export of any server as a block device.
 *
 * Peers are not trusted: what they can make the server hold is bounded, and a broken one is cut off. There is no
 * TLS; listen on a unix socket or on loopback.
 */
export type { NbdExportOptions } from "./export.ts";
export { NbdDevice, type NbdDeviceOptions } from "./device.ts";
export { openImage, type OpenImageOptions } from "./open-image.ts";
export { serveNbd, type NbdServer, type NbdServerOptions } from "./server.ts";
export { formatNbdUrl, isNbdUrl, parseNbdUrl, type NbdAddress, type NbdUrl } from "./url.ts";

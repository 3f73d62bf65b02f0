/**
 * The Network Block Device protocol: a server over block devices, for QEMU's emulated boot disk and for everything
 * that speaks NBD.
 *
 * Clients are not trusted: what they can make the server hold is bounded, and a broken one is cut off. There is no
 * TLS; listen on a unix socket or on loopback.
 */
export type { NbdExportOptions } from "./export.ts";
export { serveNbd, type NbdAddress, type NbdServer, type NbdServerOptions } from "./server.ts";

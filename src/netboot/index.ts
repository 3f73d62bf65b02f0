/**
 * What a machine that boots from the network needs of it: DHCP (with all that iPXE, PXE and HTTP-boot firmware and
 * operating systems ask for), IPv6 router advertisements, TFTP, HTTP, and the scripts that boot loaders read.
 *
 * The lab starts it on its own wires; `sanlab netboot serve` on any interface. It answers only on the interfaces that it
 * is given, serves only the files that it is given, and never writes one. It tells what it sees by `report`:
 * dhcp-discover, -offer, -request, -ack, -nak, -decline, -release, -inform, -ignored, -error; rs-received, ra-sent,
 * ra-error; tftp-read, -done, -error; http-request, -done, -error. Secrets of a configuration are sent, but never reported.
 */
export { Netboot, type NetbootOptions } from "./netboot.ts";
export type { NetbootInterface } from "./wire.ts";
export type { BootFileRule, BootSettings, DhcpConfig, DhcpRange, DhcpReservation } from "./dhcp/config.ts";
export { ClientArchitecture } from "./dhcp/client.ts";
export type { DhcpLease } from "./dhcp/dhcp-server.ts";
export type { DhcpOptionValues, IpxeOptionValues } from "./dhcp/options.ts";
export type { RouterAdvertisementConfig } from "./ra/router-advertiser.ts";
export type { BootFiles, BootFilesOptions } from "./files/boot-files.ts";
export type { TftpConfig } from "./tftp/tftp-server.ts";
export type { HttpConfig } from "./http/http-server.ts";
export { formatRootPath, type RootPath } from "./scripts/root-path.ts";
export { sanbootScript, type SanbootScript } from "./scripts/sanboot-script.ts";
export {
  pxelinuxConfig,
  pxelinuxConfigName,
  type PxelinuxConfig,
  type PxelinuxEntry,
} from "./scripts/pxelinux-config.ts";

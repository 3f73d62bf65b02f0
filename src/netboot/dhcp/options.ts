import type { RawOptions } from "./option-bytes.ts";
import { decodeValue, encodeValue, type OptionType, type OptionTypes } from "./option-types.ts";

/** One known option: its code and what kind of value it holds. */
export interface OptionDefinition {
  readonly code: number;
  readonly type: OptionType;
  /** A secret is sent, but never told to anyone else. */
  readonly secret?: true;
}
export type OptionTable = Readonly<Record<string, OptionDefinition>>;

/** Values by name, each of the type that the table gives it. */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]?: OptionTypes[T[K]["type"]];
};

/**
 * The options that iPXE, PXE firmware and operating systems ask for: RFC 2132, and where noted its successors. Those
 * that only the protocol itself uses (message type, lease times, ...) are here as well, so that they can be read.
 */
export const DHCP_OPTIONS = {
  subnetMask: { code: 1, type: "ipv4" },
  timeOffset: { code: 2, type: "int32" },
  routers: { code: 3, type: "ipv4-list" },
  timeServers: { code: 4, type: "ipv4-list" },
  dnsServers: { code: 6, type: "ipv4-list" },
  logServers: { code: 7, type: "ipv4-list" },
  hostName: { code: 12, type: "text" },
  bootFileSize: { code: 13, type: "uint16" },
  domainName: { code: 15, type: "text" },
  rootPath: { code: 17, type: "text" },
  extensionsPath: { code: 18, type: "text" },
  interfaceMtu: { code: 26, type: "uint16" },
  broadcastAddress: { code: 28, type: "ipv4" },
  staticRoutes: { code: 33, type: "ipv4-list" },
  nisDomain: { code: 40, type: "text" },
  nisServers: { code: 41, type: "ipv4-list" },
  ntpServers: { code: 42, type: "ipv4-list" },
  vendorSpecific: { code: 43, type: "bytes" },
  netbiosNameServers: { code: 44, type: "ipv4-list" },
  netbiosNodeType: { code: 46, type: "uint8" },
  requestedAddress: { code: 50, type: "ipv4" },
  leaseTime: { code: 51, type: "uint32" },
  overload: { code: 52, type: "uint8" },
  messageType: { code: 53, type: "uint8" },
  serverIdentifier: { code: 54, type: "ipv4" },
  parameterRequestList: { code: 55, type: "uint8-list" },
  message: { code: 56, type: "text" },
  maximumMessageSize: { code: 57, type: "uint16" },
  renewalTime: { code: 58, type: "uint32" },
  rebindingTime: { code: 59, type: "uint32" },
  vendorClass: { code: 60, type: "text" },
  clientIdentifier: { code: 61, type: "bytes" },
  tftpServerName: { code: 66, type: "text" },
  bootFileName: { code: 67, type: "text" },
  /** RFC 3004; iPXE and EDK II send bare text instead of its length-prefixed list. */
  userClass: { code: 77, type: "bytes" },
  clientFqdn: { code: 81, type: "bytes" },
  /** RFC 3046. */
  relayAgentInformation: { code: 82, type: "bytes" },
  /** RFC 4578 for this and the next two. */
  clientArchitecture: { code: 93, type: "uint16-list" },
  clientNetworkInterface: { code: 94, type: "bytes" },
  clientUuid: { code: 97, type: "bytes" },
  posixTimezone: { code: 100, type: "text" },
  tzdbTimezone: { code: 101, type: "text" },
  /** RFC 2563. */
  autoConfigure: { code: 116, type: "uint8" },
  /** RFC 3011. */
  subnetSelection: { code: 118, type: "ipv4" },
  domainSearch: { code: 119, type: "domain-list" },
  classlessRoutes: { code: 121, type: "routes" },
  /** RFC 5859. */
  tftpServers: { code: 150, type: "ipv4-list" },
  /** iPXE's encapsulated options, see `IPXE_OPTIONS`. */
  ipxe: { code: 175, type: "bytes" },
  /** iPXE's `initiator-iqn`. */
  initiatorName: { code: 203, type: "text" },
  /** RFC 5071 for these four; the magic is f1 00 74 7e. */
  pxelinuxMagic: { code: 208, type: "bytes" },
  pxelinuxConfigFile: { code: 209, type: "text" },
  pxelinuxPathPrefix: { code: 210, type: "text" },
  pxelinuxRebootTime: { code: 211, type: "uint32" },
  /** Windows before 10 asks for its routes here. */
  classlessRoutesMicrosoft: { code: 249, type: "routes" },
  webProxy: { code: 252, type: "text" },
} as const satisfies OptionTable;

/** iPXE's own options, encapsulated in option 175 (ipxe.org/howto/dhcpd, `ipxe/dhcp.h`). */
export const IPXE_OPTIONS = {
  priority: { code: 1, type: "int8" },
  keepSan: { code: 8, type: "flag" },
  skipSanBoot: { code: 9, type: "flag" },
  scriptlet: { code: 81, type: "text" },
  syslogs: { code: 85, type: "text" },
  certificate: { code: 91, type: "bytes" },
  privateKey: { code: 92, type: "bytes", secret: true },
  crossCertificate: { code: 93, type: "text" },
  noPxedhcp: { code: 176, type: "flag" },
  busId: { code: 177, type: "bytes" },
  sanFilename: { code: 188, type: "text" },
  sanDrive: { code: 189, type: "uint8" },
  username: { code: 190, type: "text", secret: true },
  password: { code: 191, type: "text", secret: true },
  reverseUsername: { code: 192, type: "text", secret: true },
  reversePassword: { code: 193, type: "text", secret: true },
  version: { code: 235, type: "bytes" },
} as const satisfies OptionTable;

export type DhcpOptionValues = OptionValues<typeof DHCP_OPTIONS>;
export type IpxeOptionValues = OptionValues<typeof IPXE_OPTIONS>;

/** Reads one option by name; undefined where it is absent or its bytes are no value of its type. */
export function readOption<T extends OptionTable, K extends keyof T>(
  table: T,
  options: RawOptions,
  name: K,
): OptionTypes[T[K]["type"]] | undefined {
  const definition: T[K] = table[name];
  const bytes = options.get(definition.code);
  return bytes && decodeValue<T[K]["type"]>(definition.type, bytes);
}

/** Encodes values by name, in the order of the table. Throws RangeError, TypeError or UsageError for a bad value. */
export function encodeOptions<T extends OptionTable>(
  table: T,
  values: OptionValues<T>,
): Map<number, Uint8Array> {
  const encoded = new Map<number, Uint8Array>();
  for (const [name, definition] of Object.entries(table)) {
    const value = values[name];
    if (value === undefined) continue;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the signature has paired value and type by name
    encoded.set(definition.code, encodeValue(definition.type, value as never));
  }
  return encoded;
}

import { broadcastOf, formatIpv4, netmask } from "../ipv4.ts";
import type { BootChoice } from "./boot-choice.ts";
import type { DhcpClient } from "./client.ts";
import type { BootSettings, DhcpReservation } from "./config.ts";
import { encodeEncapsulated } from "./encapsulated.ts";
import type { DhcpMessage } from "./message.ts";
import type { RawOptions } from "./option-bytes.ts";
import { DHCP_OPTIONS, IPXE_OPTIONS, encodeOptions, readOption, type DhcpOptionValues } from "./options.ts";
import { bootFirmwareOptions } from "./pxe-options.ts";
import type { Subnet } from "./subnet.ts";

/** Options that the protocol itself needs; they come first, and a client cannot decline them. */
export function protocolOptions(values: DhcpOptionValues, request: DhcpMessage): Map<number, Uint8Array> {
  const encoded = encodeOptions(DHCP_OPTIONS, values);
  const ordered = new Map<number, Uint8Array>();
  for (const code of [53, 54, 51, 58, 59, 56]) {
    const value = encoded.get(code);
    if (value) ordered.set(code, value);
  }
  // RFC 6842: what the client sent as its identifier is returned unaltered.
  const clientIdentifier = request.options.get(61);
  if (clientIdentifier) ordered.set(61, clientIdentifier);
  return ordered;
}

export interface ReplyFacts {
  readonly client: DhcpClient;
  readonly request: DhcpMessage;
  /** Absent in an answer of a proxy, which knows nothing of the subnet. */
  readonly subnet: Subnet | undefined;
  readonly boot: BootChoice | undefined;
  readonly common: BootSettings;
  readonly reservation: DhcpReservation | undefined;
}

/** All that the configuration says to this client, by code: subnet, common settings, its reservation, raw bytes. */
export function configuredOptions(facts: ReplyFacts): Map<number, Uint8Array> {
  const { client, common, reservation, subnet, boot } = facts;
  const rootPath = reservation?.rootPath ?? common.rootPath;
  const initiatorName = reservation?.initiatorName ?? common.initiatorName;
  const values: DhcpOptionValues = {
    ...(subnet && subnetOptions(subnet)),
    ...(rootPath !== undefined && { rootPath }),
    ...(initiatorName !== undefined && { initiatorName }),
    ...(boot && { tftpServerName: formatIpv4(boot.nextServer), bootFileName: boot.file }),
    ...common.options,
    ...subnet?.options,
    ...(reservation?.hostName !== undefined && { hostName: reservation.hostName }),
    ...reservation?.options,
  };
  const encoded = encodeOptions(DHCP_OPTIONS, { ...pxelinuxMagic(values), ...values });

  // Told that no ProxyDHCP server will answer, iPXE takes the first offer at once instead of two seconds later.
  const ipxe = { ...(subnet && { noPxedhcp: true }), ...common.ipxe, ...reservation?.ipxe };
  if (client.ipxe && Object.keys(ipxe).length > 0) encoded.set(175, encodeEncapsulated(IPXE_OPTIONS, ipxe));
  for (const [code, value] of bootFirmwareOptions(facts)) {
    if (!encoded.has(code)) encoded.set(code, value);
  }
  for (const raw of [common.rawOptions, reservation?.rawOptions]) {
    for (const [code, value] of Object.entries(raw ?? {})) encoded.set(Number(code), value);
  }
  return encoded;
}

/**
 * Options in the order in which they get room: those of the protocol, those that the client asked for in its order
 * (RFC 2132 §9.8), then the others, which are sent too where they fit.
 */
export function orderOptions(
  protocol: RawOptions,
  configured: RawOptions,
  request: DhcpMessage,
): (readonly [number, Uint8Array])[] {
  const rest = new Map([...configured].filter(([code]) => !protocol.has(code)));
  const ordered: (readonly [number, Uint8Array])[] = [...protocol];
  for (const code of readOption(DHCP_OPTIONS, request.options, "parameterRequestList") ?? []) {
    const value = rest.get(code);
    if (!value) continue;
    ordered.push([code, value]);
    rest.delete(code);
  }
  return [...ordered, ...rest];
}

function subnetOptions({ network, prefixLength }: Subnet): DhcpOptionValues {
  return {
    subnetMask: formatIpv4(netmask(prefixLength)),
    ...(prefixLength <= 30 && { broadcastAddress: formatIpv4(broadcastOf(network, prefixLength)) }),
  };
}

/** RFC 5071 §3: older PXELINUX heeds 209-211 only where the magic stands beside them. */
function pxelinuxMagic(values: DhcpOptionValues): DhcpOptionValues {
  const used =
    values.pxelinuxConfigFile !== undefined ||
    values.pxelinuxPathPrefix !== undefined ||
    values.pxelinuxRebootTime !== undefined;
  return used ? { pxelinuxMagic: Uint8Array.of(0xf1, 0x00, 0x74, 0x7e) } : {};
}

import { UsageError, parseIp } from "#core";
import { parseMac } from "../mac-address.ts";

/** A prefix that hosts on the wire may form addresses from (RFC 4861 §4.6.2). */
export interface AdvertisedPrefix {
  /** E.g. `fd12:3456:789a:1::`. */
  readonly prefix: string;
  readonly prefixLength: number;
  readonly validSeconds: number;
  readonly preferredSeconds: number;
}

export interface RouterAdvertisement {
  readonly hopLimit: number;
  /** Seconds for which hosts may use this router as their default; 0 says that it is none. */
  readonly routerLifetime: number;
  readonly prefixes: readonly AdvertisedPrefix[];
  readonly mac?: string;
  readonly mtu?: number;
  /** IPv6 addresses of name servers (RFC 8106). */
  readonly dnsServers?: readonly string[];
}

/**
 * A router advertisement as an ICMPv6 message (RFC 4861 §4.2), its checksum left 0 for the kernel to fill in.
 * Managed and other-configuration flags are off: hosts form addresses themselves and look for no DHCPv6 server.
 */
export function encodeRouterAdvertisement(advertisement: RouterAdvertisement): Uint8Array {
  const header = Buffer.alloc(16);
  header.writeUInt8(134, 0);
  header.writeUInt8(advertisement.hopLimit, 4);
  header.writeUInt16BE(advertisement.routerLifetime, 6);
  const parts: Uint8Array[] = [header];
  if (advertisement.mac !== undefined) parts.push(Uint8Array.of(1, 1, ...parseMac(advertisement.mac)));
  if (advertisement.mtu !== undefined) {
    const mtu = Buffer.of(5, 1, 0, 0, 0, 0, 0, 0);
    mtu.writeUInt32BE(advertisement.mtu, 4);
    parts.push(mtu);
  }
  for (const prefix of advertisement.prefixes) parts.push(prefixInformation(prefix));
  if (advertisement.dnsServers?.length) parts.push(recursiveDnsServers(advertisement.dnsServers));
  return Buffer.concat(parts);
}

/** The 16 bytes of an IPv6 address. */
export function ipv6Bytes(text: string): Uint8Array {
  const bytes = parseIp(text);
  if (bytes?.length !== 16) {
    throw new UsageError("BAD_ADDRESS", `"${text}" is no IPv6 address; write it as fd12:3456:789a:1::1`);
  }
  return bytes;
}

function prefixInformation({
  prefix,
  prefixLength,
  validSeconds,
  preferredSeconds,
}: AdvertisedPrefix): Uint8Array {
  const option = Buffer.alloc(32);
  const onLinkAndAutonomous = 0xc0;
  option.set([3, 4, prefixLength, onLinkAndAutonomous]);
  option.writeUInt32BE(validSeconds, 4);
  option.writeUInt32BE(preferredSeconds, 8);
  option.set(ipv6Bytes(prefix), 16);
  return option;
}

function recursiveDnsServers(servers: readonly string[]): Uint8Array {
  const head = Buffer.alloc(8);
  head.set([25, 1 + 2 * servers.length]);
  head.writeUInt32BE(1800, 4);
  return Buffer.concat([head, ...servers.map((server) => ipv6Bytes(server))]);
}

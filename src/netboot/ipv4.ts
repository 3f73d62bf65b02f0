import { UsageError, formatIp, parseIp } from "#core";

/** A dotted-quad address as an unsigned 32-bit number, or undefined where `text` is none. */
export function parseIpv4(text: string): number | undefined {
  const bytes = parseIp(text);
  return bytes?.length === 4 ? Buffer.from(bytes).readUInt32BE() : undefined;
}

/** Like `parseIpv4`, but a UsageError that names `what` where the text is no address. */
export function ipv4(text: string, what: string): number {
  const value = parseIpv4(text);
  if (value === undefined) {
    throw new UsageError("BAD_ADDRESS", `${what}: "${text}" is no IPv4 address; write it as 192.0.2.1`);
  }
  return value;
}

export function formatIpv4(value: number): string {
  return formatIp(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
}

/** The netmask of a prefix length from 0 to 32. */
export function netmask(prefixLength: number): number {
  return prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0;
}

export function networkOf(address: number, prefixLength: number): number {
  return (address & netmask(prefixLength)) >>> 0;
}

/** The directed broadcast address; for /31 and /32, which have none, the limited one (RFC 3021 §2.2). */
export function broadcastOf(address: number, prefixLength: number): number {
  if (prefixLength > 30) return 0xffffffff;
  return (networkOf(address, prefixLength) | ~netmask(prefixLength)) >>> 0;
}

/** First and last address that a host may have in the subnet. */
export function hostRange(address: number, prefixLength: number): { first: number; last: number } {
  const first = networkOf(address, prefixLength);
  const last = (first | ~netmask(prefixLength)) >>> 0;
  return prefixLength > 30 ? { first, last } : { first: first + 1, last: last - 1 };
}

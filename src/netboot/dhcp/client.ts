import { formatMac } from "../mac-address.ts";
import { readEncapsulated } from "./encapsulated.ts";
import type { DhcpMessage } from "./message.ts";
import { DHCP_OPTIONS, readOption } from "./options.ts";

/** Client architectures of option 93 (RFC 4578 §2.1 and IANA's registry; firmware uses 7 and 9 alike for x64). */
export const ClientArchitecture = {
  Bios: 0,
  EfiIa32: 6,
  EfiX64: 7,
  EfiX64Alternative: 9,
  EfiArm32: 10,
  EfiArm64: 11,
  HttpEfiIa32: 15,
  HttpEfiX64: 16,
  HttpEfiArm64: 19,
} as const;

/** What a client says of itself. */
export interface DhcpClient {
  /** Hardware address, lower case with colons; "" where it sent none (RFC 4390). */
  readonly mac: string;
  readonly clientIdentifier: Uint8Array | undefined;
  readonly hostName: string | undefined;
  readonly vendorClass: string | undefined;
  readonly userClasses: readonly string[];
  readonly architectures: readonly number[];
  /** `pxe` and `http` are the two kinds of network-boot firmware, told apart by the vendor class. */
  readonly firmware: "pxe" | "http" | undefined;
  /** It is iPXE (or its ancestor gPXE), whatever firmware started it. */
  readonly ipxe: boolean;
}

export function identifyClient(message: DhcpMessage): DhcpClient {
  const { options } = message;
  const vendorClass = readOption(DHCP_OPTIONS, options, "vendorClass");
  const userClasses = readUserClasses(options.get(77));
  return {
    mac: formatMac(message.chaddr),
    clientIdentifier: readOption(DHCP_OPTIONS, options, "clientIdentifier"),
    hostName: readOption(DHCP_OPTIONS, options, "hostName"),
    vendorClass,
    userClasses,
    architectures: readOption(DHCP_OPTIONS, options, "clientArchitecture") ?? [],
    firmware: firmwareOf(vendorClass),
    ipxe: userClasses.some((name) => /^[gi]PXE$/.test(name)) || readIpxeBlock(options.get(175)),
  };
}

function firmwareOf(vendorClass: string | undefined): DhcpClient["firmware"] {
  if (vendorClass?.startsWith("PXEClient")) return "pxe";
  return vendorClass?.startsWith("HTTPClient") ? "http" : undefined;
}

/** Either RFC 3004's list, each entry with its length in front, or the bare text that iPXE sends. */
function readUserClasses(bytes: Uint8Array | undefined): readonly string[] {
  if (!bytes) return [];
  const classes: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = bytes[at] ?? 0;
    const entry = bytes.subarray(at + 1, at + 1 + length);
    if (length === 0 || entry.length < length) return [text(bytes)];
    classes.push(text(entry));
    at += 1 + length;
  }
  return classes;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8").replace(/\0+$/, "");
}

/** Etherboot used 175 for something else; the version sub-option is always there in iPXE's. */
function readIpxeBlock(bytes: Uint8Array | undefined): boolean {
  return bytes !== undefined && readEncapsulated(bytes)?.has(235) === true;
}

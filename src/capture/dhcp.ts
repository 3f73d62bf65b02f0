import { formatIp } from "#core";

const MESSAGES = ["", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform"] as const;
const MAGIC = 0x63825363;
const TEXT_LIMIT = 256;

/** What a DHCP message says that matters to a boot; undefined where the bytes are none. */
export interface DhcpFacts {
  readonly message: string;
  /** Hardware address of the client. */
  readonly mac: string;
  /** The address given or in use, null for none. */
  readonly ip: string | null;
  readonly requested: string | null;
  readonly server: string | null;
  readonly router: string | null;
  readonly rootPath: string | null;
  readonly bootFile: string | null;
  readonly vendorClass: string | null;
  readonly userClass: string | null;
  readonly leaseSeconds: number | null;
}

/** Reads a DHCP message (RFC 2131, RFC 2132), its overloaded fields left aside. */
export function readDhcp(bytes: Buffer): DhcpFacts | undefined {
  if (bytes.length < 241 || bytes.readUInt32BE(236) !== MAGIC || bytes.readUInt8(2) !== 6) return undefined;
  const options = readOptions(bytes);
  const message = MESSAGES[options.get(53)?.at(0) ?? 0];
  if (!message) return undefined;
  const text = (code: number) =>
    options.get(code)?.toString("latin1", 0, TEXT_LIMIT).replace(/\0+$/, "") ?? null;
  const address = (code: number) => {
    const value = options.get(code);
    return value !== undefined && value.length >= 4 ? formatIp(value.subarray(0, 4)) : null;
  };
  const lease = options.get(51);
  return {
    message,
    mac: bytes.toString("hex", 28, 34).replaceAll(/..(?=.)/g, "$&:"),
    ip: field(bytes, 16) ?? field(bytes, 12),
    requested: address(50),
    server: address(54),
    router: address(3),
    rootPath: text(17),
    bootFile: text(67) ?? fixedText(bytes, 108, 128),
    vendorClass: text(60),
    userClass: text(77),
    leaseSeconds: lease?.length === 4 ? lease.readUInt32BE(0) : null,
  };
}

function readOptions(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const options = new Map<number, Buffer>();
  for (let at = 240; at < bytes.length;) {
    const code = bytes.readUInt8(at);
    if (code === 255) break;
    if (code === 0) at++;
    else {
      if (at + 2 > bytes.length) break;
      const length = bytes.readUInt8(at + 1);
      const value = bytes.subarray(at + 2, at + 2 + length);
      const before = options.get(code);
      // Options longer than 255 bytes come in pieces (RFC 3396).
      options.set(code, before === undefined ? value : Buffer.concat([before, value]));
      at += 2 + length;
    }
  }
  return options;
}

function field(bytes: Buffer, at: number): string | null {
  return bytes.readUInt32BE(at) === 0 ? null : formatIp(bytes.subarray(at, at + 4));
}

function fixedText(bytes: Buffer, at: number, length: number): string | null {
  const text = bytes.toString("latin1", at, at + length).split("\0")[0] ?? "";
  return text === "" ? null : text;
}

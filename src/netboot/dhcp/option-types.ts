import { formatIpv4, ipv4, netmask, networkOf } from "../ipv4.ts";
import { decodeDomains, encodeDomains } from "./domain-list.ts";

/** A route of option 121 (RFC 3442); `destination` is a prefix such as `10.0.0.0/8`. */
export interface ClasslessRoute {
  readonly destination: string;
  readonly router: string;
}

/** The kinds of value that options have, and what each is in TypeScript. */
export interface OptionTypes {
  readonly ipv4: string;
  readonly "ipv4-list": readonly string[];
  readonly uint8: number;
  readonly "uint8-list": readonly number[];
  readonly uint16: number;
  readonly "uint16-list": readonly number[];
  readonly uint32: number;
  readonly int32: number;
  readonly int8: number;
  readonly flag: boolean;
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly "domain-list": readonly string[];
  readonly routes: readonly ClasslessRoute[];
}
export type OptionType = keyof OptionTypes;

interface Codec<T> {
  /** Throws RangeError or UsageError for a value that the type cannot hold. */
  encode(value: T): Uint8Array;
  /** Undefined where the bytes are no such value. */
  decode(bytes: Buffer): T | undefined;
}

export function encodeValue<K extends OptionType>(type: K, value: OptionTypes[K]): Uint8Array {
  return codecs[type].encode(value);
}

export function decodeValue<K extends OptionType>(type: K, bytes: Uint8Array): OptionTypes[K] | undefined {
  return codecs[type].decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}

const codecs: { readonly [K in OptionType]: Codec<OptionTypes[K]> } = {
  ipv4: fixed(
    4,
    (out, value) => out.writeUInt32BE(ipv4(value, "option")),
    (bytes) => formatIpv4(bytes.readUInt32BE()),
  ),
  "ipv4-list": list(
    4,
    (out, value) => out.writeUInt32BE(ipv4(value, "option")),
    (bytes) => formatIpv4(bytes.readUInt32BE()),
  ),
  uint8: fixed(
    1,
    (out, value) => out.writeUInt8(value),
    (bytes) => bytes.readUInt8(),
  ),
  "uint8-list": list(
    1,
    (out, value) => out.writeUInt8(value),
    (bytes) => bytes.readUInt8(),
  ),
  uint16: fixed(
    2,
    (out, value) => out.writeUInt16BE(value),
    (bytes) => bytes.readUInt16BE(),
  ),
  "uint16-list": list(
    2,
    (out, value) => out.writeUInt16BE(value),
    (bytes) => bytes.readUInt16BE(),
  ),
  uint32: fixed(
    4,
    (out, value) => out.writeUInt32BE(value),
    (bytes) => bytes.readUInt32BE(),
  ),
  int32: fixed(
    4,
    (out, value) => out.writeInt32BE(value),
    (bytes) => bytes.readInt32BE(),
  ),
  int8: fixed(
    1,
    (out, value) => out.writeInt8(value),
    (bytes) => bytes.readInt8(),
  ),
  flag: fixed(
    1,
    (out, value) => out.writeUInt8(value ? 1 : 0),
    (bytes) => bytes[0] !== 0,
  ),
  text: {
    encode: (value) => Buffer.from(value, "utf8"),
    // RFC 2132 §2: senders should not end text with zeros, receivers must trim them.
    decode: (bytes) => bytes.toString("utf8").replace(/\0+$/, ""),
  },
  bytes: { encode: (value) => value, decode: (bytes) => bytes },
  "domain-list": { encode: encodeDomains, decode: decodeDomains },
  routes: { encode: encodeRoutes, decode: decodeRoutes },
};

function fixed<T>(
  size: number,
  write: (out: Buffer, value: T) => void,
  read: (bytes: Buffer) => T,
): Codec<T> {
  return {
    encode: (value) => {
      const out = Buffer.alloc(size);
      write(out, value);
      return out;
    },
    decode: (bytes) => (bytes.length === size ? read(bytes) : undefined),
  };
}

function list<T>(
  size: number,
  write: (out: Buffer, value: T) => void,
  read: (bytes: Buffer) => T,
): Codec<readonly T[]> {
  const one = fixed(size, write, read);
  return {
    encode: (values) => Buffer.concat(values.map((value) => one.encode(value))),
    decode: (bytes) => {
      if (bytes.length === 0 || bytes.length % size !== 0) return undefined;
      return Array.from({ length: bytes.length / size }, (_, i) =>
        read(bytes.subarray(i * size, (i + 1) * size)),
      );
    },
  };
}

/** RFC 3442: the prefix length, as many octets of the destination as it covers, the router. */
function encodeRoutes(routes: readonly ClasslessRoute[]): Uint8Array {
  return Buffer.concat(
    routes.map(({ destination, router }) => {
      const [address = "", length = ""] = destination.split("/");
      const prefixLength = Number(length);
      if (!/^\d{1,2}$/.test(length) || prefixLength > 32) {
        throw new RangeError(`route "${destination}" is no prefix such as 10.0.0.0/8`);
      }
      const octets = Buffer.alloc(4);
      octets.writeUInt32BE(networkOf(ipv4(address, "route"), prefixLength));
      const gateway = Buffer.alloc(4);
      gateway.writeUInt32BE(ipv4(router, "route"));
      return Buffer.concat([
        Uint8Array.of(prefixLength),
        octets.subarray(0, Math.ceil(prefixLength / 8)),
        gateway,
      ]);
    }),
  );
}

function decodeRoutes(bytes: Buffer): readonly ClasslessRoute[] | undefined {
  const routes: ClasslessRoute[] = [];
  let at = 0;
  while (at < bytes.length) {
    const prefixLength = bytes.readUInt8(at);
    const significant = Math.ceil(prefixLength / 8);
    const end = at + 1 + significant + 4;
    if (prefixLength > 32 || end > bytes.length) return undefined;
    const octets = Buffer.alloc(4);
    bytes.copy(octets, 0, at + 1, at + 1 + significant);
    const network = (octets.readUInt32BE() & netmask(prefixLength)) >>> 0;
    routes.push({
      destination: `${formatIpv4(network)}/${prefixLength}`,
      router: formatIpv4(bytes.readUInt32BE(end - 4)),
    });
    at = end;
  }
  return routes.length === 0 ? undefined : routes;
}

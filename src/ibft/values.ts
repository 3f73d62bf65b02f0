import { formatIp, parseIp } from "#core";

const NO_ADDRESS = Buffer.alloc(16);
const IPV4_PREFIX = Buffer.from("00000000000000000000ffff", "hex");

/** 16 bytes of the table as text: IPv4 where mapped (::ffff:a.b.c.d), null where all are zero. */
export function ipText(bytes: Buffer): string | null {
  if (bytes.equals(NO_ADDRESS)) return null;
  return formatIp(bytes.subarray(0, 12).equals(IPV4_PREFIX) ? bytes.subarray(12) : bytes);
}

/** The reverse of `ipText`; undefined where the text is no address. */
export function ipBytes(text: string | null): Buffer | undefined {
  if (text === null) return NO_ADDRESS;
  const bytes = parseIp(text);
  if (bytes === undefined) return undefined;
  return bytes.length === 4 ? Buffer.concat([IPV4_PREFIX, bytes]) : Buffer.from(bytes);
}

export function macText(bytes: Buffer): string {
  return bytes.toString("hex").replaceAll(/..(?=.)/g, "$&:");
}

export function macBytes(text: string): Buffer | undefined {
  return /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)
    ? Buffer.from(text.replaceAll(/[:-]/g, ""), "hex")
    : undefined;
}

/** A PCI location (bus << 8 | device << 3 | function) as `bus:device.function`, as lspci prints it. */
export function pciText(location: number): string {
  return `${hexByte(location >> 8)}:${hexByte((location >> 3) & 0x1f)}.${location & 7}`;
}

/** The reverse of `pciText`; a segment in front must be 0000, for the table has no room for another. */
export function pciLocation(text: string): number | undefined {
  const address = pciAddress(text);
  return address?.segment === 0 ? address.location : undefined;
}

/** A PCI location with its segment, which is 0 where none stands in front. */
export function pciAddress(
  text: string,
): { readonly segment: number; readonly location: number } | undefined {
  const match = /^(?:([0-9a-f]{4}):)?([0-9a-f]{1,2}):([01]?[0-9a-f])\.([0-7])$/i.exec(text);
  if (match === null) return undefined;
  const [segment = 0, bus = 0, device = 0, fn = 0] = match
    .slice(1)
    .map((part) => Number.parseInt(part ?? "0", 16));
  return { segment, location: (bus << 8) | (device << 3) | fn };
}

/** The number of a single-level LUN (SAM-5, 4.7.7: peripheral or flat), undefined for deeper structures. */
export function lunNumber(lun: string): number | undefined {
  const bytes = Buffer.from(lun, "hex");
  if (bytes.length !== 8 || bytes.readUIntBE(2, 6) !== 0) return undefined;
  const word = bytes.readUInt16BE(0);
  return word >> 14 <= 1 ? word & 0x3fff : undefined;
}

/** Eight bytes in hexadecimal from a LUN's number, or from such digits with or without dashes. */
export function lunHex(lun: number | string): string | undefined {
  if (typeof lun === "string") {
    const digits = lun.replaceAll("-", "").toLowerCase();
    return /^[0-9a-f]{16}$/.test(digits) ? digits : undefined;
  }
  if (!Number.isInteger(lun) || lun < 0 || lun > 0x3fff) return undefined;
  return (lun < 256 ? lun : lun | 0x4000).toString(16).padStart(4, "0").padEnd(16, "0");
}

/** UTF-8 where it is (RFC 3722 names are), else a character a byte. */
export function stringText(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? text : bytes.toString("latin1");
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, "0");
}

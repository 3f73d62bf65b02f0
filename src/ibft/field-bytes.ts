import { UsageError } from "#core";
import type { AnyField } from "./structures.ts";
import { ipBytes, lunHex, macBytes, pciLocation } from "./values.ts";

/** Sets the checksum byte so that all bytes sum up to 0. */
export function writeChecksum(bytes: Buffer): void {
  bytes.writeUInt8(0, 9);
  bytes.writeUInt8(-bytes.reduce((sum, byte) => (sum + byte) & 0xff, 0) & 0xff, 9);
}

/** The bytes of a field other than a string; throws a UsageError naming the path. */
export function fieldBytes(path: string, kind: AnyField["kind"], value: unknown): Buffer {
  if (kind === "u8") return Buffer.of(byteOf(path, value));
  if (kind === "u16") {
    if (!isWithin(value, 0xffff)) throw wrongValue(path, value, "a number from 0 to 65535");
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16LE(value);
    return bytes;
  }
  if (kind === "pci") {
    const location = typeof value === "string" ? pciLocation(value) : value;
    if (!isWithin(location, 0xffff)) throw wrongValue(path, value, "a PCI location like 00:02.0");
    return Buffer.of(location & 0xff, location >> 8);
  }
  if (kind === "lun") {
    const digits = typeof value === "string" || typeof value === "number" ? lunHex(value) : undefined;
    if (digits === undefined)
      throw wrongValue(path, value, "a LUN's number (to 16383) or its 16 hexadecimal digits");
    return Buffer.from(digits, "hex");
  }
  const text = typeof value === "string" ? value : null;
  const bytes = kind === "mac" ? macBytes(text ?? "") : ipBytes(text);
  if (bytes === undefined || (text === null && value !== null)) {
    throw wrongValue(path, value, kind === "mac" ? "a MAC address" : "an IPv4 or IPv6 address");
  }
  return bytes;
}

export function byteOf(path: string, value: unknown): number {
  if (!isWithin(value, 0xff)) throw wrongValue(path, value, "a number from 0 to 255");
  return value;
}

function isWithin(value: unknown, limit: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= limit;
}

export function wrongValue(path: string, value: unknown, wanted: string): UsageError {
  return new UsageError("IBFT_SPEC", `iBFT: ${path}: ${JSON.stringify(value)} is not ${wanted}`);
}

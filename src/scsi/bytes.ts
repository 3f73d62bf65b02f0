/** Big-endian fields of SCSI structures. 64-bit values are numbers: exact up to 2^53, which is 8 PiB of bytes. */
export function readUint(bytes: Uint8Array, offset: number, length: number): number {
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 256 + (bytes[offset + i] ?? 0);
  return value;
}

export function writeUint(bytes: Uint8Array, offset: number, length: number, value: number): void {
  let rest = value;
  for (let i = offset + length - 1; i >= offset; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

/** One bit of a byte as a boolean; bytes past the end read as zero. */
export function readFlag(bytes: Uint8Array, offset: number, bit: number): boolean {
  return (((bytes[offset] ?? 0) >> bit) & 1) === 1;
}

export function writeFlag(bytes: Uint8Array, offset: number, bit: number, value: boolean): void {
  const mask = 1 << bit;
  bytes[offset] = value ? (bytes[offset] ?? 0) | mask : (bytes[offset] ?? 0) & ~mask;
}

/** ASCII, left-aligned and padded with spaces, as vendor, product and revision are stored. */
export function writeText(bytes: Uint8Array, offset: number, length: number, text: string): void {
  for (let i = 0; i < length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 0x20;
    bytes[offset + i] = code >= 0x20 && code < 0x7f ? code : 0x3f;
  }
}

/** ASCII without the spaces and zeros around it. */
export function readText(bytes: Uint8Array, offset: number, length: number): string {
  let text = "";
  for (const code of bytes.subarray(offset, offset + length)) text += String.fromCharCode(code);
  return text.replaceAll(/^[ \0]+|[ \0]+$/g, "");
}

/** Joins structures into one array. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

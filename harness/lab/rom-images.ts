/** For which firmware an image in an expansion ROM is. */
export type RomImageKind = "BIOS" | "UEFI" | "other";

const CODE_TYPES: Readonly<Record<number, RomImageKind>> = { 0: "BIOS", 3: "UEFI" };

/**
 * The images of a PCI expansion ROM in their order (PCI Firmware Specification 3.0, 5.1): each begins with 55h AAh; at 18h stands
 * the offset of its PCI data structure, which has "PCIR" at 0, the image's length in units of 512 bytes at 10h, its code
 * type at 14h and, at 15h, bit 7 set in the last one.
 */
export function romImages(rom: Buffer): readonly RomImageKind[] {
  const kinds: RomImageKind[] = [];
  let at = 0;
  while (at + 0x1a <= rom.length && rom.readUInt16BE(at) === 0x55aa) {
    const data = at + rom.readUInt16LE(at + 0x18);
    if (data + 0x18 > rom.length || rom.toString("latin1", data, data + 4) !== "PCIR") break;
    kinds.push(CODE_TYPES[rom.readUInt8(data + 0x14)] ?? "other");
    const length = rom.readUInt16LE(data + 0x10) * 512;
    if (length === 0 || (rom.readUInt8(data + 0x15) & 0x80) !== 0) break;
    at += length;
  }
  return kinds;
}

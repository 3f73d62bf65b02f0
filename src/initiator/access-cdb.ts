const readCodes = { 10: 0x28, 16: 0x88 } as const;
const writeCodes = { 10: 0x2a, 16: 0x8a } as const;

/**
 * READ(10), READ(16), WRITE(10) or WRITE(16), the shortest that holds the address: the two commands that are made often
 * enough to be worth writing byte by byte (SBC-4, sections 5.16, 5.18, 5.40 and 5.42).
 */
export function accessCdb(
  direction: "read" | "write",
  lba: number,
  blocks: number,
  fua: boolean,
): Uint8Array {
  const codes = direction === "read" ? readCodes : writeCodes;
  const long = lba + blocks > 0xffff_ffff || blocks > 0xffff;
  const cdb = Buffer.alloc(long ? 16 : 10);
  cdb[0] = codes[long ? 16 : 10];
  cdb[1] = fua ? 0x08 : 0;
  if (long) {
    cdb.writeUInt32BE(Math.floor(lba / 0x1_0000_0000), 2);
    cdb.writeUInt32BE(lba % 0x1_0000_0000, 6);
    cdb.writeUInt32BE(blocks, 10);
  } else {
    cdb.writeUInt32BE(lba, 2);
    cdb.writeUInt16BE(blocks, 7);
  }
  return cdb;
}

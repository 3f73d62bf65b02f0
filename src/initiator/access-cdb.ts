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
  const cdb = new Uint8Array(long ? 16 : 10);
  cdb[0] = codes[long ? 16 : 10];
  cdb[1] = fua ? 0x08 : 0;
  if (long) {
    put32(cdb, 2, Math.floor(lba / 0x1_0000_0000));
    put32(cdb, 6, lba);
    put32(cdb, 10, blocks);
  } else {
    put32(cdb, 2, lba);
    cdb[7] = blocks >>> 8;
    cdb[8] = blocks;
  }
  return cdb;
}

function put32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

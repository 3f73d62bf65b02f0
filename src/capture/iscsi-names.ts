/** Titles of the operation codes that boots and disks use (SPC, SBC); others are shown as their number. */
const OPERATIONS: Readonly<Record<number, string>> = {
  0x00: "TEST UNIT READY",
  0x03: "REQUEST SENSE",
  0x08: "READ(6)",
  0x0a: "WRITE(6)",
  0x12: "INQUIRY",
  0x15: "MODE SELECT(6)",
  0x16: "RESERVE(6)",
  0x17: "RELEASE(6)",
  0x1a: "MODE SENSE(6)",
  0x1b: "START STOP UNIT",
  0x25: "READ CAPACITY(10)",
  0x28: "READ(10)",
  0x2a: "WRITE(10)",
  0x2e: "WRITE AND VERIFY(10)",
  0x2f: "VERIFY(10)",
  0x35: "SYNCHRONIZE CACHE(10)",
  0x41: "WRITE SAME(10)",
  0x42: "UNMAP",
  0x4d: "LOG SENSE",
  0x5a: "MODE SENSE(10)",
  0x5e: "PERSISTENT RESERVE IN",
  0x5f: "PERSISTENT RESERVE OUT",
  0x88: "READ(16)",
  0x89: "COMPARE AND WRITE",
  0x8a: "WRITE(16)",
  0x91: "SYNCHRONIZE CACHE(16)",
  0x93: "WRITE SAME(16)",
  0x9e: "SERVICE ACTION IN(16)",
  0xa0: "REPORT LUNS",
  0xa3: "MAINTENANCE IN",
  0xa8: "READ(12)",
  0xaa: "WRITE(12)",
};

export function operationTitle(code: number): string {
  return OPERATIONS[code] ?? `0x${code.toString(16).padStart(2, "0")}`;
}

/** Which software chooses ISIDs like this: the strongest sign of who opened a session. */
export function isidSoftware(isid: string): string | undefined {
  if (isid.startsWith("40002723")) return "iPXE";
  if (isid.startsWith("40000137")) return "Microsoft";
  if (isid.startsWith("00023d")) return "open-iscsi";
  if (isid.startsWith("0002c9")) return "Mellanox";
  return undefined;
}

/** Where a READ or WRITE goes: what its CDB says, undefined for any other command. */
export function blockAccess(cdb: Buffer): BlockAccess | undefined {
  const code = cdb.readUInt8(0);
  const write = [0x0a, 0x2a, 0x2e, 0x8a, 0xaa].includes(code);
  if (!write && ![0x08, 0x28, 0x88, 0xa8].includes(code)) return undefined;
  const kind = write ? "write" : "read";
  if (code < 0x20) return { kind, lba: cdb.readUIntBE(1, 3) & 0x1f_ffff, blocks: cdb.readUInt8(4) || 256 };
  if (code < 0x80) return { kind, lba: cdb.readUInt32BE(2), blocks: cdb.readUInt16BE(7) };
  if (code < 0xa0) return { kind, lba: Number(cdb.readBigUInt64BE(2)), blocks: cdb.readUInt32BE(10) };
  return { kind, lba: cdb.readUInt32BE(2), blocks: cdb.readUInt32BE(6) };
}

export interface BlockAccess {
  readonly kind: "read" | "write";
  readonly lba: number;
  readonly blocks: number;
}

/** Sense key, additional sense code and qualifier out of the data of a SCSI Response (fixed or descriptor format). */
export function senseOf(
  data: Buffer,
): { readonly key: number; readonly asc: number; readonly ascq: number } | undefined {
  const sense = data.subarray(2);
  if (data.length < 6) return undefined;
  const format = sense.readUInt8(0) & 0x7f;
  if (format >= 0x72)
    return { key: sense.readUInt8(1) & 0x0f, asc: sense.readUInt8(2), ascq: sense.readUInt8(3) };
  if (sense.length < 14) return { key: sense.readUInt8(2) & 0x0f, asc: 0, ascq: 0 };
  return { key: sense.readUInt8(2) & 0x0f, asc: sense.readUInt8(12), ascq: sense.readUInt8(13) };
}

import { randomBytes } from "node:crypto";
import { encodeIsid, type Isid, type OperationalValues } from "ts-iscsi-pdu";

/** The caller's wishes, completed; the first burst never longer than any (RFC 7143 §13.14). */
export function completeWishes(keys: Partial<OperationalValues> = {}): Partial<OperationalValues> {
  const wishes = { ...defaultWishes, ...keys };
  const { FirstBurstLength = 65_536, MaxBurstLength = 262_144 } = wishes;
  return { ...wishes, FirstBurstLength: Math.min(FirstBurstLength, MaxBurstLength) };
}

/** What is offered where the caller has no wish: large transfers, no wait for an R2T, digests only if demanded. */
const defaultWishes: Partial<OperationalValues> = {
  HeaderDigest: "None,CRC32C",
  DataDigest: "None,CRC32C",
  InitialR2T: false,
  ImmediateData: true,
  MaxRecvDataSegmentLength: 262_144,
  MaxBurstLength: 1_048_576,
  FirstBurstLength: 262_144,
  DefaultTime2Wait: 0,
  DefaultTime2Retain: 20,
  MaxOutstandingR2T: 8,
};

/** An ISID of the random form (RFC 7143 §11.12.5): type 10b, 24 random bits, a qualifier. */
export function isidBytes(isid: Isid | undefined): Uint8Array {
  if (isid !== undefined) return encodeIsid(isid);
  const bytes = randomBytes(5);
  return encodeIsid({ form: "random", random: bytes.readUIntBE(0, 3), qualifier: bytes.readUInt16BE(3) });
}

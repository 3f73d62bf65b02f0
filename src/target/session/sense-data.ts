import { ScsiStatus, SenseKey } from "#scsi";
import type { Outcome } from "../scsi/plan.ts";

/** Data-Out PDUs out of sequence: DATA PHASE ERROR, and the command may be tried again (RFC 7143, section 7.9). */
export const dataPhaseError: Outcome = {
  status: ScsiStatus.CheckCondition,
  sense: { key: SenseKey.AbortedCommand, asc: 0x4b, ascq: 0x00 },
};

/** Data that was lost on the way and could not be had again: PROTOCOL SERVICE CRC ERROR (section 11.4.7.2). */
export const crcError: Outcome = {
  status: ScsiStatus.CheckCondition,
  sense: { key: SenseKey.AbortedCommand, asc: 0x47, ascq: 0x05 },
};

/** Sense data in a SCSI Response begins with its length (RFC 7143, section 11.4.7). */
export function withLength(sense: Uint8Array): Uint8Array {
  const out = Buffer.alloc(2 + sense.length);
  out.writeUInt16BE(sense.length);
  out.set(sense, 2);
  return out;
}

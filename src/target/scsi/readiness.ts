import { SenseKey, type CdbName, type Sense } from "#scsi";
import type { LogicalUnit } from "./logical-unit.ts";
import type { Nexus } from "./nexus.ts";

/** Commands that a pending unit attention does not stop (SAM-5, section 5.14). */
export const passesAttention: ReadonlySet<CdbName> = new Set(["inquiry", "reportLuns", "requestSense"]);

/** Commands that work without a medium. */
export const passesNotReady: ReadonlySet<CdbName> = new Set([
  "inquiry",
  "reportLuns",
  "requestSense",
  "startStopUnit",
  "preventAllowMediumRemoval",
  "modeSense6",
  "modeSense10",
  "modeSelect6",
  "modeSelect10",
  "reserve6",
  "release6",
  "reserve10",
  "release10",
  "prinReadKeys",
  "prinReadReservation",
  "prinReportCapabilities",
  "prinReadFullStatus",
  "proutRegister",
  "proutReserve",
  "proutRelease",
  "proutClear",
  "proutPreempt",
  "proutPreemptAndAbort",
  "proutRegisterAndIgnore",
  "proutRegisterAndMove",
  "reportSupportedOperationCodes",
  "reportSupportedTaskManagement",
  "getConfiguration",
  "getEventStatusNotification",
]);

/** Commands that work while a unit is being sanitized (SBC-4, section 4.11.2). */
export const passesSanitize: ReadonlySet<CdbName> = new Set([
  "inquiry",
  "reportLuns",
  "requestSense",
  "prinReadKeys",
  "prinReadReservation",
  "prinReportCapabilities",
  "prinReadFullStatus",
  "reportSupportedOperationCodes",
  "reportSupportedTaskManagement",
  "sanitizeExitFailureMode",
]);

/** Why a unit cannot work with its medium now, if so. */
export function notReady(unit: LogicalUnit): Sense | undefined {
  const { sanitize } = unit;
  if (sanitize?.state === "running")
    return { key: SenseKey.NotReady, asc: 0x04, ascq: 0x1b, progress: sanitize.progress };
  if (sanitize?.state === "failed") return { key: SenseKey.MediumError, asc: 0x31, ascq: 0x03 };
  if (unit.ejected) return { key: SenseKey.NotReady, asc: 0x3a, ascq: 0x00 };
  if (!unit.started) return { key: SenseKey.NotReady, asc: 0x04, ascq: 0x02 };
  return undefined;
}

/** What REQUEST SENSE answers: a unit attention, then the state of the unit. */
export function currentSense(unit: LogicalUnit, nexus: Nexus): Sense {
  return unit.takeAttention(nexus) ?? notReady(unit) ?? { key: SenseKey.NoSense, asc: 0, ascq: 0 };
}

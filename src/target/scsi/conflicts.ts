import { cdbSpecs, type Cdb, type CdbName } from "#scsi";
import type { LogicalUnit } from "./logical-unit.ts";
import type { Nexus } from "./nexus.ts";

/** Commands that a reservation of another never stops (SPC-4, table 66). */
const alwaysAllowed: ReadonlySet<CdbName> = new Set([
  "inquiry",
  "reportLuns",
  "requestSense",
  "testUnitReady",
  "readCapacity10",
  "readCapacity16",
  "reportSupportedOperationCodes",
  "reportSupportedTaskManagement",
  "prinReadKeys",
  "prinReadReservation",
  "prinReportCapabilities",
  "prinReadFullStatus",
  "proutRegister",
  "proutRegisterAndIgnore",
  "proutReserve",
  "proutRelease",
  "proutClear",
  "proutPreempt",
  "proutPreemptAndAbort",
  "proutRegisterAndMove",
  "getConfiguration",
  "getEventStatusNotification",
]);

/** Commands that only look, and count as reads for a reservation though they move no data in. */
const reading: ReadonlySet<CdbName> = new Set([
  "verify10",
  "verify12",
  "verify16",
  "prefetch10",
  "prefetch16",
  "release6",
  "release10",
]);

/** Commands that RESERVE(6) of another nexus does not stop (SPC-2, section 5.5.1). */
const allowedWhileReserved: ReadonlySet<CdbName> = new Set([
  "inquiry",
  "reportLuns",
  "requestSense",
  "release6",
  "release10",
]);

/** Whether a reservation held by another keeps this command from running. */
export function conflicts(unit: LogicalUnit, nexus: Nexus, cdb: Cdb): boolean {
  if (unit.reservedBy !== undefined && unit.reservedBy !== nexus)
    return !allowedWhileReserved.has(cdb.command);
  const { reservations } = unit;
  // RESERVE(6) and persistent reservations exclude each other (SPC-4, section 5.12.3).
  if (cdb.command === "reserve6" || cdb.command === "reserve10")
    return reservations.keys.length > 0 && reservations.keyOf(nexus.port) === undefined;
  if (reservations.reservation === undefined || alwaysAllowed.has(cdb.command)) return false;
  if (cdb.command === "preventAllowMediumRemoval")
    return cdb.prevent !== 0 && reservations.conflicts(nexus.port, "write");
  const looks = cdbSpecs[cdb.command].direction === "in" || reading.has(cdb.command);
  return reservations.conflicts(nexus.port, looks ? "read" : "write");
}

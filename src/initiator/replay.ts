import { cdbName, type CdbName } from "#scsi";

/**
 * Commands whose second execution leaves everything as the first did, so that they may be sent again when nobody knows
 * whether the first got through. Reservations, COMPARE AND WRITE, EXTENDED COPY and commands unknown here are not
 * among them.
 */
const repeatable: ReadonlySet<CdbName> = new Set<CdbName>([
  "testUnitReady",
  "requestSense",
  "inquiry",
  "reportLuns",
  "modeSense6",
  "modeSense10",
  "readCapacity10",
  "readCapacity16",
  "read6",
  "read10",
  "read12",
  "read16",
  "write6",
  "write10",
  "write12",
  "write16",
  "verify10",
  "verify12",
  "verify16",
  "writeAndVerify10",
  "writeAndVerify12",
  "writeAndVerify16",
  "writeSame10",
  "writeSame16",
  "unmap",
  "synchronizeCache10",
  "synchronizeCache16",
  "getLbaStatus",
  "prinReadKeys",
  "prinReadReservation",
  "prinReportCapabilities",
  "prinReadFullStatus",
  "prefetch10",
  "prefetch16",
  "orWrite16",
  "writeAtomic16",
  "reportSupportedOperationCodes",
]);

export function isRepeatable(cdb: Uint8Array): boolean {
  const name = cdbName(cdb);
  return name !== undefined && repeatable.has(name);
}

import { cdbSpecs, decodeCdb, type Cdb } from "#scsi";
import {
  CommandFailure,
  invalidField,
  invalidOpcode,
  reservationConflict,
  unsupportedLun,
  checkCondition,
  writeProtected,
} from "./check.ts";
import { commandTable } from "./command-table.ts";
import { inquiryOfNothing } from "./commands/inquiry.ts";
import { readBlocks, writeBlocks } from "./commands/read-write.ts";
import { reportLuns, requestSense } from "./commands/report.ts";
import { conflicts } from "./conflicts.ts";
import type { LogicalUnit } from "./logical-unit.ts";
import type { Nexus } from "./nexus.ts";
import type { Plan } from "./plan.ts";
import { notReady, passesAttention, passesNotReady, passesSanitize } from "./readiness.ts";
import type { DeviceServer, Handler } from "./request.ts";

/** Decides what carrying out a command takes; never throws. `unit` is undefined where the LUN has none. */
export function planCommand(
  server: DeviceServer,
  unit: LogicalUnit | undefined,
  nexus: Nexus,
  bytes: Uint8Array,
): Plan {
  try {
    if (unit === undefined || unit.absent) return planWithoutUnit(server, bytes);
    return planPlain(unit, nexus, bytes) ?? planAny(server, unit, nexus, bytes);
  } catch (error) {
    if (error instanceof CommandFailure) return { kind: "done", outcome: error.outcome };
    throw error;
  }
}

/** READ and WRITE of 10 and 16 bytes in the usual state of a unit, without decoding every field: the hot path. */
function planPlain(unit: LogicalUnit, nexus: Nexus, cdb: Uint8Array): Plan | undefined {
  const opcode = cdb[0] ?? 0;
  if (opcode !== 0x28 && opcode !== 0x2a && opcode !== 0x88 && opcode !== 0x8a) return undefined;
  if (!unit.isPlain(nexus) || (cdb[opcode > 0x80 ? 15 : 9] ?? 0) !== 0) return undefined;
  const long = opcode > 0x80;
  const lba = long ? u32(cdb, 2) * 2 ** 32 + u32(cdb, 6) : u32(cdb, 2);
  const blocks = long ? u32(cdb, 10) : ((cdb[7] ?? 0) << 8) | (cdb[8] ?? 0);
  const protect = (cdb[1] ?? 0) >> 5;
  const cdbLength = long ? 16 : 10;
  if (opcode === 0x28 || opcode === 0x88) return readBlocks(unit, lba, blocks, protect, cdbLength);
  if (unit.type !== "disk") return undefined;
  if (unit.writeProtected) throw writeProtected();
  return writeBlocks(unit, lba, blocks, { protect, fua: ((cdb[1] ?? 0) & 0x08) !== 0, cdbLength });
}

function planAny(server: DeviceServer, unit: LogicalUnit, nexus: Nexus, bytes: Uint8Array): Plan {
  const cdb = decodeCdb(bytes);
  const handler =
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table ties each handler to its command
    cdb === undefined ? undefined : (commandTable[unit.type][cdb.command] as Handler | undefined);
  if (cdb === undefined || handler === undefined) throw unknownCommand(unit, bytes);
  if (!passesAttention.has(cdb.command)) {
    const attention = unit.takeAttention(nexus);
    if (attention !== undefined) throw checkCondition(attention);
  }
  if (conflicts(unit, nexus, cdb)) throw reservationConflict();
  // NACA: auto contingent allegiance is not supported (NORMACA is zero in INQUIRY).
  if ((cdb.control & 0x04) !== 0) throw invalidField(cdbSpecs[cdb.command].length - 1, 2);
  if (!(unit.sanitize === undefined ? passesNotReady : passesSanitize).has(cdb.command)) {
    const sense = notReady(unit);
    if (sense !== undefined) throw checkCondition(sense);
  }
  if (changesMedium(cdb) && unit.writeProtected) throw writeProtected();
  return handler({ server, unit, nexus, cdb, bytes });
}

function planWithoutUnit(server: DeviceServer, bytes: Uint8Array): Plan {
  const cdb = decodeCdb(bytes);
  if (cdb?.command === "inquiry") {
    if (cdb.vital || cdb.page !== 0) throw invalidField(1, 0);
    return inquiryOfNothing(cdb.allocationLength);
  }
  if (cdb?.command === "reportLuns") return reportLuns(server, cdb.select, cdb.allocationLength);
  const failure = unsupportedLun();
  if (cdb?.command === "requestSense" && failure.outcome.sense !== undefined)
    return requestSense(failure.outcome.sense, cdb);
  throw failure;
}

/** An unknown service action of a known operation code is an invalid field, not an invalid command. */
function unknownCommand(unit: LogicalUnit, bytes: Uint8Array): CommandFailure {
  const table = commandTable[unit.type];
  const shared = Object.entries(cdbSpecs).some(
    ([name, spec]) =>
      Object.hasOwn(table, name) && spec.opcode === bytes[0] && spec.serviceAction !== undefined,
  );
  return shared ? invalidField(1, 4) : invalidOpcode();
}

const writing: ReadonlySet<string> = new Set([
  "write6",
  "write10",
  "write12",
  "write16",
  "writeAtomic16",
  "writeAndVerify10",
  "writeAndVerify12",
  "writeAndVerify16",
  "orWrite16",
  "compareAndWrite",
  "unmap",
  "writeSame10",
  "writeSame16",
  "sanitizeOverwrite",
  "sanitizeBlockErase",
  "sanitizeCryptographicErase",
]);
const changesMedium = (cdb: Cdb) => writing.has(cdb.command);

const u32 = (bytes: Uint8Array, at: number) =>
  (((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)) >>>
  0;

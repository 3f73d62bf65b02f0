import type { Cdb, CdbName, Designator } from "#scsi";
import { invalidField, lbaOutOfRange } from "./check.ts";
import type { LogicalUnit } from "./logical-unit.ts";
import type { Nexus } from "./nexus.ts";
import type { Plan } from "./plan.ts";

/** What a command may ask of the target it came to. */
export interface DeviceServer {
  readonly name: string;
  readonly portalGroup: number;
  /** All units by their number. */
  readonly units: ReadonlyMap<number, LogicalUnit>;
  /** Ends the tasks of a nexus on a unit, as PREEMPT AND ABORT asks; resolves when they have ended. */
  abortTasks(unit: LogicalUnit, ports: readonly string[]): Promise<void>;
}

/** One command on its way to be carried out. */
export interface Request<Name extends CdbName = CdbName> {
  readonly server: DeviceServer;
  readonly unit: LogicalUnit;
  readonly nexus: Nexus;
  readonly cdb: Cdb<Name>;
  /** The CDB as it came. */
  readonly bytes: Uint8Array;
}

export type Handler<Name extends CdbName = CdbName> = (request: Request<Name>) => Plan;
/** The commands that a device type knows. */
export type Handlers = { readonly [Name in CdbName]?: Handler<Name> };

/** Bytes that one READ or WRITE may move: what VPD page B0 states as its maximum transfer length. */
export const maxTransferBytes = 32 * 1024 * 1024;

/** LBA OUT OF RANGE for blocks past the end; a length of zero may start right behind the last block. */
export function checkRange(unit: LogicalUnit, lba: number, blocks: number): void {
  if (lba + blocks > unit.blocks || lba > unit.blocks) throw lbaOutOfRange();
}

/** Protection information was asked for, and no unit has it. */
export function checkProtection(field: number): void {
  if (field !== 0) throw invalidField(1, 7);
}

/** More than a command may move at once. */
export function checkTransferLength(unit: LogicalUnit, blocks: number, byte: number): void {
  if (blocks * unit.blockSize > maxTransferBytes) throw invalidField(byte);
}

/** The unit that a designator names, as copy commands look for it. */
export function findUnit(server: DeviceServer, designator: Designator): LogicalUnit | undefined {
  const value = Buffer.from(designator.value);
  return [...server.units.values()].find((unit) => {
    const naa = Buffer.from(unit.identity.naa, "hex");
    const t10 = Buffer.from(`${unit.identity.vendor.padEnd(8)}${unit.identity.serial}`);
    return designator.association === 0 && (value.equals(naa) || value.equals(t10));
  });
}

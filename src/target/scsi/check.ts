import { ScsiStatus, SenseKey, type Sense, type SenseField } from "#scsi";
import type { Outcome } from "./plan.ts";

/** Thrown by a command that ends with anything but GOOD; carries the outcome. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super("the command ends with a status other than GOOD");
    this.outcome = outcome;
  }
}

export const checkCondition = (sense: Sense): CommandFailure =>
  new CommandFailure({ status: ScsiStatus.CheckCondition, sense });

const illegal =
  (asc: number, ascq: number) =>
  (field?: SenseField): CommandFailure =>
    checkCondition({ key: SenseKey.IllegalRequest, asc, ascq, ...(field !== undefined && { field }) });

export const invalidOpcode = illegal(0x20, 0x00);
export const lbaOutOfRange = illegal(0x21, 0x00);
const invalidInCdb = illegal(0x24, 0x00);
export const unsupportedLun = illegal(0x25, 0x00);
const invalidInList = illegal(0x26, 0x00);
export const parameterListLengthError = illegal(0x1a, 0x00);
export const savingNotSupported = illegal(0x39, 0x00);
export const invalidRelease = illegal(0x26, 0x04);
export const insufficientRegistrations = illegal(0x55, 0x04);
export const mediumRemovalPrevented = illegal(0x53, 0x02);

/** INVALID FIELD IN CDB, with the byte and bit that are wrong. */
export const invalidField = (byte: number, bit?: number): CommandFailure =>
  invalidInCdb({ inCdb: true, byte, ...(bit !== undefined && { bit }) });
/** INVALID FIELD IN PARAMETER LIST. */
export const invalidParameter = (byte: number): CommandFailure => invalidInList({ inCdb: false, byte });

export const reservationConflict = (): CommandFailure =>
  new CommandFailure({ status: ScsiStatus.ReservationConflict });
export const writeProtected = (): CommandFailure =>
  checkCondition({ key: SenseKey.DataProtect, asc: 0x27, ascq: 0x00 });

/** What a failed operation of the device under a logical unit is to the initiator. */
export function deviceFailure(error: unknown, doing: "read" | "write"): Outcome {
  if (error instanceof CommandFailure) return error.outcome;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const sense: Sense =
    code === "ENOSPC"
      ? { key: SenseKey.DataProtect, asc: 0x27, ascq: 0x07 }
      : doing === "read"
        ? { key: SenseKey.MediumError, asc: 0x11, ascq: 0x00 }
        : { key: SenseKey.MediumError, asc: 0x0c, ascq: 0x00 };
  return { status: ScsiStatus.CheckCondition, sense };
}

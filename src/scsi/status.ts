/** Status codes of SAM-5, section 5.3.1. */
export const ScsiStatus = {
  Good: 0x00,
  CheckCondition: 0x02,
  ConditionMet: 0x04,
  Busy: 0x08,
  ReservationConflict: 0x18,
  TaskSetFull: 0x28,
  AcaActive: 0x30,
  TaskAborted: 0x40,
} as const;
export type ScsiStatus = (typeof ScsiStatus)[keyof typeof ScsiStatus];

const names: Readonly<Record<number, string>> = {
  [ScsiStatus.Good]: "GOOD",
  [ScsiStatus.CheckCondition]: "CHECK CONDITION",
  [ScsiStatus.ConditionMet]: "CONDITION MET",
  [ScsiStatus.Busy]: "BUSY",
  [ScsiStatus.ReservationConflict]: "RESERVATION CONFLICT",
  [ScsiStatus.TaskSetFull]: "TASK SET FULL",
  [ScsiStatus.AcaActive]: "ACA ACTIVE",
  [ScsiStatus.TaskAborted]: "TASK ABORTED",
};

/** The standard's word for a status byte; an unknown one as hexadecimal. */
export function scsiStatusName(status: number): string {
  return names[status] ?? `status 0x${status.toString(16).padStart(2, "0")}`;
}

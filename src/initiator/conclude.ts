import { encodeLun, TmfFunction, type LunValue } from "ts-iscsi-pdu";
import { TransportError } from "./errors.ts";
import type { TmfOptions } from "./requests.ts";
import { ScsiTask } from "./scsi-task.ts";
import type { TaskTable } from "./task-table.ts";

const ofOneUnit: ReadonlySet<number> = new Set([
  TmfFunction.AbortTaskSet,
  TmfFunction.ClearTaskSet,
  TmfFunction.LogicalUnitReset,
]);
const ofAllUnits: ReadonlySet<number> = new Set([
  TmfFunction.TargetWarmReset,
  TmfFunction.TargetColdReset,
  TmfFunction.ItNexusReset,
]);

/** The commands out now that a management function ends without a word to each, once it is complete (RFC 7143 §4.2.3.3). */
export function tasksEndedBy(tasks: TaskTable, { function: code, lun = 0 }: TmfOptions): readonly ScsiTask[] {
  if (ofAllUnits.has(code)) return commands(tasks);
  return ofOneUnit.has(code) ? tasksOf(tasks, lun) : [];
}

/** The commands of a logical unit that are out now. */
export function tasksOf(tasks: TaskTable, lun: LunValue): readonly ScsiTask[] {
  const unit = bytesOf(lun);
  return commands(tasks).filter((task) => bytesOf(task.command.lun).equals(unit));
}

/** Ends commands that the target has aborted; what it still has on its way for them goes nowhere. */
export function conclude(tasks: TaskTable, ended: readonly ScsiTask[], why: string): void {
  for (const task of ended) {
    if (!tasks.giveUp(task)) continue;
    task.fail(new TransportError("TASK_ABORTED", `${task.title}: the target has aborted it: ${why}`));
  }
}

const commands = (tasks: TaskTable) => tasks.all().filter((task) => task instanceof ScsiTask);

function bytesOf(lun: LunValue): Buffer {
  const bytes = Buffer.alloc(8);
  encodeLun(bytes, 0, lun);
  return bytes;
}

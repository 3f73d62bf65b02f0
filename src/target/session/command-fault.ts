import { ScsiStatus, cdbTitle, decodeCdb } from "#scsi";
import type { Plan } from "../scsi/plan.ts";
import type { ScsiTask } from "./scsi-task.ts";

/** What becomes of a command when faults are in force: what a rule says, or what it would have been. */
export async function commandFault(task: ScsiTask, plan: () => Plan): Promise<Plan> {
  const cdb = decodeCdb(task.cdb);
  const shot = task.connection.fault({
    point: "scsi",
    command: cdbTitle(task.cdb),
    lun: task.lun,
    ...(cdb !== undefined && "lba" in cdb && { lba: cdb.lba }),
    ...(cdb !== undefined && "blocks" in cdb && { blocks: cdb.blocks }),
  });
  if (shot === undefined) return plan();
  const { action } = shot;
  if (action.kind === "status") return { kind: "done", outcome: { status: action.status } };
  if (action.kind === "sense") {
    const { key, asc, ascq } = action;
    return { kind: "done", outcome: { status: ScsiStatus.CheckCondition, sense: { key, asc, ascq } } };
  }
  if (action.kind === "remove-lun" && task.unit !== undefined) task.unit.absent = true;
  if (action.kind === "stall") await task.abortion;
  if (action.kind === "delay") await pause(action.milliseconds, task.abortion);
  task.connection.applyAnywhere(action);
  return plan();
}

/** Waits, but not longer than until the task is aborted. */
async function pause(milliseconds: number, until: Promise<undefined>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const elapsed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([elapsed, until]);
  clearTimeout(timer);
}

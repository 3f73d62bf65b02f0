import { withTimeout } from "#core";
import { Opcode, TmfFunction, type AnyPdu } from "ts-iscsi-pdu";
import type { Connection } from "./connection.ts";
import type { Pending } from "./pending.ts";
import { TmfRequest } from "./requests.ts";
import type { ScsiTask } from "./scsi-task.ts";
import type { SessionCore } from "./session-core.ts";

const abortTimeoutMs = 5000;

/**
 * Ends a command from this side. One that was sent is aborted at the target, and its promise rejects only when the
 * target has answered: until then bytes may still go into or come out of the caller's buffers. A target that does not
 * answer loses the connection.
 */
export async function abortTask(core: SessionCore, task: ScsiTask, reason: Error): Promise<void> {
  if (task.settled) return;
  if (core.withdraw(task)) {
    task.fail(reason);
    return;
  }
  const { connection } = task;
  if (connection === undefined) {
    task.fail(reason);
    return;
  }
  task.discard();
  const request = new TmfRequest({
    function: TmfFunction.AbortTask,
    lun: task.command.lun,
    referencedTaskTag: task.itt,
    refCmdSn: task.cmdSn,
  });
  core.submit(request, connection);
  try {
    await withTimeout("ABORT TASK", abortTimeoutMs, () => request.result.promise);
    if (core.tasks.get(task.itt) === task) core.tasks.replace(task, new AbortedTask(task));
    task.fail(reason);
  } catch (error) {
    task.fail(reason);
    connection.fail(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Swallows what the target may still have on its way for a task that it has aborted. */
export class AbortedTask implements Pending {
  itt: number;
  cmdSn: number;
  connection: Connection | undefined;
  readonly immediate = false;
  readonly title: string;

  constructor(task: ScsiTask) {
    this.itt = task.itt;
    this.cmdSn = task.cmdSn;
    this.connection = task.connection;
    this.title = `aborted ${task.title}`;
  }

  begin(): void {}

  place(): null {
    return null;
  }

  receive(pdu: AnyPdu): boolean {
    return pdu.opcode === Opcode.ScsiResponse || (pdu.opcode === Opcode.DataIn && pdu.hasStatus);
  }

  fail(): void {}
}

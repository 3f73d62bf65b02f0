import { withTimeout } from "#core";
import { TmfFunction } from "ts-iscsi-pdu";
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
    core.tasks.giveUp(task);
    task.fail(reason);
  } catch (error) {
    task.fail(reason);
    connection.fail(error instanceof Error ? error : new Error(String(error)));
  }
}

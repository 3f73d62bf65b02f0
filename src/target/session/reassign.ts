import { TmfResponseCode, type TmfRequestView } from "ts-iscsi-pdu";
import type { ScsiTask } from "./scsi-task.ts";
import type { Session } from "./session.ts";

/** The answer to TASK REASSIGN, and the task that goes on once the answer is out. */
export interface Reassignment {
  readonly response: number;
  readonly task?: ScsiTask;
}

/**
 * Whether a task may go on over another connection (RFC 7143, sections 7.2.2 and 11.5.1): only after the connection it
 * belonged to was logged out for recovery.
 */
export function reassignment(session: Session, request: TmfRequestView): Reassignment {
  const { recovery } = session;
  if (recovery?.reassigns !== true) return { response: TmfResponseCode.ReassignmentNotSupported };
  const itt = request.referencedTaskTag;
  const task = session.tasks.get(itt) ?? recovery.ended(itt);
  if (task === undefined) return { response: TmfResponseCode.TaskDoesNotExist };
  if (task.lun !== request.lun) return { response: TmfResponseCode.FunctionRejected };
  if (!recovery.released(task.connection)) return { response: TmfResponseCode.TaskStillAllegiant };
  return task.mayGoOnFrom(request.expDataSn)
    ? { response: TmfResponseCode.FunctionComplete, task }
    : { response: TmfResponseCode.FunctionRejected };
}

import { RESERVED_TAG, RejectReason, SnackType, type SnackView } from "ts-iscsi-pdu";
import type { Connection } from "./connection.ts";
import type { SessionRecovery } from "./recovery.ts";
import type { ScsiTask } from "./scsi-task.ts";
import type { Session } from "./session.ts";

/** Sends again what an initiator has missed, or takes its word for what it has (RFC 7143, section 11.16). */
export function takeSnack(connection: Connection, session: Session, pdu: SnackView): void {
  const { recovery } = session;
  if (recovery === undefined) {
    connection.reject(RejectReason.SnackReject, pdu.headerBytes, "SNACK at ErrorRecoveryLevel 0");
    return;
  }
  session.report("snack", {
    session: session.number,
    connection: connection.number,
    type: pdu.type,
    begin: pdu.begRun,
    count: pdu.runLength,
  });
  const problem = answer(connection, session, recovery, pdu);
  if (problem !== undefined) connection.reject(problem, pdu.headerBytes, `SNACK of type ${pdu.type}`);
}

function answer(
  connection: Connection,
  session: Session,
  recovery: SessionRecovery,
  pdu: SnackView,
): number | undefined {
  if (pdu.type === SnackType.Status) return connection.resendStatus(pdu.begRun, pdu.runLength);
  if (pdu.type === SnackType.DataAck) {
    const task = recovery.tagged(pdu.ttt);
    if (task === undefined || !task.acknowledgeData(pdu.begRun)) return RejectReason.InvalidDataAck;
    return undefined;
  }
  const task = session.tasks.get(pdu.itt) ?? recovery.ended(pdu.itt);
  if (task === undefined || task.connection !== connection) return RejectReason.ProtocolError;
  if (pdu.type === SnackType.DataR2t) return resend(connection, recovery, task, pdu);
  if (pdu.type !== SnackType.RData) return RejectReason.InvalidPduField;
  if (pdu.begRun !== 0 || pdu.runLength !== 0 || pdu.ttt === 0 || pdu.ttt === RESERVED_TAG)
    return RejectReason.ProtocolError;
  return task.sendAnew(pdu.ttt) ? undefined : RejectReason.ProtocolError;
}

/** Data-In and R2T PDUs of a command share one numbering. */
function resend(
  connection: Connection,
  recovery: SessionRecovery,
  task: ScsiTask,
  { begRun, runLength }: SnackView,
): number | undefined {
  const from = begRun === 0 && runLength === 0 ? task.acknowledgedPdus : begRun;
  const end = runLength === 0 ? task.sentPdus : from + runLength;
  if (from < task.acknowledgedPdus || end > task.sentPdus) return RejectReason.ProtocolError;
  if (task.dataIn === undefined) return task.resendR2ts(from, end) ? undefined : RejectReason.ProtocolError;
  const run = recovery.data.run(task, from, end - from, task.sentPdus);
  if (run === undefined) return RejectReason.SnackReject;
  for (const sent of run) connection.resend(sent);
  return undefined;
}

import { Opcode, RESERVED_TAG, type AnyPdu, type NopOutView, type ScsiCommandView } from "ts-iscsi-pdu";
import type { Connection } from "./connection.ts";
import { logOut } from "./logout.ts";
import { ScsiTask } from "./scsi-task.ts";
import type { Session } from "./session.ts";
import { takeSnack } from "./snack.ts";
import { manageTasks } from "./task-management.ts";
import { answerText } from "./text.ts";

/** Reasons of a Reject (RFC 7143, section 11.17.1). */
const RejectReason = {
  Protocol: 0x04,
  NotSupported: 0x05,
  TooManyImmediate: 0x06,
  InProgress: 0x07,
  Invalid: 0x09,
} as const;

/** Takes one request of the full feature phase: now if it is immediate, otherwise in the order of its CmdSN. */
export function handleRequest(connection: Connection, session: Session, pdu: AnyPdu, data: Uint8Array): void {
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- whatever else comes is rejected
  switch (pdu.opcode) {
    case Opcode.ScsiCommand:
      takeCommand(connection, session, pdu, data);
      return;
    case Opcode.NopOut:
      takeNop(connection, session, pdu, data);
      return;
    case Opcode.TmfRequest: {
      const request = pdu.copy();
      inOrder(session, request, () => void manageTasks(connection, session, request));
      return;
    }
    case Opcode.TextRequest: {
      const request = pdu.copy();
      inOrder(session, request, () => answerText(connection, session, request, data));
      return;
    }
    case Opcode.LogoutRequest: {
      const request = pdu.copy();
      inOrder(session, request, () => void logOut(connection, session, request));
      return;
    }
    case Opcode.Snack:
      takeSnack(connection, session, pdu);
      return;
    case Opcode.LoginRequest:
      connection.reject(RejectReason.Protocol, pdu.headerBytes, "Login Request in the full feature phase");
      connection.end("protocol error");
      return;
    default:
      connection.reject(
        RejectReason.NotSupported,
        pdu.headerBytes,
        `opcode 0x${pdu.opcodeByte.toString(16)} of an initiator`,
      );
  }
}

interface Ordered {
  readonly immediate: boolean;
  readonly cmdSn: number;
}

function inOrder(session: Session, request: Ordered, deliver: () => void): void {
  if (request.immediate) deliver();
  else if (session.order.accepts(request.cmdSn)) session.order.take(request.cmdSn, deliver);
}

function takeCommand(connection: Connection, session: Session, pdu: ScsiCommandView, data: Uint8Array): void {
  // Section 4.2.2.1: outside of the window, or a second time: ignored without an answer.
  if (!pdu.immediate && !session.order.accepts(pdu.cmdSn)) return;
  const problem = commandProblem(session, pdu, data);
  if (problem !== undefined) {
    connection.reject(RejectReason.Protocol, pdu.headerBytes, problem);
    connection.end("protocol error");
    return;
  }
  if (session.type === "Discovery") {
    connection.reject(RejectReason.Protocol, pdu.headerBytes, "a SCSI Command in a discovery session");
    return;
  }
  if (session.tasks.has(pdu.itt)) {
    connection.reject(
      RejectReason.InProgress,
      pdu.headerBytes,
      `a task with the tag 0x${pdu.itt.toString(16)} is in progress`,
    );
    return;
  }
  if (pdu.immediate && session.tasks.size > 2 * session.limits.queueDepth) {
    connection.reject(RejectReason.TooManyImmediate, pdu.headerBytes, "too many immediate commands");
    return;
  }
  const task = new ScsiTask(session, connection, pdu, data);
  session.addTask(task);
  if (pdu.immediate) task.start();
  else session.order.take(pdu.cmdSn, () => task.start());
}

/** What makes a SCSI Command impossible to carry out at all (RFC 7143, sections 11.3.1 and 11.3.4). */
function commandProblem(session: Session, pdu: ScsiCommandView, data: Uint8Array): string | undefined {
  const { ImmediateData, InitialR2T, FirstBurstLength } = session.params;
  if (pdu.itt === RESERVED_TAG) return "a SCSI Command with the reserved tag";
  if (!pdu.write && (data.length > 0 || !pdu.final)) return "data for a command that writes nothing";
  if (data.length > 0 && !ImmediateData) return "immediate data, which was not agreed on";
  if (data.length > Math.min(FirstBurstLength, pdu.edtl))
    return `${data.length} bytes of immediate data are too many`;
  if (!pdu.final && InitialR2T) return "unsolicited data, which was not agreed on";
  return undefined;
}

/** Echoes a ping; takes the answer to one of this side's (RFC 7143, section 11.18). */
function takeNop(connection: Connection, session: Session, pdu: NopOutView, data: Uint8Array): void {
  if (pdu.ttt !== RESERVED_TAG && pdu.ttt === connection.pingTag) connection.pingTag = undefined;
  const { itt } = pdu;
  const lun = pdu.lunBytes.slice();
  const answer = () => {
    if (itt === RESERVED_TAG) return;
    session.report("nop", { session: session.number, from: "initiator", bytes: data.length });
    const echo = data.subarray(0, connection.maxSendSegment);
    connection.sendStatus({ opcode: Opcode.NopIn, itt, ttt: RESERVED_TAG, lun }, echo);
  };
  inOrder(session, pdu, answer);
}

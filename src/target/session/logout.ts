import { Opcode, type LogoutRequestView } from "ts-iscsi-pdu";
import type { Connection } from "./connection.ts";
import type { Session } from "./session.ts";

const Reason = { CloseSession: 0, CloseConnection: 1, RecoverConnection: 2 } as const;
const Response = { Closed: 0, NoSuchConnection: 1, NoRecovery: 2 } as const;

/** Logs out a session or a connection (RFC 7143, section 11.14); tasks that are still going on end first. */
export async function logOut(
  connection: Connection,
  session: Session,
  request: LogoutRequestView,
): Promise<void> {
  const { reason, cid } = request;
  if (reason === Reason.CloseSession) {
    await session.abortTasks(() => true);
    answer(connection, session, request.itt, Response.Closed);
    session.close("logout");
    return;
  }
  const other = session.connections.get(cid);
  if (reason === Reason.RecoverConnection && session.params.ErrorRecoveryLevel < 2) {
    answer(connection, session, request.itt, Response.NoRecovery);
    return;
  }
  if (reason === Reason.RecoverConnection && other !== connection) {
    const known = session.logOutForRecovery(cid, request.expStatSn);
    answer(connection, session, request.itt, known ? Response.Closed : Response.NoSuchConnection);
    return;
  }
  if (other === undefined) {
    answer(connection, session, request.itt, Response.NoSuchConnection);
    return;
  }
  if (reason === Reason.RecoverConnection) {
    answer(connection, session, request.itt, Response.Closed);
    session.logOutForRecovery(cid, request.expStatSn);
    return;
  }
  await session.abortTasks((task) => task.connection === other);
  answer(connection, session, request.itt, Response.Closed);
  other.end("logout");
}

function answer(connection: Connection, session: Session, itt: number, response: number): void {
  connection.sendStatus({
    opcode: Opcode.LogoutResponse,
    itt,
    response,
    time2Wait: session.params.DefaultTime2Wait,
    time2Retain: session.params.DefaultTime2Retain,
  });
}

import type { Report } from "#core";
import { LogoutReason, LogoutResponseCode, logoutResponses } from "ts-iscsi-pdu";
import type { Connection } from "./connection.ts";
import { PeerProtocolError, TransportError } from "./errors.ts";
import { login, type LoggedIn, type LoginOptions } from "./login.ts";
import { logOut } from "./parting.ts";
import { reconnect } from "./reconnect.ts";
import { LogoutRequest, type LogoutResult } from "./requests.ts";
import type { SessionCore } from "./session-core.ts";
import type { RecoveryOptions } from "./session-options.ts";
import { formatPortal } from "./url.ts";

export interface ConnectionRecoveryOptions {
  readonly core: SessionCore;
  readonly login: LoginOptions;
  readonly recovery: RecoveryOptions;
  /** The login that made the session. */
  readonly session: LoggedIn;
  /** Seconds that the target asked for when it dropped the connection. */
  readonly time2Wait: number | undefined;
  /** Ends when the session does, or is made anew. */
  readonly signal: AbortSignal;
  readonly report: Report | undefined;
}

/** Whether only the connection failed, and neither the session nor the target's grasp of the protocol. */
export function isConnectionFailure(error: Error): boolean {
  if (error instanceof PeerProtocolError)
    return error.violation.code.endsWith("_DIGEST") || error.violation.code === "PDU_RESYNC";
  return error instanceof TransportError && failures.has(error.code);
}

const failures = new Set(["CONNECTION_LOST", "CONNECTION_CLOSED", "NO_ANSWER", "SNACK_REJECTED"]);

/**
 * Connection recovery (RFC 7143 §7.1.4.3): logs the lost connection out over another one where there is one, puts a new
 * connection in its place, which logs it out where that was not done (§6.3.4), and has the tasks reassigned.
 * @throws what the last login or the logout ended with; the session must then be made anew.
 */
export async function recoverConnection(lost: Connection, options: ConnectionRecoveryOptions): Promise<void> {
  const { core, login: plan, session, report } = options;
  const { DefaultTime2Wait, DefaultTime2Retain, ErrorRecoveryLevel } = core.context.values;
  const logout = await logOutLost(lost, core);
  const time2Wait = logout?.time2Wait ?? options.time2Wait ?? DefaultTime2Wait;
  const retained = AbortSignal.timeout((time2Wait + DefaultTime2Retain) * 1000);
  const signal = AbortSignal.any([options.signal, retained]);
  const { tsih, window } = session;
  const { cid, expStatSn } = lost;
  const place = { cid, tsih, itt: 0, window, errorRecoveryLevel: ErrorRecoveryLevel, expStatSn };
  await reconnect(
    () =>
      login({ ...plan, portal: lost.portal, signal }, place, ({ connection }) => {
        signal.throwIfAborted();
        const { reassigned, waiting } = core.takeOver(lost, connection);
        const portal = formatPortal(connection.portal);
        report?.("connection-recovered", { portal, cid, reassigned, unacknowledged: waiting });
      }),
    { ...options.recovery, time2Wait, signal, report },
  );
}

/** Undefined where no other connection could carry the logout to its end. */
async function logOutLost(lost: Connection, core: SessionCore): Promise<LogoutResult | undefined> {
  const [other] = core.connections;
  if (other === undefined) return undefined;
  const request = new LogoutRequest(LogoutReason.RemoveConnectionForRecovery, lost);
  const result = await logOut(core, other, request);
  const { RecoveryNotSupported, CleanupFailed } = LogoutResponseCode;
  if (result?.response === RecoveryNotSupported || result?.response === CleanupFailed) {
    const message = `${formatPortal(lost.portal)}: the target does not recover connection ${lost.cid}: ${logoutResponses.text(result.response)}`;
    throw new TransportError("RECOVERY_REFUSED", message);
  }
  return result;
}

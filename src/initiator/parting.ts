import { LogoutReason } from "ts-iscsi-pdu";
import { withTimeout } from "#core";
import type { Connection } from "./connection.ts";
import { LogoutRequest, PingRequest, type LogoutResult } from "./requests.ts";
import type { SessionCore } from "./session-core.ts";

const logoutTimeoutMs = 5000;
const momentMs = 1000;

/** Sends a Logout Request over a connection; undefined when nothing answers it in time. */
export async function logOut(
  core: SessionCore,
  connection: Connection,
  request: LogoutRequest,
): Promise<LogoutResult | undefined> {
  core.submit(request, connection);
  return await withTimeout("the answer to the logout", logoutTimeoutMs, () => request.result.promise).catch(
    () => undefined,
  );
}

/**
 * Logs a session out and closes its connections. Of several none may be busy meanwhile, or go before the target ends it:
 * Linux' own (6.1), which ends them one after the other, crashes when one goes by itself, and that is what it does on
 * the first PDU behind the logout.
 */
export async function part(core: SessionCore): Promise<LogoutResult | undefined> {
  const others = core.connections.slice(1);
  await aMoment(others.map((each) => settled(core, each)));
  const [connection] = core.connections;
  const request = new LogoutRequest(LogoutReason.CloseSession);
  const result = connection && (await logOut(core, connection, request));
  if (result?.response === 0 && others.length > 0) await aMoment(core.connections.map(({ over }) => over));
  await Promise.all(core.connections.map((each) => each.close()));
  return result;
}

/** Resolves when the target has read all that was sent on a connection. */
async function settled(core: SessionCore, connection: Connection): Promise<void> {
  const ping = new PingRequest(new Uint8Array(0));
  core.submit(ping, connection);
  await ping.result.promise;
}

/** Waits for all of `what`, however it ends, but not for long. */
async function aMoment(what: readonly Promise<void>[]): Promise<void> {
  const all = Promise.allSettled(what);
  await withTimeout("the connections", momentMs, () => all).catch(() => undefined);
}

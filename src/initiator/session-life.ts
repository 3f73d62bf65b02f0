import { AsyncEvent, LogoutReason, Opcode, RejectReason, rejectReasons } from "ts-iscsi-pdu";
import { errorMessage, SanlabError, withTimeout } from "#core";
import { CommandTimeout } from "./command-timeout.ts";
import type { Connection } from "./connection.ts";
import { TransportError } from "./errors.ts";
import type { AsyncNotice, RejectNotice } from "./full-feature.ts";
import { Keepalive } from "./keepalive.ts";
import { login, type LoggedIn, type LoginOptions } from "./login.ts";
import { reconnect } from "./reconnect.ts";
import { LogoutRequest, type LogoutResult } from "./requests.ts";
import { ScsiTask } from "./scsi-task.ts";
import { SessionCore, type SessionEvents } from "./session-core.ts";
import type { RecoveryOptions } from "./session-options.ts";
import { TextRequest } from "./text-request.ts";
import { formatPortal } from "./url.ts";

const logoutTimeoutMs = 5000;
const immediateRetryMs = 100;
const loginTag = 0;

export interface LifeOptions {
  readonly login: LoginOptions;
  readonly recovery: RecoveryOptions;
  readonly connections: number;
  readonly keepaliveMs: number;
  readonly commandTimeoutMs: number;
}

/**
 * How a session comes to be, what it does when a connection breaks or the target wants something, and how it ends.
 * The commands in between are the core's.
 */
export class SessionLife implements SessionEvents {
  readonly core: SessionCore;
  readonly #options: LifeOptions;
  readonly #watches: readonly Disposable[];
  readonly #ended = new AbortController();
  #logged: LoggedIn;
  /** Seconds that the target asked to be left alone, said in parting. */
  #time2Wait: number | undefined;

  private constructor(options: LifeOptions, first: LoggedIn) {
    this.#options = options;
    this.#logged = first;
    this.core = new SessionCore(first, options.login.report, this);
    this.#watches = [
      new Keepalive(this.core, options.keepaliveMs),
      new CommandTimeout(this.core, options.commandTimeoutMs),
    ];
  }

  static async begin(options: LifeOptions): Promise<SessionLife> {
    let life: SessionLife | undefined;
    await login(options.login, { cid: 0, tsih: 0, itt: loginTag }, (logged) => {
      life = new SessionLife(options, logged);
    });
    if (life === undefined)
      throw new TransportError("CONNECTION_CLOSED", "the login ended without a session");
    try {
      await life.#join(options.login.signal);
    } catch (error) {
      await life.end().catch(() => undefined);
      throw error;
    }
    return life;
  }

  /** The login that made the session what it is now. */
  get logged(): LoggedIn {
    return this.#logged;
  }

  /** Closes the session in an orderly way; see `Session.logout`. */
  async end(): Promise<LogoutResult | undefined> {
    const { core } = this;
    for (const watch of this.#watches) watch[Symbol.dispose]();
    if (core.state === "closed" || core.state === "closing") return undefined;
    const where = formatPortal(this.#logged.connection.portal);
    const over = new TransportError("SESSION_CLOSED", `${where}: the session was logged out`);
    this.#ended.abort(over);
    core.closing();
    const [connection] = core.connections;
    const result = connection && (await this.#sendLogout(connection));
    await Promise.all(core.connections.map((each) => each.close()));
    core.close(over);
    if (result !== undefined && result.response !== 0) {
      throw new TransportError(
        "LOGOUT_REFUSED",
        `${where}: the target answers the logout with code ${result.response}`,
      );
    }
    return result;
  }

  lost(error: Error): void {
    void this.#recover(error);
  }

  asyncEvent(connection: Connection, { event, parameter2 }: AsyncNotice): void {
    if (event === AsyncEvent.RequestLogout) void this.#leaveAndReturn(connection);
    if (event === AsyncEvent.DropConnection || event === AsyncEvent.DropAllConnections)
      this.#time2Wait = parameter2;
    if (event === AsyncEvent.RequestNegotiation) this.#declareAgain(connection);
  }

  /** A refused command is over; a refused immediate request may be sent again; what else is refused only reports. */
  rejected(connection: Connection, { reason, opcode, itt }: RejectNotice): void {
    const text = rejectReasons.text(reason);
    if (opcode === Opcode.Snack) {
      // What is missing will not come again: only a new session helps (RFC 7143 §7.10).
      const message = `${formatPortal(connection.portal)}: SNACK rejected: ${text}`;
      connection.fail(new TransportError("SNACK_REJECTED", message));
      return;
    }
    const task = this.core.tasks.get(itt);
    if (task === undefined || reason === RejectReason.DataDigestError || opcode === Opcode.DataOut) return;
    this.core.tasks.remove(task);
    if (reason === RejectReason.ImmediateCommandReject && !(task instanceof ScsiTask)) {
      setTimeout(() => this.core.submit(task), immediateRetryMs);
      return;
    }
    task.fail(
      new SanlabError("REJECTED", `${task.title}: the target rejects it: ${text}`, { details: { reason } }),
    );
  }

  async #sendLogout(connection: Connection): Promise<LogoutResult | undefined> {
    const request = new LogoutRequest(LogoutReason.CloseSession);
    this.core.submit(request, connection);
    return await withTimeout("the answer to the logout", logoutTimeoutMs, () => request.result.promise).catch(
      () => undefined,
    );
  }

  /** Adds connections up to what was asked for and the target allows (RFC 7143 §6.3.3 and §13.2). */
  async #join(signal: AbortSignal | undefined): Promise<void> {
    const { connections, login: plan } = this.#options;
    const { tsih, window, values, connection } = this.#logged;
    const wanted = Math.min(connections, values.MaxConnections);
    for (let cid = 1; cid < wanted; cid++) {
      const options = { ...plan, portal: connection.portal, signal };
      await login(options, { cid, tsih, itt: loginTag, window }, (logged) =>
        this.core.add(logged.connection),
      );
    }
  }

  /** Session recovery (RFC 7143 §7.2.4): reinstates the session under its ISID. */
  async #recover(error: Error): Promise<void> {
    const { recovery, login: plan } = this.#options;
    this.core.requeue(error);
    if (recovery.attempts === 0 || plan.target === undefined) {
      this.core.close(error);
      return;
    }
    const { report } = plan;
    const { signal } = this.#ended;
    const time2Wait = this.#time2Wait ?? this.core.context.values.DefaultTime2Wait;
    this.#time2Wait = undefined;
    try {
      await reconnect(() => this.#loginAgain(), { ...recovery, time2Wait, signal, report });
      report?.("recovered", {
        portal: formatPortal(this.#logged.connection.portal),
        tsih: this.#logged.tsih,
      });
    } catch (failure) {
      const message = `${error.message}; logging in again failed: ${errorMessage(failure)}`;
      this.core.close(
        signal.aborted ? error : new TransportError("RECOVERY_FAILED", message, { cause: failure }),
      );
      return;
    }
    try {
      await this.#join(signal);
    } catch (failure) {
      report?.("join-failed", { reason: errorMessage(failure) });
    }
  }

  async #loginAgain(): Promise<LoggedIn> {
    const plan = { ...this.#options.login, portal: this.#logged.home, signal: this.#ended.signal };
    return await login(plan, { cid: 0, tsih: 0, itt: loginTag }, (logged) => {
      this.#logged = logged;
      this.core.resume(logged);
    });
  }

  /** The target asked for a logout: give it one, then come back and repeat what was in flight. */
  async #leaveAndReturn(connection: Connection): Promise<void> {
    const result = await this.#sendLogout(connection);
    this.#time2Wait = result?.time2Wait;
    const message = `${formatPortal(connection.portal)}: the target asked for a logout`;
    connection.fail(new TransportError("LOGOUT_REQUESTED", message));
  }

  #declareAgain(connection: Connection): void {
    const length = this.#options.login.wishes.MaxRecvDataSegmentLength ?? 8192;
    const request = new TextRequest([["MaxRecvDataSegmentLength", String(length)]]);
    request.result.promise.catch(() => undefined);
    this.core.submit(request, connection);
  }
}

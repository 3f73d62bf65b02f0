import { AsyncEvent, LogoutReason, Opcode, RejectReason, rejectReasons, RESERVED_TAG } from "ts-iscsi-pdu";
import { errorMessage, SanlabError } from "#core";
import { CommandTimeout } from "./command-timeout.ts";
import { conclude, tasksOf } from "./conclude.ts";
import type { Connection } from "./connection.ts";
import { isConnectionFailure, recoverConnection } from "./connection-recovery.ts";
import { TransportError } from "./errors.ts";
import type { AsyncNotice, RejectNotice } from "./full-feature.ts";
import { Keepalive } from "./keepalive.ts";
import { login, type LoggedIn, type LoginOptions } from "./login.ts";
import { logOut, part } from "./parting.ts";
import { reconnect } from "./reconnect.ts";
import { LogoutRequest, type LogoutResult } from "./requests.ts";
import { Retransmission } from "./retransmission.ts";
import { ScsiTask } from "./scsi-task.ts";
import { SessionCore, type SessionEvents } from "./session-core.ts";
import type { RecoveryOptions } from "./session-options.ts";
import { TextRequest } from "./text-request.ts";
import { formatPortal } from "./url.ts";

const immediateRetryMs = 100;
const loginTag = 0;
/** A session whose connections break before anything is answered has another trouble than its connections. */
const maxReplacements = 8;

export interface LifeOptions {
  readonly login: LoginOptions;
  readonly recovery: RecoveryOptions;
  readonly connections: number;
  readonly keepaliveMs: number;
  readonly commandTimeoutMs: number;
  readonly moderation: boolean;
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
  /** Ends when the session is lost, with all that adds connections to it; each session made anew gets its own. */
  #lost = new AbortController();
  #logged: LoggedIn;
  /** Seconds that the target asked to be left alone, said in parting. */
  #time2Wait: number | undefined;
  /** Connections replaced since a request was last answered, and how many had been then. */
  #replaced = 0;
  #completed = 0;
  /** Resolves when the last text exchange has ended. */
  #exchange: Promise<void> = Promise.resolve();
  /** The target refused to recover a connection: it will again. */
  #refused = false;

  private constructor(options: LifeOptions, first: LoggedIn) {
    this.#options = options;
    this.#logged = first;
    const { moderation, login: plan } = options;
    this.core = new SessionCore(first, { report: plan.report, moderation }, this);
    this.#watches = [
      new Keepalive(this.core, options.keepaliveMs),
      new CommandTimeout(this.core, options.commandTimeoutMs),
      new Retransmission(this.core),
    ];
  }

  static async begin(options: LifeOptions): Promise<SessionLife> {
    let life: SessionLife | undefined;
    await login(options.login, { cid: 0, tsih: 0, itt: loginTag }, (logged) => {
      life = new SessionLife(options, logged);
    });
    if (life === undefined)
      throw new TransportError("CONNECTION_CLOSED", "the login ended without a session");
    const lost = life.#lost.signal;
    const signals = [lost, options.login.signal].filter((signal) => signal !== undefined);
    try {
      await life.#join(AbortSignal.any(signals), { attempts: 1 });
    } catch (error) {
      // A session that was lost already comes back with all its connections.
      if (lost.aborted) return life;
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
    core.closing(over);
    const result = await part(core);
    core.close(over);
    if (result !== undefined && result.response !== 0) {
      throw new TransportError(
        "LOGOUT_REFUSED",
        `${where}: the target answers the logout with code ${result.response}`,
      );
    }
    return result;
  }

  /** Begins a text exchange when the one before it has ended: a connection has one at a time (RFC 7143 §11.10). */
  exchange(request: TextRequest, connection?: Connection): void {
    const before = this.#exchange;
    this.#exchange = request.over;
    void before.then(() => this.core.submit(request, connection));
  }

  lost(error: Error): void {
    this.#lost.abort(error);
    void this.#recover(error);
  }

  replaces(connection: Connection, error: Error): boolean {
    const { recovery, login: plan } = this.#options;
    const { ErrorRecoveryLevel, DefaultTime2Retain } = this.core.context.values;
    if (ErrorRecoveryLevel < 2 || DefaultTime2Retain === 0 || this.#refused) return false;
    if (recovery.attempts === 0 || plan.target === undefined || !isConnectionFailure(error)) return false;
    const { completed } = this.core;
    this.#replaced = completed === this.#completed ? this.#replaced + 1 : 0;
    this.#completed = completed;
    if (this.#replaced > maxReplacements) return false;
    void this.#replace(connection, error);
    return true;
  }

  asyncEvent(connection: Connection, { event, parameter2, lunBytes }: AsyncNotice): void {
    if (event === AsyncEvent.RequestLogout) void this.#leaveAndReturn(connection);
    if (event === AsyncEvent.DropConnection || event === AsyncEvent.DropAllConnections)
      this.#time2Wait = parameter2;
    if (event === AsyncEvent.RequestNegotiation) this.#declareAgain(connection);
    if (event === AsyncEvent.TasksTerminated) this.#tasksTerminated(connection, lunBytes);
  }

  /** A refused command is over; a refused immediate request may be sent again; what else is refused only reports. */
  rejected(connection: Connection, { reason, opcode, itt, tentative }: RejectNotice): void {
    const text = rejectReasons.text(reason);
    if (opcode === Opcode.Snack) {
      if (tentative) return;
      // What is missing will not come again: only a new session helps (RFC 7143 §7.10).
      const message = `${formatPortal(connection.portal)}: SNACK rejected: ${text}`;
      connection.fail(new TransportError("SNACK_REJECTED", message));
      return;
    }
    const task = this.core.tasks.get(itt);
    // The target asks again for data that it could not use (RFC 7143 §7.8).
    if (task === undefined || task.connection !== connection || opcode === Opcode.DataOut) return;
    const damaged = reason === RejectReason.DataDigestError;
    if (damaged && task instanceof ScsiTask) {
      if (!task.discarded) task.retry(connection);
      return;
    }
    this.core.tasks.remove(task);
    if ((damaged || reason === RejectReason.ImmediateCommandReject) && !(task instanceof ScsiTask)) {
      setTimeout(() => this.core.submit(task), immediateRetryMs);
      return;
    }
    task.fail(
      new SanlabError("REJECTED", `${task.title}: the target rejects it: ${text}`, { details: { reason } }),
    );
  }

  /** Adds connections up to what was asked for and the target allows (RFC 7143 §13.2). */
  async #join(signal: AbortSignal, recovery: RecoveryOptions): Promise<void> {
    const { connections, login: plan } = this.#options;
    const { tsih, window, values, connection } = this.#logged;
    const wanted = Math.min(connections, values.MaxConnections);
    const options = { ...plan, portal: connection.portal, signal };
    for (let cid = 1; cid < wanted; cid++) {
      const place = { cid, tsih, itt: loginTag, window, errorRecoveryLevel: values.ErrorRecoveryLevel };
      const join = () =>
        login(options, place, (logged) => {
          // Meanwhile the session may have ended, or been made anew: this connection belongs to the old one.
          signal.throwIfAborted();
          this.core.add(logged.connection);
        });
      await reconnect(join, { ...recovery, time2Wait: 0, signal, report: plan.report });
    }
  }

  /** Puts another connection in the place of one that broke; a session that cannot do so is made anew. */
  async #replace(lost: Connection, error: Error): Promise<void> {
    const { recovery, login: plan } = this.#options;
    const signal = AbortSignal.any([this.#ended.signal, this.#lost.signal]);
    const time2Wait = this.#time2Wait;
    this.#time2Wait = undefined;
    const { core } = this;
    const { report } = plan;
    try {
      await recoverConnection(lost, {
        core,
        login: plan,
        recovery,
        session: this.#logged,
        time2Wait,
        signal,
        report,
      });
    } catch (failure) {
      if (signal.aborted) return;
      report?.("connection-recovery-failed", { cid: lost.cid, reason: errorMessage(failure) });
      if (failure instanceof TransportError && failure.code === "RECOVERY_REFUSED") this.#refused = true;
      core.lose(error);
    }
  }

  /** Session recovery (RFC 7143 §7.1.4.4): reinstates the session under its ISID. */
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
      await this.#join(AbortSignal.any([signal, this.#lost.signal]), recovery);
    } catch (failure) {
      if (!this.#lost.signal.aborted) report?.("join-failed", { reason: errorMessage(failure) });
    }
  }

  async #loginAgain(): Promise<LoggedIn> {
    const plan = { ...this.#options.login, portal: this.#logged.home, signal: this.#ended.signal };
    return await login(plan, { cid: 0, tsih: 0, itt: loginTag }, (logged) => {
      this.#ended.signal.throwIfAborted();
      this.#logged = logged;
      this.#lost = new AbortController();
      this.core.resume(logged);
    });
  }

  /** The target asked for a logout: give it one, then come back and repeat what was in flight. */
  async #leaveAndReturn(connection: Connection): Promise<void> {
    this.core.hold();
    const result = await logOut(this.core, connection, new LogoutRequest(LogoutReason.CloseSession));
    this.#time2Wait = result?.time2Wait;
    const message = `${formatPortal(connection.portal)}: the target asked for a logout`;
    this.core.lose(new TransportError("LOGOUT_REQUESTED", message));
  }

  /** The commands of a unit are no more: their data stops, and the message is acknowledged (RFC 7143 §11.9.1). */
  #tasksTerminated(connection: Connection, lun: Uint8Array): void {
    const { tasks, window } = this.core;
    const ended = tasksOf(tasks, lun).filter((task) => task.connection === connection);
    conclude(tasks, ended, "all tasks of the unit are");
    connection.send({
      opcode: Opcode.NopOut,
      immediate: true,
      itt: RESERVED_TAG,
      lun,
      cmdSn: window.cmdSn,
      expStatSn: connection.expStatSn,
    });
  }

  #declareAgain(connection: Connection): void {
    const length = this.#options.login.wishes.MaxRecvDataSegmentLength ?? 8192;
    const request = new TextRequest([["MaxRecvDataSegmentLength", String(length)]]);
    request.result.promise.catch(() => undefined);
    this.exchange(request, connection);
  }
}

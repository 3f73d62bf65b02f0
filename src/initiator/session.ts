import {
  AsyncEvent,
  LogoutReason,
  Opcode,
  RejectReason,
  rejectReasons,
  type LunValue,
  type OperationalValues,
  type TextKey,
} from "ts-iscsi-pdu";
import { errorMessage, SanlabError, withTimeout } from "#core";
import { abortTask } from "./abort.ts";
import type { ChapAlgorithm } from "./chap.ts";
import { CommandTimeout } from "./command-timeout.ts";
import type { Connection } from "./connection.ts";
import { completeWishes, isidBytes } from "./default-keys.ts";
import { TransportError } from "./errors.ts";
import type { AsyncNotice, RejectNotice } from "./full-feature.ts";
import { Keepalive } from "./keepalive.ts";
import { login, type LoggedIn, type LoginOptions } from "./login.ts";
import { reportLuns } from "./report-luns.ts";
import { LogicalUnit, type SignalOptions } from "./logical-unit.ts";
import { normalName } from "./names.ts";
import { reconnect } from "./reconnect.ts";
import {
  LogoutRequest,
  PingRequest,
  TmfRequest,
  type LogoutResult,
  type TmfOptions,
  type TmfResult,
} from "./requests.ts";
import { ScsiTask } from "./scsi-task.ts";
import type { ScsiCommand, ScsiResult } from "./scsi-command.ts";
import { ScsiDisk } from "./scsi-disk.ts";
import { SessionCore, type SessionState } from "./session-core.ts";
import type { DiscoveryOptions, SessionOptions } from "./session-options.ts";
import { TextRequest } from "./text-request.ts";
import { defaultPort, formatPortal, type Portal } from "./url.ts";

const logoutTimeoutMs = 5000;
const loginTag = 0;

/**
 * An iSCSI session. It takes as many commands at once as it is given, sends them as the target's window allows, and
 * comes back by itself when the connection breaks: under the same ISID, with the commands that may be repeated.
 *
 *     await using session = await Session.login({ host: "127.0.0.1", target, initiator });
 *     const { status } = await session.execute({ lun: 0, cdb: encodeCdb("testUnitReady", {}) });
 */
export class Session implements AsyncDisposable {
  readonly target: string | undefined;
  /** 6 bytes. */
  readonly isid: Uint8Array;
  readonly #options: SessionOptions | DiscoveryOptions;
  readonly #login: LoginOptions;
  readonly #core: SessionCore;
  readonly #watches: readonly Disposable[];
  readonly #ended = new AbortController();
  #logged: LoggedIn;
  /** Seconds that the target asked to be left alone, said in parting. */
  #time2Wait: number | undefined;

  private constructor(
    options: SessionOptions | DiscoveryOptions,
    plan: LoginOptions,
    first: LoggedIn,
    core: (session: Session) => SessionCore,
  ) {
    this.#options = options;
    this.#login = plan;
    this.#logged = first;
    this.target = plan.target;
    this.isid = plan.isid;
    this.#core = core(this);
    const { keepaliveMs = 5000, commandTimeoutMs = 60_000 }: Partial<SessionOptions> = options;
    this.#watches = [
      new Keepalive(this.#core, keepaliveMs),
      new CommandTimeout(this.#core, commandTimeoutMs),
    ];
  }

  /**
   * Logs in and resolves in full feature phase.
   * @throws LoginError with class and detail, PeerProtocolError, TransportError, TimeoutError: each one line that names
   * portal, target and cure.
   */
  static async login(options: SessionOptions): Promise<Session> {
    return await Session.#open(options, normalName(options.target, "target"));
  }

  /** A session without a target: it may only discover. */
  static async discovery(options: DiscoveryOptions): Promise<Session> {
    return await Session.#open(options, undefined);
  }

  static async #open(
    options: SessionOptions | DiscoveryOptions,
    target: string | undefined,
  ): Promise<Session> {
    const { host, port = defaultPort, signal, report, trace, chap, initiatorAlias } = options;
    const plan: LoginOptions = {
      portal: { host, port },
      target,
      initiator: normalName(options.initiator, "initiator"),
      initiatorAlias,
      isid: isidBytes(options.isid),
      wishes: completeWishes(options.keys),
      chap,
      loginTimeoutMs: options.loginTimeoutMs ?? 15_000,
      signal,
      trace,
      report,
    };
    let session: Session | undefined;
    await login(plan, { cid: 0, tsih: 0, itt: loginTag }, (logged) => {
      session = new Session(options, plan, logged, (self) => new SessionCore(logged, report, self.#events));
    });
    if (session === undefined)
      throw new TransportError("CONNECTION_CLOSED", `${host}: the login ended without a session`);
    return session;
  }

  get state(): SessionState {
    return this.#core.state;
  }

  /** What both sides agreed on (RFC 7143 §13); `MaxRecvDataSegmentLength` is the target's. */
  get values(): OperationalValues {
    return this.#core.context.values;
  }

  /** The target's handle of this session. */
  get tsih(): number {
    return this.#logged.tsih;
  }

  /** Where the session is connected now; after a redirection another portal than the one that was asked. */
  get portal(): Portal {
    return this.#logged.connection.portal;
  }

  get targetAlias(): string | undefined {
    return this.#logged.targetAlias;
  }

  get portalGroup(): number | undefined {
    return this.#logged.portalGroup;
  }

  get chapAlgorithm(): ChapAlgorithm | undefined {
    return this.#logged.chapAlgorithm;
  }

  get connectionCount(): number {
    return this.#core.connections.length;
  }

  /**
   * Executes a SCSI command. Any SCSI status is a result.
   * @throws TransportError when the connection broke and the command could not be repeated, PeerProtocolError,
   * TargetFailure, SanlabError REJECTED, or the reason of the command's signal.
   */
  execute(command: ScsiCommand): Promise<ScsiResult> {
    const task = new ScsiTask(command, this.#core.context);
    if (command.signal !== undefined) return this.#abortable(task, command.signal);
    this.#core.submit(task);
    return task.result.promise;
  }

  /** The SCSI commands of one logical unit. */
  unit(lun: LunValue): LogicalUnit {
    return new LogicalUnit(this, lun);
  }

  /** The logical units that the target reports. */
  async reportLuns(options: SignalOptions = {}): Promise<readonly LunValue[]> {
    return await reportLuns(this, options);
  }

  /** A logical unit as a block device; it lives as long as the session. */
  async disk(lun: LunValue, options: SignalOptions = {}): Promise<ScsiDisk> {
    return await ScsiDisk.open(this.unit(lun), options);
  }

  /** Sends a task management function; the response is a result, whatever it is. */
  async manage(options: TmfOptions & { readonly signal?: AbortSignal }): Promise<TmfResult> {
    const { signal, ...fields } = options;
    return await this.#request(new TmfRequest(fields), signal);
  }

  /** Sends a NOP-Out and resolves with the milliseconds until the target gave the same data back. */
  async ping(options: { readonly data?: Uint8Array; readonly signal?: AbortSignal } = {}): Promise<number> {
    const start = process.hrtime.bigint();
    await this.#request(new PingRequest(options.data ?? new Uint8Array(0)), options.signal);
    return Number(process.hrtime.bigint() - start) / 1e6;
  }

  /** Exchanges text keys in full feature phase and resolves with what the target answered, in its order. */
  async negotiate(
    keys: readonly TextKey[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<readonly TextKey[]> {
    return await this.#request(new TextRequest(keys), options.signal);
  }

  /**
   * Closes the session in an orderly way; commands in flight fail. A target that does not answer is left alone.
   * @throws TransportError when the target refuses the logout.
   */
  async logout(): Promise<LogoutResult | undefined> {
    const { state } = this.#core;
    for (const watch of this.#watches) watch[Symbol.dispose]();
    if (state === "closed" || state === "closing") return undefined;
    this.#ended.abort(new TransportError("SESSION_CLOSED", "the session was logged out"));
    this.#core.closing();
    const [connection] = this.#core.connections;
    let result: LogoutResult | undefined;
    if (connection !== undefined) {
      const request = new LogoutRequest(LogoutReason.CloseSession);
      this.#core.submit(request, connection);
      result = await withTimeout(
        "the answer to the logout",
        logoutTimeoutMs,
        () => request.result.promise,
      ).catch(() => undefined);
    }
    await Promise.all(this.#core.connections.map((each) => each.close()));
    this.#core.close(
      new TransportError("SESSION_CLOSED", `${formatPortal(this.portal)}: the session was logged out`),
    );
    if (result !== undefined && result.response !== 0) {
      throw new TransportError(
        "LOGOUT_REFUSED",
        `${formatPortal(this.portal)}: the target answers the logout with code ${result.response}`,
      );
    }
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.logout().catch(() => undefined);
  }

  async #abortable(task: ScsiTask, signal: AbortSignal): Promise<ScsiResult> {
    signal.throwIfAborted();
    const onAbort = () => void abortTask(this.#core, task, reasonOf(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    this.#core.submit(task);
    try {
      return await task.result.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #request<T>(
    request: (TmfRequest | PingRequest | TextRequest) & { readonly result: PromiseWithResolvers<T> },
    signal: AbortSignal | undefined,
  ): Promise<T> {
    signal?.throwIfAborted();
    const onAbort = () => request.result.reject(signal === undefined ? undefined : reasonOf(signal));
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#core.submit(request);
    try {
      return await request.result.promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  readonly #events = {
    lost: (error: Error) => void this.#recover(error),
    asyncEvent: (connection: Connection, notice: AsyncNotice) => this.#asyncEvent(connection, notice),
    rejected: (connection: Connection, notice: RejectNotice) => this.#rejected(connection, notice),
  };

  /** Session recovery (RFC 7143 §7.2.4): reinstates the session under its ISID. */
  async #recover(error: Error): Promise<void> {
    const recovery = "recovery" in this.#options ? (this.#options.recovery ?? {}) : {};
    const core = this.#core;
    core.requeue(error);
    if (recovery.attempts === 0 || this.target === undefined) {
      core.close(error);
      return;
    }
    const { report } = this.#options;
    const time2Wait = this.#time2Wait ?? this.values.DefaultTime2Wait;
    this.#time2Wait = undefined;
    try {
      await reconnect(() => this.#loginAgain(), {
        ...recovery,
        time2Wait,
        signal: this.#ended.signal,
        report,
      });
      report?.("recovered", { portal: formatPortal(this.portal), tsih: this.tsih });
    } catch (failure) {
      core.close(
        this.#ended.signal.aborted
          ? error
          : new TransportError(
              "RECOVERY_FAILED",
              `${error.message}; logging in again failed: ${errorMessage(failure)}`,
              {
                cause: failure,
              },
            ),
      );
    }
  }

  async #loginAgain(): Promise<LoggedIn> {
    const plan = { ...this.#login, portal: this.#logged.home, signal: this.#ended.signal };
    return await login(plan, { cid: 0, tsih: 0, itt: loginTag }, (logged) => {
      this.#logged = logged;
      this.#core.resume(logged);
    });
  }

  #asyncEvent(connection: Connection, { event, parameter2 }: AsyncNotice): void {
    switch (event) {
      case AsyncEvent.RequestLogout:
        void this.#leaveAndReturn(connection);
        return;
      case AsyncEvent.DropConnection:
      case AsyncEvent.DropAllConnections:
        this.#time2Wait = parameter2;
        return;
      case AsyncEvent.RequestNegotiation:
        void this.negotiate([
          ["MaxRecvDataSegmentLength", String(this.#login.wishes.MaxRecvDataSegmentLength ?? 8192)],
        ]).catch(() => undefined);
        return;
      default:
    }
  }

  /** The target asked for a logout: give it one, then come back and repeat what was in flight. */
  async #leaveAndReturn(connection: Connection): Promise<void> {
    const request = new LogoutRequest(LogoutReason.CloseSession);
    this.#core.submit(request, connection);
    const result = await request.result.promise.catch(() => undefined);
    this.#time2Wait = result?.time2Wait;
    connection.fail(
      new TransportError(
        "LOGOUT_REQUESTED",
        `${formatPortal(connection.portal)}: the target asked for a logout`,
      ),
    );
  }

  /** A refused command is over; a refused immediate request may be sent again; what else is refused only reports. */
  #rejected(connection: Connection, { reason, opcode, itt }: RejectNotice): void {
    const text = rejectReasons.text(reason);
    if (opcode === Opcode.Snack) {
      // What is missing will not come again: only a new session helps (RFC 7143 §7.10).
      connection.fail(
        new TransportError("SNACK_REJECTED", `${formatPortal(connection.portal)}: SNACK rejected: ${text}`),
      );
      return;
    }
    const task = this.#core.tasks.get(itt);
    if (task === undefined || reason === RejectReason.DataDigestError || opcode === Opcode.DataOut) return;
    this.#core.tasks.remove(task);
    if (reason === RejectReason.ImmediateCommandReject && !(task instanceof ScsiTask)) {
      setTimeout(() => this.#core.submit(task), 100);
      return;
    }
    task.fail(
      new SanlabError("REJECTED", `${task.title}: the target rejects it: ${text}`, {
        details: { reason },
      }),
    );
  }
}

const reasonOf = (signal: AbortSignal): Error =>
  signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));

import { UsageError } from "#core";
import {
  TmfFunction,
  TmfResponseCode,
  tmfFunctions,
  type LunValue,
  type OperationalValues,
  type TextKey,
} from "ts-iscsi-pdu";
import { abortTask } from "./abort.ts";
import type { ChapAlgorithm } from "./chap.ts";
import { conclude, tasksEndedBy } from "./conclude.ts";
import { completeWishes, isidBytes } from "./default-keys.ts";
import type { LoginOptions } from "./login.ts";
import { LogicalUnit, type SignalOptions } from "./logical-unit.ts";
import { normalName } from "./names.ts";
import { reportLuns } from "./report-luns.ts";
import type { Pending } from "./pending.ts";
import { PingRequest, TmfRequest, type LogoutResult, type TmfOptions, type TmfResult } from "./requests.ts";
import type { ScsiCommand, ScsiResult } from "./scsi-command.ts";
import { ScsiDisk } from "./scsi-disk.ts";
import { ScsiTask } from "./scsi-task.ts";
import type { SessionCore, SessionState } from "./session-core.ts";
import { SessionLife } from "./session-life.ts";
import type { DiscoveryOptions, SessionOptions } from "./session-options.ts";
import { TextRequest } from "./text-request.ts";
import { defaultPort, type Portal } from "./url.ts";

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
  readonly #life: SessionLife;
  readonly #core: SessionCore;

  private constructor(plan: LoginOptions, life: SessionLife) {
    this.target = plan.target;
    this.isid = plan.isid;
    this.#life = life;
    this.#core = life.core;
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
    const {
      recovery = {},
      connections = 1,
      keepaliveMs = 5000,
      commandTimeoutMs = 60_000,
      moderation = true,
    }: Partial<SessionOptions> = options;
    const plan: LoginOptions = {
      portal: { host, port },
      target,
      initiator: normalName(options.initiator, "initiator"),
      initiatorAlias,
      isid: isidBytes(options.isid),
      wishes: completeWishes({ MaxConnections: connections, ...options.keys }),
      chap,
      loginTimeoutMs: options.loginTimeoutMs ?? 15_000,
      signal,
      trace,
      report,
    };
    return new Session(
      plan,
      await SessionLife.begin({
        login: plan,
        recovery,
        connections,
        keepaliveMs,
        commandTimeoutMs,
        moderation,
      }),
    );
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
    return this.#life.logged.tsih;
  }

  /** Where the session is connected now; after a redirection another portal than the one that was asked. */
  get portal(): Portal {
    return this.#life.logged.connection.portal;
  }

  get targetAlias(): string | undefined {
    return this.#life.logged.targetAlias;
  }

  get portalGroup(): number | undefined {
    return this.#life.logged.portalGroup;
  }

  get chapAlgorithm(): ChapAlgorithm | undefined {
    return this.#life.logged.chapAlgorithm;
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

  /**
   * Sends a task management function; the response is a result, whatever it is. Commands that a complete ABORT TASK SET,
   * CLEAR TASK SET or reset has ended reject with TransportError TASK_ABORTED.
   * @throws UsageError PROTOCOL_LEVEL for a function of RFC 7144 where `iSCSIProtocolLevel` is below 2.
   */
  async manage(options: TmfOptions & { readonly signal?: AbortSignal }): Promise<TmfResult> {
    const { signal, ...fields } = options;
    if (fields.function >= TmfFunction.QueryTask && this.values.iSCSIProtocolLevel < 2) {
      const name = tmfFunctions.text(fields.function);
      throw new UsageError(
        "PROTOCOL_LEVEL",
        `${name} needs iSCSIProtocolLevel 2, and the target agreed to ${this.values.iSCSIProtocolLevel}: offer it with the login`,
      );
    }
    const ended = tasksEndedBy(this.#core.tasks, fields);
    const result = await this.#request(new TmfRequest(fields), signal);
    if (result.response === TmfResponseCode.FunctionComplete)
      conclude(this.#core.tasks, ended, `${tmfFunctions.text(fields.function)} is complete`);
    return result;
  }

  /**
   * Sends a NOP-Out and resolves with the milliseconds until the target gave the same data back.
   * @throws UsageError PING_TOO_LONG for more data than the target takes in a PDU.
   */
  async ping(options: { readonly data?: Uint8Array; readonly signal?: AbortSignal } = {}): Promise<number> {
    const { data = new Uint8Array(0), signal } = options;
    const most = Math.min(...this.#core.connections.map(({ maxSendLength }) => maxSendLength));
    if (data.length > most)
      throw new UsageError(
        "PING_TOO_LONG",
        `a ping of ${data.length} bytes: the target takes ${most} at most`,
      );
    const start = process.hrtime.bigint();
    await this.#request(new PingRequest(data), signal);
    return Number(process.hrtime.bigint() - start) / 1e6;
  }

  /** Exchanges text keys in full feature phase and resolves with what the target answered, in its order. */
  async negotiate(
    keys: readonly TextKey[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<readonly TextKey[]> {
    return await this.#request(new TextRequest(keys), options.signal, (request) =>
      this.#life.exchange(request),
    );
  }

  /**
   * Closes the session in an orderly way; commands in flight fail. A target that does not answer is left alone.
   * @throws TransportError when the target refuses the logout.
   */
  async logout(): Promise<LogoutResult | undefined> {
    return await this.#life.end();
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

  async #request<T, R extends Pending & { readonly result: PromiseWithResolvers<T> }>(
    request: R & { readonly result: PromiseWithResolvers<T> },
    signal: AbortSignal | undefined,
    submit: (request: R) => void = (each) => this.#core.submit(each),
  ): Promise<T> {
    signal?.throwIfAborted();
    const onAbort = () => request.result.reject(signal === undefined ? undefined : reasonOf(signal));
    signal?.addEventListener("abort", onAbort, { once: true });
    submit(request);
    try {
      return await request.result.promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }
}

const reasonOf = (signal: AbortSignal): Error =>
  signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));

import type { Report } from "#core";
import type { Sense } from "#scsi";
import { Opcode, RESERVED_TAG, type AsyncInit, type OperationalValues, type TextKey } from "ts-iscsi-pdu";
import { ByteBudget } from "../byte-budget.ts";
import type { TargetLimits } from "../options.ts";
import type { LogicalUnit } from "../scsi/logical-unit.ts";
import type { Nexus } from "../scsi/nexus.ts";
import type { DeviceServer } from "../scsi/request.ts";
import { Activity } from "./activity.ts";
import type { Burst } from "./burst.ts";
import { CommandOrder } from "./command-order.ts";
import type { Connection } from "./connection.ts";
import { SessionRecovery } from "./recovery.ts";
import type { ScsiTask } from "./scsi-task.ts";

export interface SessionInit {
  /** Counts the sessions of this process, for reports. */
  readonly number: number;
  readonly type: "Normal" | "Discovery";
  readonly initiatorName: string;
  /** Twelve hexadecimal digits. */
  readonly isid: string;
  readonly tsih: number;
  readonly params: OperationalValues;
  readonly firstCmdSn: number;
  readonly deviceServer: DeviceServer;
  readonly limits: TargetLimits;
  readonly report: Report;
  /** What this side declared as MaxRecvDataSegmentLength. */
  readonly ownMaxSegment: number;
  /** All sessions of the same target, this one too. */
  siblings(): readonly Session[];
  sendTargets(connection: Connection, what: string): readonly TextKey[];
  /** Whether faults are in force. */
  faulty(): boolean;
  onClosed(session: Session): void;
}

/** An I_T nexus: its connections, its command window, its tasks. */
export class Session {
  readonly number: number;
  readonly type: "Normal" | "Discovery";
  readonly initiatorName: string;
  readonly isid: string;
  readonly tsih: number;
  readonly params: OperationalValues;
  readonly deviceServer: DeviceServer;
  readonly limits: TargetLimits;
  readonly nexus: Nexus;
  readonly order: CommandOrder;
  readonly budget: ByteBudget;
  readonly connections = new Map<number, Connection>();
  readonly tasks = new Map<number, ScsiTask>();
  readonly report: Report;
  /** What is kept to be sent again; only with ErrorRecoveryLevel 1 or 2. */
  readonly recovery: SessionRecovery | undefined;
  readonly #bursts = new Map<number, { readonly task: ScsiTask; readonly burst: Burst }>();
  readonly #ttts = new WeakMap<Burst, number>();
  readonly #activity: Activity;
  readonly #init: SessionInit;
  #nextTtt = 1;
  #closed = false;

  constructor(init: SessionInit) {
    this.number = init.number;
    this.type = init.type;
    this.initiatorName = init.initiatorName;
    this.isid = init.isid;
    this.tsih = init.tsih;
    this.params = init.params;
    this.deviceServer = init.deviceServer;
    this.limits = init.limits;
    this.report = init.report;
    this.nexus = { port: `${init.initiatorName},i,0x${init.isid}`, initiatorName: init.initiatorName };
    this.order = new CommandOrder(init.firstCmdSn, init.limits.queueDepth);
    this.budget = new ByteBudget(init.limits.dataOutBudget);
    this.#activity = new Activity(init.number, init.report);
    this.#init = init;
    this.recovery =
      init.type === "Normal" && init.params.ErrorRecoveryLevel > 0 ? this.#recovery() : undefined;
    for (const unit of this.deviceServer.units.values()) unit.attach(this.nexus);
  }

  get ownMaxSegment(): number {
    return this.#init.ownMaxSegment;
  }

  siblings(): readonly Session[] {
    return this.#init.siblings();
  }

  sendTargets(connection: Connection, what: string): readonly TextKey[] {
    return this.#init.sendTargets(connection, what);
  }

  get closed(): boolean {
    return this.#closed;
  }

  unit(lun: number): LogicalUnit | undefined {
    return this.deviceServer.units.get(lun);
  }

  /** Whether faults are in force. */
  get faulty(): boolean {
    return this.#init.faulty();
  }

  addTask(task: ScsiTask): void {
    this.tasks.set(task.itt, task);
    if (task.immediate) return;
    task.queued = true;
    this.order.begin();
  }

  /** The status is about to go out: the queue has room again, and the initiator may use the tag again. */
  finishTask(task: ScsiTask, status: number, sense?: Sense): void {
    const first = this.tasks.get(task.itt) === task;
    this.removeTask(task);
    this.recovery?.end(task);
    if (first) this.#activity.command(task, status, sense);
  }

  /** The task has ended without a status, if it has not had one. */
  removeTask(task: ScsiTask): void {
    if (this.tasks.get(task.itt) === task) this.tasks.delete(task.itt);
    if (!task.queued) return;
    task.queued = false;
    this.order.end();
  }

  /** Aborts tasks and resolves when none of them has an effect any more. */
  async abortTasks(which: (task: ScsiTask) => boolean): Promise<number> {
    const chosen = [...this.tasks.values()].filter(which);
    for (const task of chosen) task.abort();
    await Promise.all(chosen.map((task) => task.ended));
    return chosen.length;
  }

  openBurst(task: ScsiTask, burst: Burst, send: (ttt: number) => void): void {
    const ttt = this.#takeTag();
    this.#bursts.set(ttt, { task, burst });
    this.#ttts.set(burst, ttt);
    send(ttt);
  }

  /** The Target Transfer Tag of a sequence that is open. */
  tagOf(burst: Burst): number | undefined {
    return this.#ttts.get(burst);
  }

  closeBurst(burst: Burst): void {
    const ttt = this.#ttts.get(burst);
    if (ttt !== undefined) this.#bursts.delete(ttt);
  }

  burst(ttt: number, itt: number): Burst | undefined {
    const open = this.#bursts.get(ttt);
    return open?.task.itt === itt ? open.burst : undefined;
  }

  reportDeviceError(task: ScsiTask, error: unknown): void {
    this.report("device-error", {
      session: this.number,
      lun: task.lun,
      error: error instanceof Error ? error.message : String(error),
    });
  }

  /** Sends an Asynchronous Message over each connection; to those that only discover nothing has to be said. */
  tell(message: Pick<AsyncInit, "event" | "parameter2" | "parameter3">): void {
    if (this.type === "Discovery") return;
    for (const connection of this.connections.values())
      connection.sendStatus({ opcode: Opcode.Async, itt: RESERVED_TAG, lun: 0, ...message });
  }

  /** A connection joins; one with the same number is replaced by it (RFC 7143, section 6.3.4). */
  join(connection: Connection): void {
    const old = this.connections.get(connection.cid);
    this.connections.set(connection.cid, connection);
    if (old !== undefined) {
      this.#leave(old, true);
      old.end("reinstated");
    } else this.recovery?.logOut(connection.cid);
  }

  /** Logs out a connection so that its tasks can be reassigned; false where none of this number is known. */
  logOutForRecovery(cid: number, expStatSn: number): boolean {
    const connection = this.connections.get(cid);
    if (connection === undefined) {
      const lost = this.recovery?.logOut(cid);
      lost?.acknowledge(expStatSn);
      return lost !== undefined;
    }
    connection.acknowledge(expStatSn);
    this.connections.delete(cid);
    this.#leave(connection, true);
    connection.end("logout");
    return true;
  }

  connectionLost(connection: Connection, how: string): void {
    if (this.connections.get(connection.cid) !== connection) return;
    this.connections.delete(connection.cid);
    if (how === "logout") this.#abortTasksOf(connection);
    else this.#leave(connection, false);
    if (this.connections.size === 0 && this.recovery?.waiting !== true) this.close(how);
  }

  /** A connection is gone without its tasks: they wait for another one, or end. */
  #leave(connection: Connection, loggedOut: boolean): void {
    if (this.#closed) return;
    if (this.recovery?.reassigns !== true) {
      this.#abortTasksOf(connection);
      return;
    }
    for (const task of this.tasks.values()) if (task.connection === connection) task.suspend();
    this.recovery.lose(connection, loggedOut);
  }

  #abortTasksOf(connection: Connection): void {
    for (const task of this.tasks.values()) if (task.connection === connection) task.abort();
    this.recovery?.forget(connection);
  }

  #recovery(): SessionRecovery {
    const { ErrorRecoveryLevel, DefaultTime2Wait, DefaultTime2Retain } = this.params;
    return new SessionRecovery({
      retainBytes: this.limits.retainBytes,
      level: ErrorRecoveryLevel,
      retainTime: (DefaultTime2Wait + DefaultTime2Retain) * 1000,
      nextTag: () => this.#takeTag(),
      expired: (connection) => {
        this.#abortTasksOf(connection);
        if (this.connections.size === 0 && this.recovery?.waiting !== true) this.close("not recovered");
      },
    });
  }

  #takeTag(): number {
    const ttt = this.#nextTtt;
    this.#nextTtt = ttt + 1 === RESERVED_TAG ? 1 : ttt + 1;
    return ttt;
  }

  /** Ends the session: its tasks, its hold on the units, its connections. */
  close(how: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.recovery?.close();
    for (const task of this.tasks.values()) task.abort();
    for (const unit of this.deviceServer.units.values()) unit.detach(this.nexus);
    for (const connection of this.connections.values()) connection.end(how);
    this.connections.clear();
    this.#activity.end();
    this.report("session-closed", {
      session: this.number,
      initiator: this.initiatorName,
      isid: this.isid,
      how,
    });
    this.#init.onClosed(this);
  }
}

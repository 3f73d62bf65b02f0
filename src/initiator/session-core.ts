import type { Report } from "#core";
import type { CommandWindow } from "./command-window.ts";
import type { Connection } from "./connection.ts";
import { PeerProtocolError, TransportError } from "./errors.ts";
import { FullFeature, type AsyncNotice, type FullFeatureHost, type RejectNotice } from "./full-feature.ts";
import type { LoggedIn } from "./login.ts";
import { Moderation } from "./moderation.ts";
import type { Pending } from "./pending.ts";
import { ScsiTask } from "./scsi-task.ts";
import { Deviations, type TaskContext } from "./task-context.ts";
import { Takeover, type TakeoverHost } from "./takeover.ts";
import { TaskTable } from "./task-table.ts";
import { formatPortal } from "./url.ts";
import { WorkQueue } from "./work-queue.ts";

export type SessionState = "full-feature" | "recovering" | "closing" | "closed";

export interface CoreOptions {
  readonly report: Report | undefined;
  readonly moderation: boolean;
}

/** What the session does about events that are more than bookkeeping. */
export interface SessionEvents {
  /** The session has no connection left though it should; `resume` or `close` must follow. */
  lost(error: Error): void;
  /** A connection broke. True when it will be replaced: `takeOver` or `lose` must follow. */
  replaces(connection: Connection, error: Error): boolean;
  asyncEvent(connection: Connection, event: AsyncNotice): void;
  rejected(connection: Connection, notice: RejectNotice): void;
}

/**
 * How often a command may be sent anew without progress of any other, or after a breach of the protocol; a target that
 * breaks at the same one every time is not worth more.
 */
const maxReplays = 16;
/** Fewer PDUs than this are not worth a write of their own. */
const halfBatch = 16;

/**
 * The engine of a session: requests wait for the command window, go out on a connection, and end with an answer or
 * with the connection. It neither logs in nor decides what a failure means.
 */
export class SessionCore implements FullFeatureHost, TakeoverHost {
  readonly tasks = new TaskTable();
  readonly #report: Report | undefined;
  readonly #deviations: Deviations;
  readonly #events: SessionEvents;
  readonly #queue = new WorkQueue<Pending>();
  /** Immediate requests that wait for a connection. */
  readonly #urgent = new WorkQueue<Pending>();
  readonly #replays = new WeakMap<ScsiTask, number>();
  readonly #takeovers = new Set<Takeover>();
  readonly #moderation: Moderation | undefined;
  #connections: Connection[] = [];
  #turn = 0;
  #begun = 0;
  #window: CommandWindow;
  #context: TaskContext;
  #state: SessionState = "recovering";
  /** Nothing may be sent behind a logout. */
  #held = false;
  /** What requests fail with from the logout or the last loss on. */
  #closedBy: Error | undefined;
  #replay = true;
  #breach = false;
  #completed = 0;
  /** `completed` when the session was made, or made anew. */
  #mark = 0;

  constructor(first: LoggedIn, options: CoreOptions, events: SessionEvents) {
    const { report } = options;
    this.#report = report;
    this.#moderation = options.moderation ? new Moderation() : undefined;
    this.#events = events;
    this.#window = first.window;
    this.#deviations = new Deviations(report);
    this.#context = { values: first.values, report, deviations: this.#deviations };
    this.resume(first);
  }

  get state(): SessionState {
    return this.#state;
  }

  get window(): CommandWindow {
    return this.#window;
  }

  get context(): TaskContext {
    return this.#context;
  }

  /** Requests that wait to be sent, and how many have been sent in all. */
  get waiting(): number {
    return this.#queue.length;
  }

  get begun(): number {
    return this.#begun;
  }

  /** Requests that have been answered. */
  get completed(): number {
    return this.#completed;
  }

  get connections(): readonly Connection[] {
    return this.#connections;
  }

  /** Takes a connection that has just entered full feature phase as the first of the session, new or made anew. */
  resume(logged: LoggedIn): void {
    this.#window = logged.window;
    this.#context = { values: logged.values, report: this.#report, deviations: this.#deviations };
    this.#state = "full-feature";
    this.#held = false;
    const queued = this.#queue.drain();
    for (const task of queued) if (task instanceof ScsiTask) task.restart(this.#context);
    this.#queue.prepend(queued);
    this.add(logged.connection);
  }

  /** Takes a further connection. */
  add(connection: Connection): void {
    this.#connections.push(connection);
    connection.receiver = new FullFeature(connection, this);
    this.pump();
  }

  /** Sends a request as soon as the window and the state of the session allow it; on `connection` where told. */
  submit(task: Pending, connection?: Connection): void {
    if (this.#closedBy !== undefined && (this.#state === "closed" || connection === undefined)) {
      task.fail(this.#closedBy);
    } else if (connection?.closed === true) {
      task.fail(new TransportError("CONNECTION_CLOSED", `${task.title}: its connection is closed`));
    } else if (task.immediate) {
      if (connection === undefined && (this.#held || this.#connections.length === 0)) this.#urgent.push(task);
      else this.#begin(task, connection);
    } else {
      this.#queue.push(task);
      this.pump();
    }
  }

  pump(): void {
    if (this.#held || this.#connections.length === 0) return;
    for (const takeover of this.#takeovers) if (!takeover.advance()) this.#takeovers.delete(takeover);
    while (this.#urgent.length > 0) this.#begin(this.#urgent.shift());
    while (this.#queue.length > 0 && this.#window.open) this.#begin(this.#queue.shift());
  }

  /** From now on requests wait for the session to be made anew; only those on a named connection go out. */
  hold(): void {
    this.#held = true;
  }

  /** Takes a request back that has not been sent; false when it has. */
  withdraw(task: Pending): boolean {
    return this.#queue.remove(task) || this.#urgent.remove(task);
  }

  connectionClosed(connection: Connection, error: Error): void {
    this.#connections = this.#connections.filter((other) => other !== connection);
    if (this.#state !== "full-feature") {
      if (this.#connections.length === 0 && this.#state === "closing") this.close(error);
      return;
    }
    this.#report?.("connection-lost", {
      portal: formatPortal(connection.portal),
      cid: connection.cid,
      reason: error.message,
    });
    if (this.#events.replaces(connection, error)) this.#failRequests(connection, error);
    else this.lose(error);
  }

  /** A new connection takes the place of a lost one, and its commands. */
  takeOver(lost: Connection, connection: Connection): Takeover {
    const takeover = new Takeover(this, lost, connection);
    this.#takeovers.add(takeover);
    this.add(connection);
    return takeover;
  }

  /** Takes back a command of which the target knows nothing. */
  giveBack(task: ScsiTask, error: Error): void {
    this.tasks.remove(task);
    if (this.#mayReplay(task)) {
      task.restart(this.#context);
      this.#queue.prepend([task]);
      this.pump();
    } else task.fail(lostCommand(task, error));
  }

  /** Ends all connections, since the session is beyond repair; it has to be made anew. */
  lose(error: Error): void {
    if (this.#state !== "full-feature") return;
    this.#state = "recovering";
    this.#report?.("session-lost", { reason: error.message });
    this.#takeovers.clear();
    // Without connection recovery the session stands and falls with each of its connections (RFC 7143 §7.1.5).
    const others = this.#connections;
    this.#connections = [];
    for (const other of others) other.fail(error);
    this.#replay = isRecoverable(error);
    this.#breach = error instanceof PeerProtocolError && !error.violation.code.endsWith("_DIGEST");
    this.#events.lost(error);
  }

  /** After a loss: puts back in the queue what may be sent again and fails the rest. */
  requeue(error: Error): void {
    const again: Pending[] = [];
    for (const task of this.tasks.all()) {
      this.tasks.remove(task);
      if (task instanceof ScsiTask && this.#mayReplay(task)) {
        task.restart(this.#context);
        again.push(task);
      } else task.fail(task instanceof ScsiTask ? lostCommand(task, error) : error);
    }
    this.#queue.prepend(again);
    this.#mark = this.#completed;
  }

  /** A request is over. */
  answered(task: Pending): void {
    this.tasks.remove(task);
    this.#completed++;
  }

  delivered(bytes: number): void {
    const { backlog } = this.tasks;
    backlog.age();
    if (backlog.patient) this.#moderation?.delivered(bytes, backlog.due);
  }

  /** From now on only requests on a named connection go out; the others fail with `reason`. */
  closing(reason: Error): void {
    if (this.#state === "closed") return;
    this.#state = "closing";
    this.#closedBy = reason;
  }

  /** Ends everything with `error`. */
  close(error: Error): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#closedBy ??= error;
    const open = [...this.tasks.all(), ...this.#urgent.drain(), ...this.#queue.drain()];
    for (const task of this.tasks.all()) this.tasks.remove(task);
    for (const connection of this.#connections) connection.fail(error);
    this.#connections = [];
    for (const task of open) task.fail(error);
  }

  asyncEvent(connection: Connection, event: AsyncNotice): void {
    this.#events.asyncEvent(connection, event);
  }

  rejected(connection: Connection, notice: RejectNotice): void {
    this.#events.rejected(connection, notice);
  }

  #begin(task: Pending | undefined, wanted?: Connection): void {
    const connection = wanted ?? this.#connections[this.#turn++ % this.#connections.length];
    if (task === undefined || connection === undefined) return;
    this.#begun++;
    task.connection = connection;
    task.cmdSn = task.immediate ? this.#window.cmdSn : this.#window.take();
    this.tasks.add(task);
    task.begin();
    // The target can begin with one half of a deep queue while the other is made.
    if (connection.queued >= halfBatch && connection.queued * 2 >= this.tasks.backlog.depth)
      connection.flush();
  }

  /** Commands outlive their connection; what else waits on it ends with it. */
  #failRequests(connection: Connection, error: Error): void {
    for (const task of this.tasks.of(connection)) {
      if (task instanceof ScsiTask) continue;
      this.tasks.remove(task);
      task.fail(error);
    }
  }

  #mayReplay(task: ScsiTask): boolean {
    const counts = this.#breach || this.#completed === this.#mark;
    const replays = (this.#replays.get(task) ?? 0) + (counts ? 1 : 0);
    this.#replays.set(task, replays);
    return this.#replay && task.repeatable && !task.discarded && replays <= maxReplays;
  }
}

/** Whether a new session may put right what went wrong; a target that breaks other rules will break them again. */
function isRecoverable(error: Error): boolean {
  if (!(error instanceof PeerProtocolError)) return true;
  const { code, field } = error.violation;
  return (
    code.endsWith("_DIGEST") ||
    code === "PDU_RESYNC" ||
    ["StatSN", "DataSN", "R2TSN", "ExpDataSN"].includes(field)
  );
}

function lostCommand(task: ScsiTask, error: Error): Error {
  if (task.discarded || error instanceof PeerProtocolError) return error;
  return new TransportError(
    "OUTCOME_UNKNOWN",
    `${task.title}: the connection broke before its status came: ${error.message}`,
    {
      cause: error,
    },
  );
}

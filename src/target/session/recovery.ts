import type { Connection } from "./connection.ts";
import { RetainedData } from "./retained-data.ts";
import type { ScsiTask } from "./scsi-task.ts";

/** A connection that is gone, and whose tasks may go on over another one. */
interface LostConnection {
  readonly connection: Connection;
  /** It was logged out, in so many words or by its own reinstatement: tasks may be reassigned. */
  loggedOut: boolean;
  readonly timer: NodeJS.Timeout;
}

export interface RecoveryOptions {
  /** Bytes of Data-In kept to be sent again. */
  readonly retainBytes: number;
  /** ErrorRecoveryLevel, 1 or 2. */
  readonly level: number;
  /** Milliseconds that tasks outlive their connection: Time2Wait and Time2Retain together. */
  readonly retainTime: number;
  nextTag(): number;
  /** The tasks of a connection were not claimed in time. */
  expired(connection: Connection): void;
}

/** Connections whose tasks may wait at a time. */
const maxLost = 16;

/** What a session with ErrorRecoveryLevel 1 or 2 keeps beyond the end of its tasks and connections. */
export class SessionRecovery {
  readonly data: RetainedData;
  readonly #options: RecoveryOptions;
  /** Tasks whose status has gone out and was not acknowledged, by their tags. */
  readonly #ended = new Map<number, ScsiTask>();
  readonly #tags = new Map<number, ScsiTask>();
  readonly #tagOf = new Map<ScsiTask, number>();
  readonly #lost = new Map<number, LostConnection>();

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.data = new RetainedData(options.retainBytes);
  }

  /** Whether tasks outlive their connection. */
  get reassigns(): boolean {
    return this.#options.level >= 2;
  }

  /** Whether connections are gone whose tasks may yet be claimed. */
  get waiting(): boolean {
    return this.#lost.size > 0;
  }

  /** A task whose status went out without being acknowledged. */
  ended(itt: number): ScsiTask | undefined {
    return this.#ended.get(itt);
  }

  /** The status of a task is on its way. */
  end(task: ScsiTask): void {
    this.#ended.set(task.itt, task);
  }

  /** The initiator has the status, or nothing will ever be sent again. */
  settle(task: ScsiTask): void {
    if (this.#ended.get(task.itt) === task) this.#ended.delete(task.itt);
    this.data.forget(task);
    const tag = this.#tagOf.get(task);
    if (tag !== undefined) this.#tags.delete(tag);
    this.#tagOf.delete(task);
  }

  /** The Target Transfer Tag by which the data of a task is acknowledged. */
  tagOf(task: ScsiTask): number {
    let tag = this.#tagOf.get(task);
    if (tag === undefined) {
      tag = this.#options.nextTag();
      this.#tagOf.set(task, tag);
      this.#tags.set(tag, task);
    }
    return tag;
  }

  tagged(tag: number): ScsiTask | undefined {
    return this.#tags.get(tag);
  }

  /**
   * A connection is gone; its tasks wait to be claimed for Time2Wait and Time2Retain. Tasks of an earlier connection of
   * the same number, or of the first of too many, have waited long enough.
   */
  lose(connection: Connection, loggedOut: boolean): void {
    const [oldest] = this.#lost.values();
    const earlier = this.#lost.get(connection.cid) ?? (this.#lost.size >= maxLost ? oldest : undefined);
    if (earlier !== undefined) this.#lost.delete(earlier.connection.cid);
    const timer = setTimeout(() => {
      this.#lost.delete(connection.cid);
      this.#options.expired(connection);
    }, this.#options.retainTime);
    this.#lost.set(connection.cid, { connection, loggedOut, timer });
    if (earlier === undefined) return;
    clearTimeout(earlier.timer);
    this.#options.expired(earlier.connection);
  }

  /** Logs out a connection that is gone already; undefined where none of that number is known. */
  logOut(cid: number): Connection | undefined {
    const lost = this.#lost.get(cid);
    if (lost !== undefined) lost.loggedOut = true;
    return lost?.connection;
  }

  /** Whether the tasks of this connection may be reassigned now. */
  released(connection: Connection): boolean {
    return [...this.#lost.values()].some((lost) => lost.connection === connection && lost.loggedOut);
  }

  close(): void {
    for (const { timer } of this.#lost.values()) clearTimeout(timer);
    this.#lost.clear();
    for (const task of this.#ended.values()) this.data.forget(task);
    this.#ended.clear();
    this.#tags.clear();
    this.#tagOf.clear();
  }

  /** Nothing of a connection's ended tasks will be asked for again. */
  forget(connection: Connection): void {
    for (const task of this.#ended.values()) if (task.connection === connection) this.settle(task);
  }
}

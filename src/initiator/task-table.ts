import { RESERVED_TAG } from "ts-iscsi-pdu";
import { Backlog } from "./backlog.ts";
import type { Connection } from "./connection.ts";
import { Leftover } from "./leftover.ts";
import type { Pending } from "./pending.ts";

const maxLeftovers = 64;

/** The requests of a session that wait for answers, by Initiator Task Tag. */
export class TaskTable {
  /** All but those that are over and may still be answered. */
  readonly backlog = new Backlog();
  readonly #tasks = new Map<number, Pending>();
  readonly #leftovers = new Set<Pending>();
  #next = 1;

  get size(): number {
    return this.#tasks.size;
  }

  /** Gives the task a tag that no other has. */
  add(task: Pending): void {
    do {
      this.#next = (this.#next + 1) >>> 0;
    } while (this.#next === RESERVED_TAG || this.#tasks.has(this.#next));
    task.itt = this.#next;
    this.#tasks.set(task.itt, task);
    this.backlog.begun(task);
  }

  get(itt: number): Pending | undefined {
    return this.#tasks.get(itt);
  }

  /** Removes a task, unless another one took its place. */
  remove(task: Pending): void {
    if (this.#tasks.get(task.itt) !== task) return;
    this.#tasks.delete(task.itt);
    if (this.#leftovers.size === 0 || !this.#leftovers.delete(task)) this.backlog.over(task);
  }

  /**
   * Ends a task that may still be answered: its tag stays taken until it is, or until many more have been given up.
   * False when it is no longer there.
   */
  giveUp(task: Pending): boolean {
    if (this.#tasks.get(task.itt) !== task) return false;
    this.remove(task);
    const leftover = new Leftover(task);
    this.#tasks.set(task.itt, leftover);
    this.#leftovers.add(leftover);
    const [oldest] = this.#leftovers;
    if (this.#leftovers.size > maxLeftovers && oldest !== undefined) this.remove(oldest);
    return true;
  }

  /** The tasks of one connection, in the order in which they were sent. */
  of(connection: Connection): readonly Pending[] {
    return [...this.#tasks.values()].filter((task) => task.connection === connection);
  }

  all(): readonly Pending[] {
    return [...this.#tasks.values()];
  }
}

import { TimeoutError } from "#core";
import { abortTask } from "./abort.ts";
import { Leftover } from "./leftover.ts";
import type { Pending } from "./pending.ts";
import { ScsiTask } from "./scsi-task.ts";
import type { SessionCore } from "./session-core.ts";

const looksPerPeriod = 4;

/**
 * Ends requests that a target keeps unanswered for too long. One timer for all of them: it looks a few times a
 * period, so a request gets up to a quarter more than its time.
 */
export class CommandTimeout implements Disposable {
  readonly #core: SessionCore;
  readonly #periodMs: number;
  readonly #timer: NodeJS.Timeout | undefined;
  /** How many looks have found a task waiting. */
  #seen = new Map<Pending, number>();
  #begun = 0;
  /** How many looks have found requests waiting, and none sent since the look before. */
  #shut = 0;

  constructor(core: SessionCore, periodMs: number) {
    this.#core = core;
    this.#periodMs = periodMs;
    if (periodMs > 0) this.#timer = setInterval(() => this.#look(), periodMs / looksPerPeriod).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const seen = new Map<Pending, number>();
    for (const task of this.#core.tasks.all()) {
      if (task instanceof Leftover || (task instanceof ScsiTask && task.discarded)) continue;
      const looks = (this.#seen.get(task) ?? 0) + 1;
      if (looks <= looksPerPeriod) seen.set(task, looks);
      else this.#giveUp(task);
    }
    this.#seen = seen;
    const { waiting, begun, connections } = this.#core;
    this.#shut = waiting > 0 && begun === this.#begun && connections.length > 0 ? this.#shut + 1 : 0;
    this.#begun = begun;
    if (this.#shut <= looksPerPeriod) return;
    this.#shut = 0;
    for (const connection of connections)
      connection.fail(new TimeoutError("room in the command window", this.#periodMs));
  }

  /** A command can be aborted; when anything else stays unanswered, the connection is of no more use. */
  #giveUp(task: Pending): void {
    const error = new TimeoutError(`the answer to ${task.title}`, this.#periodMs);
    if (task instanceof ScsiTask) void abortTask(this.#core, task, error);
    else task.connection?.fail(error);
  }
}

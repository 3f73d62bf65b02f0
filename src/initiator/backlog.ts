import { BHS_LENGTH } from "ts-iscsi-pdu";
import type { Pending } from "./pending.ts";

/** So many requests are a queue in which one may wait for another. */
const deep = 3;
/** Bytes of an answer, on average, beyond which to move it costs more than to wake up for it. */
const long = 24 * 1024;

/** What a session waits for, in numbers. */
export class Backlog {
  /** Requests whose answer the target will not come to before it has got something else. */
  readonly #prompt = new Set<Pending>();
  #requests = 0;
  #due = 0;
  #depth = 0;

  /** Bytes that the target owes: an answer for each request, with all the data of those that read. */
  get due(): number {
    return this.#due;
  }

  /** How many requests have been waiting at a time of late. */
  get depth(): number {
    return this.#depth;
  }

  /** Whether what the target sends next may wait for a moment: many short answers, and nothing that the target waits for. */
  get patient(): boolean {
    return this.#requests >= deep && this.#due <= this.#requests * long && this.#prompt.size === 0;
  }

  begun(task: Pending): void {
    this.#requests++;
    this.#due += dueOf(task);
    if (this.#depth < this.#requests) this.#depth = this.#requests;
    if (task.prompt === true) this.#prompt.add(task);
  }

  over(task: Pending): void {
    this.#requests--;
    this.#due -= dueOf(task);
    if (this.#prompt.size > 0) this.#prompt.delete(task);
  }

  /** A read is over: what was long ago counts less and less. */
  age(): void {
    this.#depth = Math.max(this.#requests, Math.floor((this.#depth * 7) / 8));
  }
}

const dueOf = (task: Pending): number => BHS_LENGTH + (task.readLength ?? 0);

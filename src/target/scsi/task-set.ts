import { TaskAttribute } from "ts-iscsi-pdu";

interface Waiting {
  readonly ordered: boolean;
  readonly start: () => void;
}

/**
 * The order in which the tasks of one logical unit may start (SAM-5, section 8): simple tasks run side by side, an
 * ordered one waits for all before it and holds back all after it, head of queue starts at once.
 */
export class TaskSet {
  #running = 0;
  #orderedRunning = false;
  readonly #waiting: Waiting[] = [];

  /** Calls `start` when the task may begin; `leave` must follow each start. */
  enter(attribute: number, start: () => void): void {
    if (attribute === TaskAttribute.HeadOfQueue) {
      this.#running += 1;
      start();
      return;
    }
    const ordered = attribute === TaskAttribute.Ordered;
    if (this.#waiting.length === 0 && this.#mayStart(ordered)) {
      this.#begin({ ordered, start });
      return;
    }
    this.#waiting.push({ ordered, start });
  }

  /** A task that was started has ended. */
  leave(): void {
    this.#running -= 1;
    if (this.#running === 0) this.#orderedRunning = false;
    for (
      let next = this.#waiting[0];
      next !== undefined && this.#mayStart(next.ordered);
      next = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#begin(next);
    }
  }

  #mayStart(ordered: boolean): boolean {
    return ordered ? this.#running === 0 : !this.#orderedRunning;
  }

  #begin(task: Waiting): void {
    this.#running += 1;
    if (task.ordered) this.#orderedRunning = true;
    task.start();
  }
}

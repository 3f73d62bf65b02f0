import { constants } from "node:os";
import { LabError } from "#core";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type StoppingSignal = (typeof SIGNALS)[number];

export interface InterruptionOptions {
  /** What a second signal does; it gets the exit status. Default: end the process at once, cleaning up nothing. */
  readonly again?: (status: number) => void;
}

/**
 * The wish of a person or of the system that the program stop, as one AbortSignal: SIGINT, SIGTERM and SIGHUP abort it
 * with a LabError `INTERRUPTED` and let the program take itself down in order; a second one does not wait for that.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #again: (status: number) => void;
  readonly #listener = (signal: StoppingSignal) => this.#received(signal);
  #stoppedBy: StoppingSignal | undefined;

  constructor(options: InterruptionOptions = {}) {
    this.#again = options.again ?? ((status) => process.exit(status));
    for (const name of SIGNALS) process.on(name, this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 128 + number of the first signal, as shells have it (SIGINT: 130); undefined as long as none came. */
  get exitStatus(): number | undefined {
    return this.#stoppedBy === undefined ? undefined : 128 + constants.signals[this.#stoppedBy];
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#listener);
  }

  #received(signal: StoppingSignal): void {
    if (this.exitStatus !== undefined) {
      this.#again(this.exitStatus);
      return;
    }
    this.#stoppedBy = signal;
    this.#controller.abort(new LabError("INTERRUPTED", `interrupted by ${signal}`, { details: { signal } }));
  }
}

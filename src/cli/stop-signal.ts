import { SanlabError } from "#core";

const signals = ["SIGINT", "SIGTERM"] as const;

/**
 * The end of a command that runs until it is told to stop. While this lives, SIGINT and SIGTERM do no more than abort
 * `signal`, which ends what waits, and resolve `received`; a second one ends the program at once, as ever.
 */
export class StopSignal implements Disposable {
  readonly received: Promise<NodeJS.Signals>;
  readonly #controller = new AbortController();
  readonly #listen: (signal: NodeJS.Signals) => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
    this.received = promise;
    this.#listen = (signal) => {
      this[Symbol.dispose]();
      this.#controller.abort(new SanlabError("INTERRUPTED", "interrupted"));
      resolve(signal);
    };
    for (const signal of signals) process.on(signal, this.#listen);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const signal of signals) process.off(signal, this.#listen);
  }
}

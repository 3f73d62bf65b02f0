import { closeSync, openSync, writeSync } from "node:fs";
import { withTimeout, type Clock, type Report } from "#core";
import type { Observation, Source } from "./observation.ts";

/** Version of the lines in `events.jsonl`; raised when their meaning changes. */
export const TIMELINE_FORMAT = 1;

/**
 * The append-only log of a run. Each observation is written to `events.jsonl` at once, one JSON object a line after a
 * header line `{"formatVersion":1,"startedAt":…}`, so that whatever ends the run, what was seen until then is kept.
 */
export class Timeline implements Disposable {
  readonly #observations: Observation[] = [];
  readonly #listeners = new Set<(observation: Observation) => void>();
  readonly #clock: Clock;
  readonly #broken = Promise.withResolvers<never>();
  #fd: number | undefined;

  constructor(file: string, clock: Clock) {
    this.#clock = clock;
    this.#broken.promise.catch(() => {});
    this.#fd = openSync(file, "w", 0o600);
    this.#writeLine({ formatVersion: TIMELINE_FORMAT, startedAt: clock.startedAt.toISOString() });
  }

  get observations(): readonly Observation[] {
    return this.#observations;
  }

  /** Rejects when the file cannot be written any more, as on a full disk: what is seen from then on is not kept there. */
  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  /** Seconds on the run's clock. */
  now(): number {
    return this.#clock.now();
  }

  /** Adds an observation, stamped now unless its source knows better when it happened. */
  append(source: Source, kind: string, data: Observation["data"] = {}, t: number = this.#clock.now()): void {
    const observation: Observation = { t: Math.round(t * 1e6) / 1e6, source, kind, data };
    this.#observations.push(observation);
    this.#writeLine(observation);
    for (const listener of this.#listeners) listener(observation);
  }

  /** A `Report` that components of lower floors can be given. */
  reporter(source: Source): Report {
    return (kind, data) => this.append(source, kind, data);
  }

  /** Calls `listener` for all that was seen so far and all that will be. */
  follow(listener: (observation: Observation) => void): Disposable {
    for (const observation of this.#observations) listener(observation);
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /**
   * Resolves with the first observation, past or future, for which `matches` holds.
   *
   * @throws {TimeoutError} naming `waitedFor` after `timeoutMs`
   */
  async until(
    waitedFor: string,
    matches: (observation: Observation) => boolean,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Observation> {
    const { promise, resolve } = Promise.withResolvers<Observation>();
    using _following = this.follow((observation) => {
      if (matches(observation)) resolve(observation);
    });
    return await withTimeout(waitedFor, options.timeoutMs, () => promise, options.signal);
  }

  [Symbol.dispose](): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    this.#listeners.clear();
  }

  #writeLine(value: object): void {
    if (this.#fd === undefined) return;
    try {
      writeSync(this.#fd, `${JSON.stringify(value)}\n`);
    } catch (error) {
      closeSync(this.#fd);
      this.#fd = undefined;
      this.#broken.reject(error);
    }
  }
}

/**
 * The one monotonic clock of a run. All timestamps of a run are seconds since its clock was made, so that events of
 * different sources can be ordered and a change of the wall clock cannot disturb them.
 */
export class Clock {
  readonly #start = process.hrtime.bigint();
  /** Wall-clock time of the clock's zero, for people who read the log. */
  readonly startedAt = new Date();

  /** Seconds since the clock was made, with microsecond resolution. */
  now(): number {
    return Number((process.hrtime.bigint() - this.#start) / 1000n) / 1e6;
  }
}

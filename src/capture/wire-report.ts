/** Receives what an observer of the wire sees: a word, JSON data, seconds since 1970 by the capture's clock. */
export type WireReport = (kind: string, data: Readonly<Record<string, unknown>>, time: number) => void;

/** The same inside, where the packet in hand gives the time unless another is given. */
export type Tell = (kind: string, data: Readonly<Record<string, unknown>>, time?: number) => void;

/** Lets the same thing through once a period, and forgets the oldest of too many things. */
export class Throttle {
  readonly #period: number;
  readonly #limit: number;
  readonly #last = new Map<string, { time: number; held: number }>();

  constructor(period: number, limit = 4096) {
    this.#period = period;
    this.#limit = limit;
  }

  /** How many were held back since the last one let through; undefined where this one is held back, too. */
  pass(key: string, time: number): number | undefined {
    const entry = this.#last.get(key);
    if (entry !== undefined && Math.abs(time - entry.time) < this.#period) {
      entry.held++;
      return undefined;
    }
    this.#last.delete(key);
    this.#last.set(key, { time, held: 0 });
    for (const oldest of this.#last.keys()) {
      if (this.#last.size <= this.#limit) break;
      this.#last.delete(oldest);
    }
    return entry?.held ?? 0;
  }
}

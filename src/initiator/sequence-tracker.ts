import { serialAdd, serialLess } from "ts-iscsi-pdu";

/** The missing statuses that a gap revealed, as a SNACK names them. */
export interface MissingRun {
  readonly begRun: number;
  readonly runLength: number;
}

/**
 * Follows a numbering that begins at `next` and grows by one (StatSN of a connection, DataSN and R2TSN of a command):
 * tells what is new, what comes twice and what is missing.
 */
export class SequenceTracker {
  #next: number;
  /** Numbers beyond `next` that are already here; used only where gaps are healed. */
  readonly #early = new Set<number>();

  constructor(next: number) {
    this.#next = next;
  }

  /** The lowest number that is not here. */
  get next(): number {
    return this.#next;
  }

  /** Whether numbers beyond `next` are here. */
  get hasGap(): boolean {
    return this.#early.size > 0;
  }

  /** How many are here. */
  count(first: number): number {
    return ((this.#next - first) >>> 0) + this.#early.size;
  }

  judge(number: number): "next" | "again" | "early" {
    if (number === this.#next) return "next";
    return serialLess(number, this.#next) || this.#early.has(number) ? "again" : "early";
  }

  /** Takes a number that is `next` or `early`. */
  take(number: number): void {
    if (number !== this.#next) {
      this.#early.add(number);
      return;
    }
    do {
      this.#early.delete(this.#next);
      this.#next = serialAdd(this.#next, 1);
    } while (this.#early.size > 0 && this.#early.has(this.#next));
  }

  /** The first run of missing numbers below `end`; undefined when all are here. */
  missing(end: number): MissingRun | undefined {
    if (!serialLess(this.#next, end)) return undefined;
    let stop = this.#next;
    while (serialLess(stop, end) && !this.#early.has(stop)) stop = serialAdd(stop, 1);
    return { begRun: this.#next, runLength: (stop - this.#next) >>> 0 };
  }
}

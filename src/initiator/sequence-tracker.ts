import { serialAdd, serialLess } from "ts-iscsi-pdu";

/** The missing statuses that a gap revealed, as a SNACK names them. */
export interface MissingRun {
  readonly begRun: number;
  readonly runLength: number;
}

/** A gap longer than this is no lost PDU but nonsense, and would take memory to follow. */
const longestGap = 65_535;

/**
 * Follows a numbering that begins at `next` and grows by one (StatSN of a connection, DataSN and R2TSN of a command):
 * tells what is new, what comes twice and what is missing.
 */
export class SequenceTracker {
  #next: number;
  /** Numbers beyond `next` that are already here; made only where a gap has to be healed. */
  #early: Set<number> | undefined;

  constructor(next: number) {
    this.#next = next;
  }

  /** The lowest number that is not here. */
  get next(): number {
    return this.#next;
  }

  /** Whether numbers beyond `next` are here. */
  get hasGap(): boolean {
    return this.#early !== undefined && this.#early.size > 0;
  }

  /** Forgets what is here beyond `next`. */
  rewind(): void {
    this.#early = undefined;
  }

  /** How many are here. */
  count(first: number): number {
    return ((this.#next - first) >>> 0) + (this.#early?.size ?? 0);
  }

  judge(number: number): "next" | "again" | "early" | "nonsense" {
    if (number === this.#next) return "next";
    if (serialLess(number, this.#next) || this.#early?.has(number) === true) return "again";
    return (number - this.#next) >>> 0 > longestGap ? "nonsense" : "early";
  }

  /** Takes a number that is `next` or `early`. */
  take(number: number): void {
    if (number !== this.#next) {
      this.#early ??= new Set();
      this.#early.add(number);
      return;
    }
    do this.#next = serialAdd(this.#next, 1);
    while (this.#early?.delete(this.#next) === true);
  }

  /** The first run of missing numbers from `from` on and below `end`; undefined when all are here. */
  missing(end: number, from: number = this.#next): MissingRun | undefined {
    let begRun = serialLess(from, this.#next) ? this.#next : from;
    while (serialLess(begRun, end) && this.#early?.has(begRun) === true) begRun = serialAdd(begRun, 1);
    if (!serialLess(begRun, end)) return undefined;
    if (!this.hasGap) return { begRun, runLength: (end - begRun) >>> 0 };
    let stop = begRun;
    while (serialLess(stop, end) && this.#early?.has(stop) !== true) stop = serialAdd(stop, 1);
    return { begRun, runLength: (stop - begRun) >>> 0 };
  }

  /** All runs of missing numbers from `from` on and below `end`. */
  *allMissing(end: number, from: number = this.#next): Generator<MissingRun> {
    for (let run = this.missing(end, from); run !== undefined;) {
      yield run;
      run = this.missing(end, serialAdd(run.begRun, run.runLength));
    }
  }
}

/** Which bytes of a buffer have arrived, when they may come in any order. */
export class Coverage {
  /** Disjoint runs, in order, neighbours joined. */
  #runs: { start: number; end: number }[];
  #total: number;

  /** `contiguous` bytes from the start are here already. */
  constructor(contiguous = 0) {
    this.#runs = contiguous > 0 ? [{ start: 0, end: contiguous }] : [];
    this.#total = contiguous;
  }

  get total(): number {
    return this.#total;
  }

  /** Adds a run; false, and no change, when a part of it was here. */
  add(offset: number, length: number): boolean {
    if (length === 0) return true;
    const end = offset + length;
    const found = this.#runs.findIndex((run) => run.start >= offset);
    const at = found < 0 ? this.#runs.length : found;
    const before = this.#runs[at - 1];
    const after = this.#runs[at];
    if ((before !== undefined && before.end > offset) || (after !== undefined && after.start < end))
      return false;
    const joinsBefore = before?.end === offset;
    const joinsAfter = after?.start === end;
    const run = {
      start: joinsBefore ? before.start : offset,
      end: joinsAfter ? after.end : end,
    };
    this.#runs.splice(joinsBefore ? at - 1 : at, Number(joinsBefore) + Number(joinsAfter), run);
    this.#total += length;
    return true;
  }

  /** Takes back a run that `add` took. */
  remove(offset: number, length: number): void {
    const end = offset + length;
    const at = this.#runs.findIndex((run) => run.start <= offset && end <= run.end);
    const run = this.#runs[at];
    if (run === undefined || length === 0) return;
    const left = [
      { start: run.start, end: offset },
      { start: end, end: run.end },
    ].filter((part) => part.start < part.end);
    this.#runs.splice(at, 1, ...left);
    this.#total -= length;
  }

  covers(length: number): boolean {
    const first = this.#runs[0];
    return length === 0 || (first !== undefined && first.start === 0 && first.end >= length);
  }
}

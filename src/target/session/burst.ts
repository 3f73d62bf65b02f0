import { serialAdd, serialLess, type DataOutView } from "ts-iscsi-pdu";

/** How a sequence ended: all of it is here, parts of it were lost, or nobody waits for it any more. */
export type Arrival = "whole" | "holes" | "aborted";

export interface BurstOptions {
  /** DataPDUInOrder. */
  readonly inOrder: boolean;
  /** Lost PDUs leave holes, which are asked for again (ErrorRecoveryLevel 1 and up). */
  readonly recovers: boolean;
}

/**
 * One sequence of Data-Out PDUs: the answer to one R2T, or the unsolicited data of a command. Its buffer is where the
 * framer puts the data, so what does not fit is refused before a byte of it is stored.
 */
export class Burst {
  readonly offset: number;
  readonly buffer: Uint8Array;
  readonly complete: Promise<Arrival>;
  readonly #options: BurstOptions;
  #resolve: (arrival: Arrival) => void = () => undefined;
  #dataSn = 0;
  #received = 0;
  #final = false;
  #failed = false;
  /** Start and end of what has come, in order and apart; only where lost PDUs are asked for again. */
  #ranges: { start: number; end: number }[] = [];
  /** Number of the R2T that asked for it. */
  r2tSn = -1;

  constructor(offset: number, buffer: Uint8Array, options: BurstOptions) {
    this.offset = offset;
    this.buffer = buffer;
    this.#options = options;
    this.complete = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Bytes received so far. */
  get received(): number {
    return this.#received;
  }

  get ended(): boolean {
    return this.#final;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** Immediate data comes before any Data-Out and has no DataSN. */
  takeImmediate(data: Uint8Array, final: boolean): void {
    if (data !== this.buffer) this.buffer.set(data);
    this.#took(0, data.length);
    if (final) this.#end();
  }

  /** What is wrong with a Data-Out, in words, or undefined. */
  problem(pdu: DataOutView, exact: boolean): string | undefined {
    const { inOrder, recovers } = this.#options;
    if (this.#final) return "Data-Out after the last of its sequence";
    if (recovers ? serialLess(pdu.dataSn, this.#dataSn) : pdu.dataSn !== this.#dataSn)
      return `DataSN ${pdu.dataSn}, expected ${this.#dataSn}`;
    const at = pdu.bufferOffset - this.offset;
    if (at < 0 || at + pdu.dataLength > this.buffer.length)
      return `data at ${pdu.bufferOffset} is outside of its sequence`;
    const expected = recovers ? (this.#ranges.at(-1)?.end ?? 0) : this.#received;
    if (inOrder && (recovers ? at < expected : at !== expected))
      return `Buffer Offset ${pdu.bufferOffset}, expected ${this.offset + expected}`;
    if (recovers && this.#overlaps(at, at + pdu.dataLength))
      return `data at ${pdu.bufferOffset} has come already`;
    if (!exact || (recovers && !inOrder)) return undefined;
    const last = (recovers ? at : this.#received) + pdu.dataLength === this.buffer.length;
    if (pdu.final === last) return undefined;
    return pdu.final ? "F before all data of the R2T" : "no F with the last data of the R2T";
  }

  /** Where the data of a Data-Out without `problem` belongs. */
  destination(pdu: DataOutView): Uint8Array {
    const at = pdu.bufferOffset - this.offset;
    return this.buffer.subarray(at, at + pdu.dataLength);
  }

  /** The data of a Data-Out is in its place. */
  took(pdu: DataOutView): void {
    this.#dataSn = serialAdd(pdu.dataSn, 1);
    this.#took(pdu.bufferOffset - this.offset, pdu.dataLength);
    if (pdu.final) this.#end();
  }

  /** A Data-Out came whose data is wrong: its header still tells whether more is to come. */
  damaged(pdu: DataOutView): void {
    this.#dataSn = serialAdd(pdu.dataSn, 1);
    if (pdu.final) this.#end();
  }

  /** No more is waited for: the connection is lost, or has been silent for too long. */
  cut(): void {
    if (!this.#final) this.#end();
  }

  /** Parts between and, with `toEnd`, behind what has come, as offsets into the buffer. */
  holes(toEnd: boolean): readonly { readonly start: number; readonly end: number }[] {
    const holes: { start: number; end: number }[] = [];
    let start = 0;
    for (const range of this.#ranges) {
      if (range.start > start) holes.push({ start, end: range.start });
      start = range.end;
    }
    if (toEnd && start < this.buffer.length) holes.push({ start, end: this.buffer.length });
    return holes;
  }

  /** A hole has been filled by another sequence into the same buffer. */
  fill(start: number, end: number): void {
    this.#took(start, end - start);
  }

  /** A Data-Out broke the rules of the sequence: what has come of it is worth nothing. */
  fail(): void {
    this.#failed = true;
    this.abort();
  }

  abort(): void {
    this.#final = true;
    this.#resolve("aborted");
  }

  #took(start: number, length: number): void {
    this.#received += length;
    if (!this.#options.recovers || length === 0) return;
    const last = this.#ranges.at(-1);
    if (last !== undefined && last.end === start) {
      last.end += length;
      return;
    }
    this.#ranges.push({ start, end: start + length });
    this.#ranges = merge(this.#ranges);
  }

  #overlaps(start: number, end: number): boolean {
    return this.#ranges.some((range) => start < range.end && end > range.start);
  }

  #end(): void {
    this.#final = true;
    this.#resolve(this.#options.recovers && this.#received < this.buffer.length ? "holes" : "whole");
  }
}

function merge(ranges: readonly { start: number; end: number }[]): { start: number; end: number }[] {
  const merged: { start: number; end: number }[] = [];
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last !== undefined && last.end === range.start) last.end = range.end;
    else merged.push(range);
  }
  return merged;
}

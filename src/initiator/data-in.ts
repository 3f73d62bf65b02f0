import { Opcode, serialAdd, serialLess, SnackType, type DataInView } from "ts-iscsi-pdu";
import type { Connection } from "./connection.ts";
import { Coverage } from "./coverage.ts";
import { violation } from "./errors.ts";
import type { SequenceTracker } from "./sequence-tracker.ts";
import type { TaskContext } from "./task-context.ts";

/**
 * The read half of one command: says where each Data-In PDU's bytes belong and holds the target to the rules of
 * RFC 7143 §11.7. Recovery level 0 takes any gap for a broken session; from level 1 on, what is missing is asked for
 * again.
 */
export class DataIn {
  readonly #into: Uint8Array;
  readonly #context: TaskContext;
  /** DataSN of the command, which a bidirectional one shares with its R2Ts. */
  readonly #sequence: SequenceTracker;
  /** Bytes without a gap from the start, while data comes in order. */
  #contiguous = 0;
  /** Made when data may come, or came, out of order. */
  #coverage: Coverage | undefined;
  /** Bytes in the sequence that the next F bit ends. */
  #burst = 0;
  #askedUpTo = 0;
  #whole = false;
  /** What a DataACK must carry that the target asked for while data was missing (RFC 7143 §11.7.2). */
  #owed: { readonly lun: Uint8Array; readonly ttt: number } | undefined;
  /** Where the data of numbers beyond a gap lies. */
  #early: Map<number, { readonly offset: number; readonly length: number }> | undefined;

  constructor(into: Uint8Array, context: TaskContext, sequence: SequenceTracker) {
    this.#into = into;
    this.#context = context;
    this.#sequence = sequence;
    const { DataPDUInOrder, DataSequenceInOrder } = context.values;
    if (!DataPDUInOrder || !DataSequenceInOrder) this.#coverage = new Coverage();
  }

  /** Bytes that have arrived. */
  get bytes(): number {
    return this.#coverage?.total ?? this.#contiguous;
  }

  /** Whether `length` bytes from the start have all arrived. */
  covers(length: number): boolean {
    return this.#coverage === undefined ? this.#contiguous >= length : this.#coverage.covers(length);
  }

  /** Where the PDU's data goes: the caller's own buffer. */
  place(pdu: DataInView): Uint8Array {
    const { bufferOffset, dataLength, dataSn } = pdu;
    const end = bufferOffset + dataLength;
    if (end > this.#into.length) {
      throw violation(
        "11.7.6",
        "Buffer Offset",
        bufferOffset,
        `${dataLength} bytes there pass the ${this.#into.length} expected`,
      );
    }
    const judged = this.#sequence.judge(dataSn);
    if (judged === "nonsense" || (judged !== "next" && this.#context.values.ErrorRecoveryLevel === 0)) {
      throw violation("11.7.5", "DataSN", dataSn, `${this.#sequence.next} was next`);
    }
    if (judged === "early") this.#coverage ??= new Coverage(this.#contiguous);
    const ordered = judged === "next" && this.#coverage === undefined;
    if (ordered && bufferOffset !== this.#contiguous) {
      throw violation(
        "11.7.6",
        "Buffer Offset",
        bufferOffset,
        `data comes in order, and ${this.#contiguous} was next`,
      );
    }
    return dataLength === this.#into.length ? this.#into : this.#into.subarray(bufferOffset, end);
  }

  /** Takes a PDU whose data is in place. */
  receive(pdu: DataInView, connection: Connection): void {
    const { dataSn, dataLength, bufferOffset } = pdu;
    const judged = this.#sequence.judge(dataSn);
    if (judged === "again" || judged === "nonsense") return;
    this.#sequence.take(dataSn);
    if (this.#coverage === undefined) this.#contiguous += dataLength;
    else if (!this.#coverage.add(bufferOffset, dataLength)) {
      throw violation("11.7.6", "Buffer Offset", bufferOffset, "the data overlaps what came before");
    }
    this.#countBurst(pdu, judged);
    if (judged === "early") {
      this.#early ??= new Map();
      this.#early.set(dataSn, { offset: bufferOffset, length: dataLength });
      this.askFor(dataSn, pdu.itt, connection);
    } else if (this.#early !== undefined && !this.#sequence.hasGap) this.#early = undefined;
    if (pdu.acknowledge && this.#context.values.ErrorRecoveryLevel > 0)
      this.#owed = { lun: Uint8Array.from(pdu.lunBytes), ttt: pdu.ttt };
    if (this.#owed !== undefined && !this.#sequence.hasGap) this.#acknowledge(this.#owed, connection);
  }

  /**
   * Asks once for each number below `end` that is missing (Data SNACK, RFC 7143 §11.16). With `whole` there are none from
   * `end` on, and the last run is asked for without a length: LIO counts the last PDU beyond its own count.
   */
  askFor(end: number, itt: number, connection: Connection, whole = false): void {
    if (((end - this.#askedUpTo) | 0) <= 0) return;
    const from = this.#askedUpTo;
    this.#askedUpTo = end;
    this.#whole = whole;
    this.#ask(from, itt, connection);
  }

  /** Asks anew for what was asked for before and has not come. */
  askAgain(itt: number, connection: Connection): void {
    this.#ask(this.#sequence.next, itt, connection);
  }

  /** Another connection takes over: the target sends all beyond a gap again (RFC 7143 §11.5.6). */
  rewind(): void {
    for (const [dataSn, { offset, length }] of this.#early ?? [])
      if (serialLess(this.#sequence.next, dataSn)) this.#coverage?.remove(offset, length);
    this.#early = undefined;
    this.#owed = undefined;
    this.#whole = false;
    this.#burst = 0;
    this.#askedUpTo = this.#sequence.next;
  }

  #ask(from: number, itt: number, connection: Connection): void {
    const end = this.#askedUpTo;
    for (const { begRun, runLength } of this.#sequence.allMissing(end, from)) {
      const last = this.#whole && serialAdd(begRun, runLength) === end;
      const run = { begRun, runLength: last ? 0 : runLength };
      this.#context.report?.("snack", { itt, ...run });
      connection.send({
        opcode: Opcode.Snack,
        type: SnackType.DataR2t,
        itt,
        expStatSn: connection.expStatSn,
        ...run,
      });
    }
  }

  #countBurst(pdu: DataInView, judged: "next" | "early"): void {
    this.#burst = judged === "next" ? this.#burst + pdu.dataLength : 0;
    const { MaxBurstLength } = this.#context.values;
    if (this.#burst > MaxBurstLength) {
      const expected = `at most ${MaxBurstLength} bytes in a sequence`;
      this.#context.deviations.note({ section: "13.13", field: "F", got: this.#burst, expected });
    }
    if (pdu.final) this.#burst = 0;
  }

  /** DataACK: everything below the next DataSN may be forgotten. */
  #acknowledge(owed: { readonly lun: Uint8Array; readonly ttt: number }, connection: Connection): void {
    this.#owed = undefined;
    connection.send({
      opcode: Opcode.Snack,
      type: SnackType.DataAck,
      ...owed,
      expStatSn: connection.expStatSn,
      begRun: this.#sequence.next,
      runLength: 0,
    });
  }
}

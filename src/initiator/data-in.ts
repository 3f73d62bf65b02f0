import { Opcode, SnackType, type DataInView } from "ts-iscsi-pdu";
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
        "11.7.5",
        "Buffer Offset",
        bufferOffset,
        `${dataLength} bytes there pass the ${this.#into.length} expected`,
      );
    }
    const judged = this.#sequence.judge(dataSn);
    if (judged === "nonsense" || (judged !== "next" && this.#context.values.ErrorRecoveryLevel === 0)) {
      throw violation("11.7.4", "DataSN", dataSn, `${this.#sequence.next} was next`);
    }
    if (judged === "early") this.#coverage ??= new Coverage(this.#contiguous);
    const ordered = judged === "next" && this.#coverage === undefined;
    if (ordered && bufferOffset !== this.#contiguous) {
      throw violation(
        "11.7.5",
        "Buffer Offset",
        bufferOffset,
        `data comes in order, and ${this.#contiguous} was next`,
      );
    }
    return this.#into.subarray(bufferOffset, end);
  }

  /** Takes a PDU whose data is in place. */
  receive(pdu: DataInView, connection: Connection): void {
    const { dataSn, dataLength, bufferOffset } = pdu;
    const judged = this.#sequence.judge(dataSn);
    if (judged === "again" || judged === "nonsense") return;
    this.#sequence.take(dataSn);
    if (this.#coverage === undefined) this.#contiguous += dataLength;
    else if (!this.#coverage.add(bufferOffset, dataLength)) {
      throw violation("11.7.5", "Buffer Offset", bufferOffset, "the data overlaps what came before");
    }
    this.#countBurst(pdu, judged);
    if (judged === "early") this.askFor(dataSn, pdu.itt, connection);
    if (pdu.acknowledge && this.#context.values.ErrorRecoveryLevel > 0) this.#acknowledge(pdu, connection);
  }

  /** Asks once for each number below `end` that is missing (Data SNACK, RFC 7143 §11.16). */
  askFor(end: number, itt: number, connection: Connection): void {
    const missing = this.#sequence.missing(end);
    if (missing === undefined || ((end - this.#askedUpTo) | 0) <= 0) return;
    this.#askedUpTo = end;
    this.#context.report?.("snack", { itt, ...missing });
    connection.send({
      opcode: Opcode.Snack,
      type: SnackType.DataR2t,
      itt,
      expStatSn: connection.expStatSn,
      ...missing,
    });
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
  #acknowledge(pdu: DataInView, connection: Connection): void {
    if (this.#sequence.hasGap) return;
    connection.send({
      opcode: Opcode.Snack,
      type: SnackType.DataAck,
      lun: pdu.lunBytes.slice(),
      ttt: pdu.ttt,
      expStatSn: connection.expStatSn,
      begRun: this.#sequence.next,
      runLength: 0,
    });
  }
}

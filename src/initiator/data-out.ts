import { Opcode, RESERVED_TAG, type LunValue, type R2tView } from "ts-iscsi-pdu";
import type { Connection } from "./connection.ts";
import { violation } from "./errors.ts";
import type { SequenceTracker } from "./sequence-tracker.ts";
import type { TaskContext } from "./task-context.ts";

/** How much of a write's data may go out before the target asks for any (RFC 7143 §13.10, §13.11, §13.14). */
export function unaskedLength({ values }: TaskContext, connection: Connection | undefined): number {
  const { InitialR2T, ImmediateData, FirstBurstLength } = values;
  if (!InitialR2T) return FirstBurstLength;
  return ImmediateData ? Math.min(FirstBurstLength, connection?.maxSendLength ?? 0) : 0;
}

/**
 * The write half of one command: immediate and unsolicited data, then what each R2T asks for (RFC 7143 §11.7, §11.8).
 * An R2T that the rules forbid is a violation; it never makes a byte leave that the command does not own.
 */
export class DataOut {
  readonly #data: Uint8Array;
  readonly #context: TaskContext;
  readonly #sequence: SequenceTracker;
  readonly #lun: LunValue;
  /** Where the next R2T must begin, while sequences come in order. */
  #next = 0;

  constructor(data: Uint8Array, lun: LunValue, context: TaskContext, sequence: SequenceTracker) {
    this.#data = data;
    this.#lun = lun;
    this.#context = context;
    this.#sequence = sequence;
  }

  /** What rides in the command PDU itself. */
  immediate(connection: Connection): Uint8Array | undefined {
    const { ImmediateData, FirstBurstLength } = this.#context.values;
    if (!ImmediateData) return undefined;
    this.#next = Math.min(this.#data.length, FirstBurstLength, connection.maxSendLength);
    return this.#data.subarray(0, this.#next);
  }

  /** Bytes that follow the command at once, beyond the immediate data. */
  get unsolicited(): number {
    const { InitialR2T, FirstBurstLength } = this.#context.values;
    return InitialR2T ? 0 : Math.min(this.#data.length, FirstBurstLength) - this.#next;
  }

  sendUnsolicited(itt: number, connection: Connection): void {
    const length = this.unsolicited;
    if (length <= 0) return;
    this.#send(itt, RESERVED_TAG, this.#next, length, connection);
    this.#next += length;
  }

  /** Serves an R2T, all of it at once. */
  answer(pdu: R2tView, connection: Connection): void {
    const { bufferOffset, desiredLength, r2tSn, ttt } = pdu;
    const { MaxBurstLength, ErrorRecoveryLevel, DataSequenceInOrder } = this.#context.values;
    const judged = this.#sequence.judge(r2tSn);
    if (judged === "nonsense" || (judged !== "next" && ErrorRecoveryLevel === 0)) {
      throw violation("11.8.2", "R2TSN", r2tSn, `${this.#sequence.next} was next`);
    }
    if (judged === "again") return;
    if (ttt === RESERVED_TAG)
      throw violation("11.8.5", "Target Transfer Tag", ttt, "an R2T needs a valid tag");
    if (desiredLength === 0) throw violation("11.8.4", "Desired Data Transfer Length", 0, "must not be zero");
    if (desiredLength > MaxBurstLength) {
      throw violation(
        "11.8.4",
        "Desired Data Transfer Length",
        desiredLength,
        `MaxBurstLength is ${MaxBurstLength}`,
      );
    }
    if (bufferOffset + desiredLength > this.#data.length) {
      throw violation(
        "11.8.4",
        "Buffer Offset",
        bufferOffset,
        `${desiredLength} bytes there pass the ${this.#data.length} of the command`,
      );
    }
    // From recovery level 1 on the target may ask again for what it lost (RFC 7143 §7.8).
    if (DataSequenceInOrder && ErrorRecoveryLevel === 0 && bufferOffset !== this.#next) {
      throw violation(
        "11.8.4",
        "Buffer Offset",
        bufferOffset,
        `sequences come in order, and ${this.#next} was next`,
      );
    }
    this.#sequence.take(r2tSn);
    this.#next = Math.max(this.#next, bufferOffset + desiredLength);
    this.#send(pdu.itt, ttt, bufferOffset, desiredLength, connection);
  }

  /** One sequence: DataSN from 0, F on the last PDU, LUN only with a valid tag. */
  #send(itt: number, ttt: number, offset: number, length: number, connection: Connection): void {
    const end = offset + length;
    for (let at = offset, dataSn = 0; at < end; dataSn++) {
      const size = Math.min(end - at, connection.maxSendLength);
      connection.send(
        {
          opcode: Opcode.DataOut,
          itt,
          ttt,
          ...(ttt !== RESERVED_TAG && { lun: this.#lun }),
          final: at + size === end,
          expStatSn: connection.expStatSn,
          dataSn,
          bufferOffset: at,
        },
        this.#data.subarray(at, at + size),
      );
      at += size;
    }
  }
}

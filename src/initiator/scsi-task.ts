import { cdbTitle, ScsiStatus } from "#scsi";
import {
  Opcode,
  ScsiResponseCode,
  TaskAttribute,
  type AnyPdu,
  type DataInView,
  type ProtocolError,
  type ScsiResponseView,
} from "ts-iscsi-pdu";
import type { Connection } from "./connection.ts";
import { DataIn } from "./data-in.ts";
import { DataOut, unaskedLength } from "./data-out.ts";
import { TargetFailure, violation } from "./errors.ts";
import type { Pending } from "./pending.ts";
import { isRepeatable } from "./replay.ts";
import {
  completeResult,
  noResidual,
  senseOf,
  type Residual,
  type ScsiCommand,
  type ScsiResult,
} from "./scsi-command.ts";
import { SequenceTracker } from "./sequence-tracker.ts";
import type { TaskContext } from "./task-context.ts";

/** A SCSI command on its way: from the command PDU to its status. */
export class ScsiTask implements Pending {
  itt = 0;
  cmdSn = 0;
  connection: Connection | undefined;
  readonly command: ScsiCommand;
  readonly immediate: boolean;
  readonly result = Promise.withResolvers<ScsiResult>();
  #context: TaskContext;
  #sequence: SequenceTracker;
  #dataIn: DataIn | undefined;
  #dataOut: DataOut | undefined;
  /** A status that must wait for data that was lost. */
  #held: { readonly finish: () => boolean; readonly expDataSn: number } | undefined;
  #settled = false;
  #discarded = false;

  constructor(command: ScsiCommand, context: TaskContext) {
    this.command = command;
    this.immediate = command.immediate ?? false;
    this.#context = context;
    this.#sequence = new SequenceTracker(0);
  }

  get title(): string {
    return cdbTitle(this.command.cdb);
  }

  get readLength(): number {
    return this.command.readInto?.length ?? 0;
  }

  get prompt(): boolean {
    const { write } = this.command;
    return write !== undefined && write.length > unaskedLength(this.#context, this.connection);
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Whether it may be sent again though a first sending may have been executed. */
  get repeatable(): boolean {
    return this.command.replay ?? isRepeatable(this.command.cdb);
  }

  /** R2T and Data-In numbering: what a reassigned task expects next. */
  get expDataSn(): number {
    return this.#sequence.next;
  }

  /** Forgets what a lost connection did, to be sent anew. */
  restart(context: TaskContext): void {
    this.#context = context;
    this.#sequence = new SequenceTracker(0);
    this.connection = undefined;
    this.#held = undefined;
  }

  /** Sends the command PDU again under its own tag and CmdSN: a target that has it already ignores it (RFC 7143 §7.2.1). */
  retry(connection: Connection): void {
    this.restart(this.#context);
    this.connection = connection;
    this.begin();
  }

  /** Another connection carries the task on: what came without a gap stays, the rest comes again (RFC 7143 §7.2.2). */
  moveTo(connection: Connection): void {
    this.connection = connection;
    this.#held = undefined;
    this.#dataIn?.rewind();
    this.#sequence.rewind();
  }

  /** Asks once more for data that was asked for and has not come. */
  askAgain(): void {
    if (this.connection !== undefined) this.#dataIn?.askAgain(this.itt, this.connection);
  }

  /** Whether data or R2Ts are missing before others that are here. */
  get lacks(): boolean {
    return this.#held !== undefined || this.#sequence.hasGap;
  }

  /** Whether more of its data is to go out, so that it waits for an R2T or the status. */
  get writes(): boolean {
    return this.command.write !== undefined;
  }

  get discarded(): boolean {
    return this.#discarded;
  }

  /** From now on data goes nowhere: the task is being aborted. */
  discard(): void {
    this.#discarded = true;
  }

  begin(): void {
    const { connection } = this;
    if (connection === undefined) return;
    const { readInto, write, lun, cdb, attribute = TaskAttribute.Simple } = this.command;
    if (readInto !== undefined) this.#dataIn = new DataIn(readInto, this.#context, this.#sequence);
    if (write !== undefined) this.#dataOut = new DataOut(write, lun, this.#context, this.#sequence);
    const immediate = this.#dataOut?.immediate(connection);
    const header = {
      opcode: Opcode.ScsiCommand,
      immediate: this.immediate,
      final: this.#dataOut === undefined || this.#dataOut.unsolicited === 0,
      read: readInto !== undefined,
      write: write !== undefined,
      attribute,
      lun,
      itt: this.itt,
      edtl: write?.length ?? readInto?.length ?? 0,
      cmdSn: this.cmdSn,
      expStatSn: connection.expStatSn,
      cdb,
    };
    const bidirectional = readInto !== undefined && write !== undefined;
    connection.send(
      bidirectional ? { ...header, bidirectionalReadLength: readInto.length } : header,
      immediate,
    );
    this.#dataOut?.sendUnsolicited(this.itt, connection);
  }

  place(pdu: AnyPdu): Uint8Array | null {
    if (pdu.opcode !== Opcode.DataIn || this.#discarded) return null;
    if (this.#dataIn === undefined)
      throw violation("11.7", "Opcode", pdu.opcodeByte, `${this.title} reads no data`);
    return this.#dataIn.place(pdu);
  }

  receive(pdu: AnyPdu, data: Uint8Array): boolean {
    if (pdu.opcode === Opcode.DataIn) return this.#takeDataIn(pdu);
    if (pdu.opcode === Opcode.ScsiResponse) return this.#takeResponse(pdu, data);
    if (pdu.opcode !== Opcode.R2t) {
      throw violation("11.2.1.8", "Opcode", pdu.opcodeByte, `no answer to ${this.title}`);
    }
    if (this.connection === undefined) return false;
    // Also while the task is being aborted: the target waits for the data before it answers (RFC 7143 §11.5.1).
    if (this.#dataOut === undefined) {
      throw violation("11.8", "Opcode", pdu.opcodeByte, `${this.title} writes no data`);
    }
    this.#dataOut.answer(pdu, this.connection);
    return false;
  }

  /** The target sends the same PDU again when asked (RFC 7143 §7.8). */
  damaged(pdu: AnyPdu, error: ProtocolError): void {
    if (pdu.opcode !== Opcode.DataIn || this.connection === undefined) throw error;
    this.#dataIn?.askFor((pdu.dataSn + 1) >>> 0, this.itt, this.connection, pdu.hasStatus);
  }

  fail(error: Error): void {
    if (this.#settled) return;
    this.#settled = true;
    this.result.reject(error);
  }

  #takeDataIn(pdu: DataInView): boolean {
    const { connection } = this;
    if (this.#dataIn === undefined || connection === undefined) return false;
    if (!this.#discarded) this.#dataIn.receive(pdu, connection);
    if (!pdu.hasStatus) return this.#release();
    if (!pdu.final) throw violation("11.7.1", "F", 0, "a Data-In with status is the last of its sequence");
    if (pdu.status === ScsiStatus.CheckCondition) {
      throw violation("11.7.3", "S", 1, "CHECK CONDITION needs a SCSI Response that carries the sense data");
    }
    const { status } = pdu;
    const residual = this.#residual(
      pdu.overflow,
      pdu.underflow,
      pdu.residualCount,
      this.command.readInto?.length ?? 0,
    );
    const expDataSn = (pdu.dataSn + 1) >>> 0;
    if (this.#isComplete(expDataSn)) return this.#complete(status, residual, noResidual);
    return this.#hold(expDataSn, () => this.#complete(status, residual, noResidual));
  }

  #takeResponse(pdu: ScsiResponseView, data: Uint8Array): boolean {
    if (pdu.response !== ScsiResponseCode.CompletedAtTarget) {
      const code = `0x${pdu.response.toString(16).padStart(2, "0")}`;
      this.fail(
        new TargetFailure(
          "TARGET_FAILURE",
          `${this.title}: the target itself failed (SCSI Response code ${code})`,
        ),
      );
      return true;
    }
    const { readInto, write } = this.command;
    const residual = this.#residual(
      pdu.overflow,
      pdu.underflow,
      pdu.residualCount,
      (write ?? readInto)?.length ?? 0,
    );
    const readResidual =
      readInto === undefined || write === undefined
        ? noResidual
        : this.#residual(
            pdu.bidirectionalOverflow,
            pdu.bidirectionalUnderflow,
            pdu.bidirectionalResidualCount,
            readInto.length,
          );
    const { status, expDataSn } = pdu;
    if (((expDataSn - this.#sequence.next) | 0) < 0 && status === ScsiStatus.Good && !this.#sequence.hasGap) {
      const expected = this.#sequence.next;
      this.#context.deviations.note({ section: "11.4.8", field: "ExpDataSN", got: expDataSn, expected });
    }
    const sense = data.length === 0 ? undefined : senseOf(data);
    if (this.#isComplete(expDataSn)) return this.#complete(status, residual, readResidual, sense);
    return this.#hold(expDataSn, () => this.#complete(status, residual, readResidual, sense));
  }

  /** Whether every R2T and Data-In below `expDataSn` is here. */
  #isComplete(expDataSn: number): boolean {
    return this.#discarded || this.#sequence.missing(expDataSn) === undefined;
  }

  /** Keeps a status until the data that it is about has been sent again. */
  #hold(expDataSn: number, finish: () => boolean): boolean {
    if (this.#context.values.ErrorRecoveryLevel === 0) {
      throw violation(
        "11.4.8",
        "ExpDataSN",
        expDataSn,
        `only ${this.#sequence.next} Data-In and R2T PDUs have come`,
      );
    }
    this.#held = { finish, expDataSn };
    if (this.connection !== undefined) this.#dataIn?.askFor(expDataSn, this.itt, this.connection, true);
    return false;
  }

  #release(): boolean {
    return this.#held !== undefined && this.#isComplete(this.#held.expDataSn) && this.#held.finish();
  }

  #residual(overflow: boolean, underflow: boolean, bytes: number, expected: number): Residual {
    if (overflow && underflow) throw violation("11.4.5", "O and U", 1, "both residual flags are set");
    if (overflow) return { kind: "overflow", bytes };
    if (!underflow) return noResidual;
    if (bytes > expected)
      throw violation("11.4.5", "Residual Count", bytes, `only ${expected} bytes were expected`);
    return { kind: "underflow", bytes };
  }

  #complete(
    status: number,
    residual: Residual,
    readResidual: Residual,
    sense?: Pick<ScsiResult, "sense" | "senseData">,
  ): boolean {
    const { readInto, write } = this.command;
    const read = this.#dataIn?.bytes ?? 0;
    const ofRead = write === undefined ? residual : readResidual;
    if (readInto !== undefined && status === ScsiStatus.Good && !this.#discarded) {
      const due = readInto.length - (ofRead.kind === "underflow" ? ofRead.bytes : 0);
      if (!(this.#dataIn?.covers(due) ?? false) || read !== due) {
        throw violation(
          "11.4.5",
          "Residual Count",
          ofRead.bytes,
          `${read} bytes have come and ${due} are accounted for`,
        );
      }
    }
    const left = write !== undefined && residual.kind === "underflow" ? residual.bytes : 0;
    const result = completeResult(status, read, write === undefined ? 0 : write.length - left);
    const simple = sense === undefined && residual === noResidual && readResidual === noResidual;
    // What an abort overtook is not whole; whoever aborted it rejects the promise.
    if (this.#settled || this.#discarded) return true;
    this.#settled = true;
    this.result.resolve(simple ? result : { ...result, residual, readResidual, ...sense });
    return true;
  }
}

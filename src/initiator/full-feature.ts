import {
  AsyncEvent,
  asyncEvents,
  Opcode,
  rejectReasons,
  RESERVED_TAG,
  SnackType,
  viewPdu,
  type AnyPdu,
  type AsyncView,
  type DataInView,
  type NopInView,
  type ProtocolError,
  type RejectView,
  type LogoutResponseView,
  type ResponseView,
  type ScsiResponseView,
  type TextResponseView,
  type TmfResponseView,
} from "ts-iscsi-pdu";
import type { CommandWindow } from "./command-window.ts";
import type { Connection, ConnectionReceiver } from "./connection.ts";
import { violation } from "./errors.ts";
import type { Pending } from "./pending.ts";
import { SequenceTracker } from "./sequence-tracker.ts";
import { senseOf } from "./scsi-command.ts";
import { ScsiTask } from "./scsi-task.ts";
import type { TaskContext } from "./task-context.ts";
import type { TaskTable } from "./task-table.ts";

/** What the rest of the session does about what a connection receives. */
export interface FullFeatureHost {
  readonly tasks: TaskTable;
  readonly window: CommandWindow;
  readonly context: TaskContext;
  answered(task: Pending): void;
  /** All that one read brought has been given to its tasks. */
  delivered(bytes: number): void;
  /** The window may have opened, or a task may be done. */
  pump(): void;
  connectionClosed(connection: Connection, error: Error): void;
  asyncEvent(connection: Connection, event: AsyncNotice): void;
  rejected(connection: Connection, notice: RejectNotice): void;
}

export interface AsyncNotice {
  readonly event: number;
  readonly vendorCode: number;
  /** 8 bytes. */
  readonly lunBytes: Uint8Array;
  readonly parameter1: number;
  readonly parameter2: number;
  readonly parameter3: number;
}

export interface RejectNotice {
  readonly reason: number;
  /** Of the PDU that the target refuses. */
  readonly opcode: number;
  readonly itt: number;
  /** A SNACK that only asked whether there is more: nothing is lost by its refusal. */
  readonly tentative: boolean;
}

/**
 * Receives one connection's PDUs in full feature phase: keeps its numbering, gives each PDU to the task it belongs to,
 * and answers what needs no task.
 */
export class FullFeature implements ConnectionReceiver {
  readonly #connection: Connection;
  readonly #host: FullFeatureHost;
  readonly #statuses: SequenceTracker;
  #askedUpTo: number;
  #suspect = false;
  #everSuspect = false;

  constructor(connection: Connection, host: FullFeatureHost) {
    this.#connection = connection;
    this.#host = host;
    this.#statuses = new SequenceTracker(connection.expStatSn);
    this.#askedUpTo = connection.expStatSn;
  }

  header(pdu: AnyPdu): Uint8Array | null {
    if (pdu.opcode !== Opcode.DataIn || this.#comesLate(pdu)) return null;
    return this.#task(pdu).place(pdu);
  }

  pdu(pdu: AnyPdu, data: Uint8Array): void {
    const { opcode } = pdu;
    if (opcode === Opcode.DataIn) return this.#deliver(pdu, data, pdu.hasStatus);
    if (opcode === Opcode.R2t) return this.#deliver(pdu, data, false);
    if (isAnswer(pdu)) return this.#deliver(pdu, data, true);
    if (opcode === Opcode.NopIn) return this.#nopIn(pdu, data);
    if (opcode === Opcode.Async || opcode === Opcode.Reject) {
      if (!this.#numbered(pdu, true)) return;
      return opcode === Opcode.Async ? this.#async(pdu, data) : this.#reject(pdu, data);
    }
    throw violation(
      "11.2.1.2",
      "Opcode",
      pdu.opcodeByte,
      "a target does not send this in full feature phase",
    );
  }

  delivered(bytes: number): void {
    this.#host.delivered(bytes);
  }

  error(error: ProtocolError, pdu?: AnyPdu): void {
    this.#host.context.report?.("digest-error", { field: error.field, itt: pdu?.itt ?? null });
    if (!error.recoverable || this.#host.context.values.ErrorRecoveryLevel === 0) throw error;
    this.#everSuspect = true;
    // A bad header is dropped as if it had never come: the gap that it leaves shows what it was (RFC 7143 §7.8).
    if (pdu === undefined) return this.suspect();
    if (pdu.opcode === Opcode.DataIn) this.#damagedData(pdu, error);
    else if (pdu.opcode !== Opcode.NopIn || pdu.itt !== RESERVED_TAG)
      this.#askForStatus((statSnOf(pdu) + 1) >>> 0);
  }

  /** The PDU comes again as it was, with its status where it has one: that needs no SNACK of its own. */
  #damagedData(pdu: DataInView, error: ProtocolError): void {
    this.#host.tasks.get(pdu.itt)?.damaged?.(pdu, error);
    if (!pdu.hasStatus) return;
    this.#askForStatus(pdu.statSn);
    if (this.#askedUpTo === pdu.statSn) this.#askedUpTo = (pdu.statSn + 1) >>> 0;
  }

  /** A PDU was dropped, and what it was is not known. */
  suspect(): void {
    this.#suspect = true;
  }

  /** Whether a PDU was dropped since this was asked last. */
  takeSuspicion(): boolean {
    const suspect = this.#suspect;
    this.#suspect = false;
    return suspect;
  }

  /** Whether a PDU was ever damaged on this connection. */
  get everSuspect(): boolean {
    return this.#everSuspect;
  }

  /** Whether statuses that were asked for have not come. */
  get missesStatus(): boolean {
    return this.#statuses.missing(this.#askedUpTo) !== undefined;
  }

  /** Asks anew for statuses that were asked for before and have not come. */
  askAgain(): void {
    this.#ask(this.#askedUpTo, this.#statuses.next);
  }

  closed(error: Error): void {
    this.#host.connectionClosed(this.#connection, error);
  }

  #lacksData(itt: number): boolean {
    const task = this.#host.tasks.get(itt);
    return task instanceof ScsiTask && task.lacks;
  }

  /** What was asked for again may come twice, the second time for a task that is over. */
  #comesLate(pdu: AnyPdu): boolean {
    return this.#host.context.values.ErrorRecoveryLevel > 0 && this.#host.tasks.get(pdu.itt) === undefined;
  }

  #task(pdu: AnyPdu) {
    const task = this.#host.tasks.get(pdu.itt);
    if (task?.connection === this.#connection) return task;
    throw violation("11.2.1.8", "Initiator Task Tag", pdu.itt, "no task of this connection has this tag");
  }

  #deliver(pdu: Extract<AnyPdu, ResponseView>, data: Uint8Array, counted: boolean): void {
    const again = !this.#numbered(pdu, counted);
    // A status that came by itself may come a second time with data that was lost.
    if (again && (pdu.opcode !== Opcode.DataIn || this.#host.tasks.get(pdu.itt) === undefined)) return;
    if (!counted && this.#comesLate(pdu)) return;
    const task = this.#task(pdu);
    if (task.receive(pdu, data)) this.#host.answered(task);
    this.#host.pump();
  }

  /** Takes the numbers of a PDU; false when it is one that was here before. */
  #numbered(pdu: Extract<AnyPdu, ResponseView>, counted: boolean): boolean {
    this.#host.window.update(pdu.expCmdSn, pdu.maxCmdSn);
    if (!counted) return true;
    const { statSn } = pdu;
    const judged = this.#statuses.judge(statSn);
    const recovers = this.#host.context.values.ErrorRecoveryLevel > 0;
    if (judged === "nonsense" || (judged !== "next" && !recovers))
      throw violation("4.2.2.2", "StatSN", statSn, `${this.#statuses.next} was next`);
    if (judged === "again") return false;
    this.#statuses.take(statSn);
    this.#connection.expStatSn = this.#statuses.next;
    if (judged === "early") this.#askForStatus(statSn);
    return true;
  }

  /** Status SNACK for what is missing below `end`, once (RFC 7143 §11.16). */
  #askForStatus(end: number): void {
    if (((end - this.#askedUpTo) | 0) <= 0) return;
    const from = this.#askedUpTo;
    this.#askedUpTo = end;
    this.#ask(end, from);
  }

  #ask(end: number, from: number): void {
    for (const missing of this.#statuses.allMissing(end, from)) {
      this.#host.context.report?.("snack", { status: true, ...missing });
      this.#connection.send({
        opcode: Opcode.Snack,
        type: SnackType.Status,
        itt: RESERVED_TAG,
        expStatSn: this.#connection.expStatSn,
        ...missing,
      });
    }
  }

  #nopIn(pdu: NopInView, data: Uint8Array): void {
    if (pdu.itt !== RESERVED_TAG) return this.#deliver(pdu, data, true);
    this.#numbered(pdu, false);
    // The StatSN of an unsolicited ping is that of the next status: a hint that one was lost (RFC 7143 §11.19.2).
    if (this.#host.context.values.ErrorRecoveryLevel > 0) this.#askForStatus(pdu.statSn);
    if (pdu.ttt !== RESERVED_TAG) {
      this.#connection.send(
        {
          opcode: Opcode.NopOut,
          immediate: true,
          itt: RESERVED_TAG,
          ttt: pdu.ttt,
          lun: Uint8Array.from(pdu.lunBytes),
          cmdSn: this.#host.window.cmdSn,
          expStatSn: this.#connection.expStatSn,
        },
        data.length === 0 ? undefined : data.subarray(0, this.#connection.maxSendLength),
      );
    }
    this.#host.pump();
  }

  #async(pdu: AsyncView, data: Uint8Array): void {
    const { event, vendorCode, lun, parameter1, parameter2, parameter3 } = pdu;
    const { sense } = senseOf(event === AsyncEvent.ScsiEvent ? data : data.subarray(0, 0));
    this.#host.context.report?.("async", {
      event,
      meaning: asyncEvents.text(event),
      lun,
      parameters: [parameter1, parameter2, parameter3],
      ...(sense && { key: sense.key, asc: sense.asc, ascq: sense.ascq }),
    });
    this.#host.asyncEvent(this.#connection, {
      event,
      vendorCode,
      lunBytes: Uint8Array.from(pdu.lunBytes),
      parameter1,
      parameter2,
      parameter3,
    });
    this.#host.pump();
  }

  #reject(pdu: RejectView, data: Uint8Array): void {
    const { reason } = pdu;
    const header = data.length >= 48 ? viewPdu(data) : undefined;
    const opcode = header?.opcodeByte ?? -1;
    const itt = header?.itt ?? RESERVED_TAG;
    const tentative =
      header?.opcode === Opcode.Snack && header.runLength === 0 && !this.#lacksData(header.itt);
    this.#host.context.report?.("reject", { reason, meaning: rejectReasons.text(reason), opcode, itt });
    this.#host.rejected(this.#connection, { reason, opcode, itt, tentative });
    this.#host.pump();
  }
}

type Answer = ScsiResponseView | TmfResponseView | TextResponseView | LogoutResponseView;

const isAnswer = (pdu: AnyPdu): pdu is Answer =>
  pdu.opcode === Opcode.ScsiResponse ||
  pdu.opcode === Opcode.TmfResponse ||
  pdu.opcode === Opcode.TextResponse ||
  pdu.opcode === Opcode.LogoutResponse;

const statSnOf = (pdu: AnyPdu) => ("statSn" in pdu ? pdu.statSn : 0);

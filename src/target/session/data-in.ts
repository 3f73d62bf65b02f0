import { ScsiStatus } from "#scsi";
import { Opcode, RESERVED_TAG } from "ts-iscsi-pdu";
import { takeBuffer } from "../buffer-pool.ts";
import { residual } from "./residual.ts";
import type { ScsiTask } from "./scsi-task.ts";

/** Bytes that are read from a device at a time for one command. */
const pieceSize = 256 * 1024;

/** Where the bytes come from: all there, or read from a device in whole blocks. */
export type DataSource = Uint8Array | ((offset: number, into: Uint8Array) => Promise<void>);

/**
 * The Data-In PDUs of one command, up to its status. It can go back to a PDU that was not acknowledged and send
 * everything anew from there, cut in other sizes and on another connection.
 */
export class DataInPhase {
  readonly #task: ScsiTask;
  readonly #source: DataSource;
  readonly #total: number;
  readonly #planned: number;
  readonly #blockSize: number;
  #next = 0;
  #running = false;
  /** From which DataSN on PDUs were cut in which size; only where they may have to be sent again. */
  #cuts: { readonly dataSn: number; readonly offset: number; readonly maxSegment: number }[] = [];
  #acknowledged = 0;

  /** `total` bytes go out, of `planned` that the command has. */
  constructor(task: ScsiTask, source: DataSource, total: number, planned: number) {
    this.#task = task;
    this.#source = source;
    this.#total = total;
    this.#planned = planned;
    this.#blockSize = task.unit?.blockSize ?? 512;
  }

  /** First DataSN that the initiator has not acknowledged. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** All has been sent. */
  get done(): boolean {
    return this.#next === this.#total;
  }

  /** Bytes that the command has, of which the initiator may want less. */
  get planned(): number {
    return this.#planned;
  }

  /** Sends what is left; resolves false where the task was aborted. While one call runs, another does nothing. */
  async send(): Promise<boolean> {
    if (this.#running) return true;
    this.#running = true;
    try {
      const task = this.#task;
      while (this.#next < this.#total) {
        if (task.connection.outbox.full) await task.connection.outbox.ready();
        if (task.suspended) await task.regained();
        if (task.aborted) return false;
        const offset = this.#next;
        const length = Math.min(pieceSize - (offset % pieceSize), this.#total - offset);
        if (typeof this.#source !== "function") {
          this.#sendPiece(this.#source.subarray(offset, offset + length), offset);
          continue;
        }
        // A device moves whole blocks, though the initiator may want less, or begin again inside one.
        const start = offset - (offset % this.#blockSize);
        const end = Math.ceil((offset + length) / this.#blockSize) * this.#blockSize;
        const blocks = takeBuffer(end - start);
        await this.#source(start, blocks);
        if (task.aborted) return false;
        // It may have been sent back, or have lost its connection, while the device was reading.
        if (offset !== this.#next || task.suspended) continue;
        const whole = blocks.length === length;
        this.#sendPiece(whole ? blocks : blocks.subarray(offset - start, offset - start + length), offset);
        task.connection.release(blocks);
      }
      return true;
    } finally {
      this.#running = false;
    }
  }

  /** Goes back to a PDU; false where it was never sent, or was acknowledged. */
  rewind(dataSn: number): boolean {
    const offset = this.#offsetOf(dataSn);
    if (offset === undefined) return false;
    this.#next = offset;
    this.#acknowledged = dataSn;
    this.#cuts = [];
    this.#task.sentPdus = dataSn;
    return true;
  }

  /** The initiator has everything below `dataSn`; false where that cannot be. */
  acknowledge(dataSn: number): boolean {
    const offset = this.#offsetOf(dataSn);
    if (offset === undefined) return false;
    this.#acknowledged = dataSn;
    const cut = this.#cuts.findLast((entry) => entry.dataSn <= dataSn);
    this.#cuts = this.#cuts.filter((entry) => entry.dataSn > dataSn);
    if (cut !== undefined) this.#cuts.unshift({ ...cut, dataSn, offset });
    return true;
  }

  /** Cuts a piece into Data-In PDUs; the last of the command carries the status (RFC 7143, section 11.7.3). */
  #sendPiece(piece: Uint8Array, offset: number): void {
    const task = this.#task;
    const { connection, session } = task;
    const { MaxBurstLength } = session.params;
    const maxSegment = connection.maxSendSegment;
    if (session.recovery !== undefined && this.#cuts.at(-1)?.maxSegment !== maxSegment)
      this.#cuts.push({ dataSn: task.sentPdus, offset, maxSegment });
    for (let at = 0; at < piece.length;) {
      const position = offset + at;
      const burstLeft = MaxBurstLength - (position % MaxBurstLength);
      const length = Math.min(maxSegment, burstLeft, piece.length - at);
      const last = position + length === this.#total;
      const hasStatus = last && task.collapses;
      this.#next = position + length;
      task.moved = this.#next;
      if (hasStatus) session.finishTask(task, ScsiStatus.Good);
      const final = last || length === burstLeft;
      // One acknowledgement for every MaxBurstLength; the end is acknowledged by its status (section 11.7.2).
      const acknowledge = final && !last && session.recovery !== undefined;
      const dataSn = task.sentPdus;
      task.sentPdus += 1;
      connection.sendDataIn(
        task,
        {
          opcode: Opcode.DataIn,
          itt: task.itt,
          final,
          hasStatus,
          status: 0,
          ...(acknowledge
            ? { acknowledge, ttt: session.recovery?.tagOf(task) ?? RESERVED_TAG, lun: Math.max(0, task.lun) }
            : { ttt: RESERVED_TAG }),
          dataSn,
          bufferOffset: position,
          ...(hasStatus ? residual(this.#planned, task.edtl) : undefined),
        },
        piece.length === length ? piece : piece.subarray(at, at + length),
      );
      at += length;
    }
  }

  /** Where a PDU that is not acknowledged began, found by cutting again as it was cut then. */
  #offsetOf(dataSn: number): number | undefined {
    if (dataSn < this.#acknowledged || dataSn > this.#task.sentPdus) return undefined;
    const cut = this.#cuts.findLast((entry) => entry.dataSn <= dataSn);
    if (cut === undefined) return dataSn === this.#task.sentPdus ? this.#next : undefined;
    const { MaxBurstLength } = this.#task.session.params;
    let position = cut.offset;
    for (let sn = cut.dataSn; sn < dataSn && position < this.#total; sn++)
      position += Math.min(
        cut.maxSegment,
        MaxBurstLength - (position % MaxBurstLength),
        pieceSize - (position % pieceSize),
        this.#total - position,
      );
    return position;
  }
}

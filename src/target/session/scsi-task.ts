import { ScsiStatus, SenseKey, writeSense } from "#scsi";
import { Opcode, RESERVED_TAG, type ScsiCommandView } from "ts-iscsi-pdu";
import { CommandFailure, checkCondition, deviceFailure, invalidField } from "../scsi/check.ts";
import { planCommand } from "../scsi/device-server.ts";
import type { LogicalUnit } from "../scsi/logical-unit.ts";
import { good, type Outcome, type Plan } from "../scsi/plan.ts";
import { Burst } from "./burst.ts";
import type { Connection } from "./connection.ts";
import { receiveData } from "./data-out.ts";
import type { Session } from "./session.ts";

/** Bytes that are read from a device at a time for one command. */
const pieceSize = 256 * 1024;

/** One SCSI command from its arrival to its status. */
export class ScsiTask {
  readonly session: Session;
  connection: Connection;
  readonly itt: number;
  readonly cmdSn: number;
  readonly immediate: boolean;
  readonly lun: number;
  readonly unit: LogicalUnit | undefined;
  readonly cdb: Uint8Array;
  readonly edtl: number;
  readonly attribute: number;
  readonly #read: boolean;
  readonly #write: boolean;
  /** Immediate and unsolicited data. */
  readonly unsolicited: Burst | undefined;
  /** Resolves when the task has no effect any more. */
  readonly ended: Promise<void>;
  #end: () => void = () => undefined;
  #aborted = false;
  readonly #abort = Promise.withResolvers<undefined>();
  readonly bursts = new Set<Burst>();
  #sentPdus = 0;
  #moved = 0;

  constructor(session: Session, connection: Connection, pdu: ScsiCommandView, data: Uint8Array) {
    this.session = session;
    this.connection = connection;
    this.itt = pdu.itt;
    this.cmdSn = pdu.cmdSn;
    this.immediate = pdu.immediate;
    this.lun = pdu.lun;
    this.unit = session.unit(pdu.lun);
    this.cdb = pdu.fullCdb().slice();
    this.edtl = pdu.edtl;
    this.attribute = pdu.attribute;
    this.#read = pdu.read;
    this.#write = pdu.write;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    if (this.#write && (data.length > 0 || !pdu.final)) {
      const room = pdu.final ? data.length : Math.min(this.edtl, session.params.FirstBurstLength);
      this.unsolicited = new Burst(
        0,
        Buffer.allocUnsafeSlow(Math.max(room, data.length)),
        session.params.DataPDUInOrder,
      );
      this.unsolicited.takeImmediate(data, pdu.final);
    }
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  /** Resolves when the task is aborted. */
  get abortion(): Promise<undefined> {
    return this.#abort.promise;
  }

  /** Its place in the order of CmdSN has come. */
  start(): void {
    if (this.unit === undefined) {
      void this.#run(() => undefined);
      return;
    }
    const { tasks } = this.unit;
    tasks.enter(this.attribute, () => void this.#run(() => tasks.leave()));
  }

  /** No status will be sent; resolves `ended` once nothing of it is going on any more. */
  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#abort.resolve(undefined);
    this.unsolicited?.abort();
    for (const burst of this.bursts) burst.abort();
  }

  async #run(leave: () => void): Promise<void> {
    try {
      if (this.unsolicited !== undefined && !this.unsolicited.ended) await this.unsolicited.complete;
      if (this.unsolicited?.failed === true && !this.#aborted) this.#respond(dataPhaseError, 0);
      else if (!this.#aborted) await this.#carryOut();
    } finally {
      this.session.removeTask(this);
      this.#end();
      leave();
    }
  }

  async #carryOut(): Promise<void> {
    try {
      const plan = await this.session.plan(this, () =>
        planCommand(this.session.deviceServer, this.unit, this.session.nexus, this.cdb),
      );
      if (!this.#aborted) await this.#follow(plan);
    } catch (error) {
      if (this.#aborted) return;
      const doing = this.#write ? "write" : "read";
      if (!(error instanceof CommandFailure)) this.session.reportDeviceError(this, error);
      this.#respond(deviceFailure(error, doing), 0);
    }
  }

  async #follow(plan: Plan): Promise<void> {
    switch (plan.kind) {
      case "done":
        this.#respond(plan.outcome, 0);
        return;
      case "data":
        await this.#sendWhole(plan.data);
        return;
      case "compute": {
        const data = await plan.data();
        await this.#sendWhole(data.subarray(0, plan.length));
        return;
      }
      case "read":
        await this.#sendRead(plan);
        return;
      case "gather":
      case "stream":
        await this.#receive(plan);
    }
  }

  async #sendWhole(data: Uint8Array): Promise<void> {
    if (this.connection.outbox.full) await this.connection.outbox.ready();
    if (this.#aborted) return;
    const total = this.#read ? Math.min(data.length, this.edtl) : 0;
    if (total === 0) this.#respond(good, data.length);
    else this.#sendDataIn(data.subarray(0, total), 0, total, data.length);
  }

  async #sendRead(plan: Extract<Plan, { kind: "read" }>): Promise<void> {
    const total = this.#read ? Math.min(plan.length, this.edtl) : 0;
    if (total === 0) {
      this.#respond(good, plan.length);
      return;
    }
    const blockSize = this.unit?.blockSize ?? 512;
    for (let offset = 0; offset < total; offset += pieceSize) {
      if (this.connection.outbox.full) await this.connection.outbox.ready();
      if (this.#aborted) return;
      const length = Math.min(pieceSize, total - offset);
      // A device moves whole blocks, though the initiator may want less.
      const piece = Buffer.allocUnsafeSlow(Math.ceil(length / blockSize) * blockSize);
      await plan.read(offset, piece);
      if (this.#aborted) return;
      this.#sendDataIn(
        piece.length === length ? piece : piece.subarray(0, length),
        offset,
        total,
        plan.length,
      );
    }
  }

  /** Cuts a piece into Data-In PDUs; the last of the command carries the status (RFC 7143, section 11.7.3). */
  #sendDataIn(piece: Uint8Array, offset: number, total: number, planned: number): void {
    const { connection, session } = this;
    const { MaxBurstLength } = session.params;
    const maxSegment = connection.maxSendSegment;
    for (let at = 0; at < piece.length;) {
      const position = offset + at;
      const burstLeft = MaxBurstLength - (position % MaxBurstLength);
      const length = Math.min(maxSegment, burstLeft, piece.length - at);
      const last = position + length === total;
      this.#moved = position + length;
      if (last) session.finishTask(this, ScsiStatus.Good);
      connection.sendDataIn(
        {
          opcode: Opcode.DataIn,
          itt: this.itt,
          final: last || length === burstLeft,
          hasStatus: last,
          status: 0,
          ttt: RESERVED_TAG,
          dataSn: this.#sentPdus,
          bufferOffset: position,
          ...(last ? residual(planned, this.edtl) : undefined),
        },
        piece.length === length ? piece : piece.subarray(at, at + length),
      );
      this.#sentPdus += 1;
      at += length;
    }
  }

  async #receive(plan: Extract<Plan, { kind: "gather" | "stream" }>): Promise<void> {
    const room = this.#write ? Math.min(plan.length, this.edtl) : 0;
    const blockSize = this.unit?.blockSize ?? 512;
    // A medium takes whole blocks: of a transfer that ends inside one, the part before is written.
    const total = plan.kind === "stream" ? Math.floor(room / blockSize) * blockSize : room;
    if (plan.kind === "gather" && plan.exact === true && this.edtl !== plan.length) throw invalidField(0);
    if (plan.kind === "gather" && total < plan.length)
      throw checkCondition({ key: 0x5, asc: 0x0e, ascq: 0x03 });
    const whole = await receiveData(this, plan, total);
    if (this.#aborted) return;
    if (whole === undefined) {
      this.#respond(dataPhaseError, 0);
      return;
    }
    const work = plan.kind === "gather" ? plan.finish(whole) : plan.finish();
    const outcome =
      plan.kind === "gather" && plan.outlivesAbort === true
        ? await Promise.race([work, this.#abort.promise])
        : await work;
    if (outcome === undefined) return;
    this.#moved = total;
    if (!this.#aborted) this.#respond(outcome, plan.length);
  }

  /** A new Ready To Transfer for `burst`. */
  sendR2t(burst: Burst): void {
    this.session.openBurst(this, burst, (ttt) => {
      this.connection.sendR2t({
        opcode: Opcode.R2t,
        itt: this.itt,
        lun: this.lun < 0 ? 0 : this.lun,
        ttt,
        r2tSn: this.#sentPdus,
        bufferOffset: burst.offset,
        desiredLength: burst.buffer.length,
      });
    });
    this.#sentPdus += 1;
  }

  #respond(outcome: Outcome, planned: number): void {
    const sense =
      outcome.sense === undefined
        ? undefined
        : writeSense(outcome.sense, { descriptor: this.unit?.modes.descriptorSense ?? false });
    const moves = outcome.status === ScsiStatus.Good ? planned : this.#moved;
    this.session.finishTask(this, outcome.status, outcome.sense);
    this.connection.sendStatus(
      {
        opcode: Opcode.ScsiResponse,
        itt: this.itt,
        status: outcome.status,
        expDataSn: this.#sentPdus,
        ...residual(moves, this.edtl),
      },
      sense === undefined ? undefined : withLength(sense),
    );
  }
}

/** Data-Out PDUs out of sequence: DATA PHASE ERROR, and the command may be tried again (RFC 7143, section 7.9). */
const dataPhaseError: Outcome = {
  status: ScsiStatus.CheckCondition,
  sense: { key: SenseKey.AbortedCommand, asc: 0x4b, ascq: 0x00 },
};

/** Expected and planned transfer length differ: O or U with the difference (RFC 7143, section 11.4.5.1). */
function residual(planned: number, edtl: number) {
  if (planned === edtl) return undefined;
  return planned > edtl
    ? { overflow: true, residualCount: planned - edtl }
    : { underflow: true, residualCount: edtl - planned };
}

/** Sense data in a SCSI Response begins with its length (RFC 7143, section 11.4.7). */
function withLength(sense: Uint8Array): Uint8Array {
  const out = Buffer.alloc(2 + sense.length);
  out.writeUInt16BE(sense.length);
  out.set(sense, 2);
  return out;
}

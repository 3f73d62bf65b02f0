import { ScsiStatus, writeSense } from "#scsi";
import { Opcode, type ScsiCommandView } from "ts-iscsi-pdu";
import { takeBuffer } from "../buffer-pool.ts";
import { CommandFailure, checkCondition, deviceFailure, invalidField } from "../scsi/check.ts";
import { planCommand } from "../scsi/device-server.ts";
import type { LogicalUnit } from "../scsi/logical-unit.ts";
import { good, type Outcome, type Plan } from "../scsi/plan.ts";
import { Burst } from "./burst.ts";
import { commandFault } from "./command-fault.ts";
import type { Connection } from "./connection.ts";
import { DataInPhase, type DataSource } from "./data-in.ts";
import { receiveBurst, receiveData } from "./data-out.ts";
import { crcError, dataPhaseError, withLength } from "./sense-data.ts";
import { readResidual, residual } from "./residual.ts";
import type { Session } from "./session.ts";

/** One SCSI command from its arrival to its status, and where there is recovery, to the acknowledgement of that. */
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
  /** Bytes that the initiator has room for. */
  readonly #readRoom: number;
  readonly #write: boolean;
  /** What a bidirectional command may read; it gets its status in a response of its own. */
  readonly #bidirectional: boolean;
  /** Immediate and unsolicited data. */
  readonly unsolicited: Burst | undefined;
  /** Data-In and R2T PDUs so far, which share one numbering. */
  sentPdus = 0;
  /** Bytes that have moved. */
  moved = 0;
  /** It occupies a place of the command window. */
  queued = false;
  dataIn: DataInPhase | undefined;
  #bursts: Set<Burst> | undefined;
  #started = false;
  #over = false;
  #aborted = false;
  // Most tasks end before anybody asks for these.
  #ending: PromiseWithResolvers<void> | undefined;
  #abortion: PromiseWithResolvers<undefined> | undefined;
  #allegiance: PromiseWithResolvers<void> | undefined;
  #snackTag = 0;
  #acknowledgedR2ts = 0;
  /** The response that went out, and its StatSN. */
  #answer: { readonly outcome: Outcome; readonly planned: number } | undefined;
  #statSn: number | undefined;

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
    this.#write = pdu.write;
    this.#bidirectional = pdu.read && pdu.write;
    this.#readRoom = this.#bidirectional ? (pdu.bidirectionalReadLength() ?? 0) : pdu.read ? pdu.edtl : 0;
    if (this.#write && (data.length > 0 || !pdu.final)) {
      const room = Math.max(data.length, Math.min(this.edtl, session.params.FirstBurstLength));
      this.unsolicited = new Burst(0, pdu.final ? data : takeBuffer(room), {
        inOrder: session.params.DataPDUInOrder,
        recovers: session.recovery !== undefined,
      });
      this.unsolicited.takeImmediate(data, pdu.final);
    }
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  /** Resolves when the task is aborted. */
  get abortion(): Promise<undefined> {
    if (this.#abortion === undefined) {
      this.#abortion = Promise.withResolvers();
      if (this.#aborted) this.#abortion.resolve(undefined);
    }
    return this.#abortion.promise;
  }

  /** Resolves when the task has no effect any more. */
  get ended(): Promise<void> {
    if (this.#over) return Promise.resolve();
    this.#ending ??= Promise.withResolvers();
    return this.#ending.promise;
  }

  /** Sequences of Data-Out that are under way. */
  get bursts(): Set<Burst> {
    this.#bursts ??= new Set();
    return this.#bursts;
  }

  /** The last Data-In carries the status (RFC 7143, section 11.7.3), unless a response has more to tell. */
  get collapses(): boolean {
    return this.#snackTag === 0 && !this.#bidirectional;
  }

  /** It has lost its connection and waits for another one. */
  get suspended(): boolean {
    return this.#allegiance !== undefined;
  }

  /** First number of a Data-In or R2T that the initiator may ask for again. */
  get acknowledgedPdus(): number {
    return this.dataIn?.acknowledged ?? this.#acknowledgedR2ts;
  }

  /** Its place in the order of CmdSN has come. */
  start(): void {
    if (this.#over) return;
    this.#started = true;
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
    this.#abortion?.resolve(undefined);
    this.unsolicited?.abort();
    for (const burst of this.bursts) burst.abort();
    this.#allegiance?.resolve();
    this.session.recovery?.settle(this);
    if (!this.#started) this.#end();
  }

  /** Its connection is lost: it goes on as far as it can and waits. */
  suspend(): void {
    this.#allegiance ??= Promise.withResolvers();
    this.unsolicited?.cut();
    for (const burst of this.bursts) burst.cut();
  }

  /** Resolves when the task belongs to a connection again, or was aborted. */
  async regained(): Promise<void> {
    await this.#allegiance?.promise;
  }

  /** Whether TASK REASSIGN may name this as the next DataSN or R2TSN that the initiator expects. */
  mayGoOnFrom(expDataSn: number): boolean {
    return expDataSn === 0 || (expDataSn >= this.acknowledgedPdus && expDataSn <= this.sentPdus);
  }

  /** Goes on over another connection, from the first PDU that the initiator lacks; the status comes again too. */
  reassign(connection: Connection, expDataSn: number): void {
    const over = this.#statSn !== undefined || this.dataIn?.done === true;
    this.connection = connection;
    this.session.recovery?.data.forget(this);
    if (this.dataIn !== undefined) this.dataIn.rewind(Math.max(expDataSn, this.dataIn.acknowledged));
    else {
      this.sentPdus = expDataSn;
      this.#acknowledgedR2ts = expDataSn;
    }
    this.#statSn = undefined;
    const waiting = this.#allegiance;
    this.#allegiance = undefined;
    waiting?.resolve();
    if (over && waiting === undefined) void this.#sendAgain();
  }

  /** The initiator has its Data-In PDUs below `dataSn`; false where that cannot be. */
  acknowledgeData(dataSn: number): boolean {
    if (this.dataIn?.acknowledge(dataSn) !== true) return false;
    this.session.recovery?.data.acknowledge(this, dataSn);
    return true;
  }

  /** Sends all data that is not acknowledged anew, in the present sizes, and a response that tells so by its tag. */
  sendAnew(snackTag: number): boolean {
    if (this.dataIn === undefined) return false;
    const over = this.dataIn.done;
    this.#snackTag = snackTag;
    this.session.recovery?.data.forget(this);
    this.dataIn.rewind(this.dataIn.acknowledged);
    if (over) void this.#sendAgain();
    return true;
  }

  /** Sends R2Ts again whose sequences are still open; false where one of them is not. */
  resendR2ts(from: number, end: number): boolean {
    const open = [...this.bursts].filter(({ r2tSn }) => r2tSn >= from && r2tSn < end);
    if (open.length !== end - from) return false;
    for (const burst of open) this.#sendR2t(burst, this.session.tagOf(burst) ?? 0);
    return true;
  }

  /** A new Ready To Transfer for `burst`. */
  sendR2t(burst: Burst): void {
    burst.r2tSn = this.sentPdus;
    this.sentPdus += 1;
    this.session.openBurst(this, burst, (ttt) => this.#sendR2t(burst, ttt));
  }

  /** The status of the task went out under this number. */
  answered(statSn: number): void {
    this.#statSn = statSn;
  }

  #sendR2t(burst: Burst, ttt: number): void {
    this.connection.sendR2t({
      opcode: Opcode.R2t,
      itt: this.itt,
      lun: this.lun < 0 ? 0 : this.lun,
      ttt,
      r2tSn: burst.r2tSn,
      bufferOffset: burst.offset,
      desiredLength: burst.buffer.length,
    });
  }

  async #run(leave: () => void): Promise<void> {
    try {
      const { unsolicited } = this;
      const complete = unsolicited === undefined || (await this.#awaitUnsolicited(unsolicited));
      if (!complete && !this.#aborted) await this.#respond(this.#lostData(), 0);
      else if (!this.#aborted) await this.#carryOut();
    } finally {
      this.#end();
      leave();
    }
  }

  #end(): void {
    this.session.removeTask(this);
    this.#over = true;
    this.#ending?.resolve();
  }

  async #awaitUnsolicited(unsolicited: Burst): Promise<boolean> {
    if (unsolicited.ended && this.session.recovery === undefined) return !unsolicited.failed;
    return await receiveBurst(this, unsolicited, false);
  }

  #lostData(): Outcome {
    return this.session.recovery === undefined ? dataPhaseError : crcError;
  }

  async #carryOut(): Promise<void> {
    try {
      const { session } = this;
      const plan = session.faulty ? await commandFault(this, () => this.#plan()) : this.#plan();
      if (!this.#aborted) await this.#follow(plan);
    } catch (error) {
      if (this.#aborted) return;
      const doing = this.#write ? "write" : "read";
      if (!(error instanceof CommandFailure)) this.session.reportDeviceError(this, error);
      await this.#respond(deviceFailure(error, doing), 0);
    }
  }

  #plan(): Plan {
    return planCommand(this.session.deviceServer, this.unit, this.session.nexus, this.cdb);
  }

  async #follow(plan: Plan): Promise<void> {
    switch (plan.kind) {
      case "done":
        await this.#respond(plan.outcome, 0);
        return;
      case "data":
        await this.#send(plan.data, plan.data.length);
        return;
      case "compute": {
        const data = (await plan.data()).subarray(0, plan.length);
        await this.#send(data, data.length);
        return;
      }
      case "read":
        await this.#send((offset, into) => plan.read(offset, into), plan.length);
        return;
      case "gather":
      case "stream":
        await this.#receive(plan);
    }
  }

  async #send(source: DataSource, planned: number): Promise<void> {
    const total = Math.min(planned, this.#readRoom);
    if (total > 0) {
      this.dataIn = new DataInPhase(this, source, total, planned);
      if (!(await this.dataIn.send())) return;
      if (this.collapses) return;
    }
    await this.#respond(good, planned);
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
      await this.#respond(this.#lostData(), 0);
      return;
    }
    const work = plan.kind === "gather" ? plan.finish(whole) : plan.finish();
    const outcome =
      plan.kind === "gather" && plan.outlivesAbort === true
        ? await Promise.race([work, this.abortion])
        : await work;
    if (outcome === undefined) return;
    this.moved = total;
    if (!this.#aborted) await this.#respond(outcome, plan.length);
  }

  /** Sends data and status again, of a task that was over. A command that failed has no data to send. */
  async #sendAgain(): Promise<void> {
    try {
      const failed = this.#answer !== undefined && this.#answer.outcome.status !== ScsiStatus.Good;
      if (!failed && this.dataIn !== undefined && !(await this.dataIn.send())) return;
      if (this.#answer !== undefined) await this.#respond(this.#answer.outcome, this.#answer.planned);
      else if (this.dataIn !== undefined && !this.collapses) await this.#respond(good, this.dataIn.planned);
    } catch (error) {
      this.session.reportDeviceError(this, error);
      await this.#respond(deviceFailure(error, "read"), 0);
    }
  }

  async #respond(outcome: Outcome, planned: number): Promise<void> {
    if (this.suspended) await this.regained();
    if (this.#aborted) return;
    const sense =
      outcome.sense === undefined
        ? undefined
        : writeSense(outcome.sense, { descriptor: this.unit?.modes.descriptorSense ?? false });
    const moves = outcome.status === ScsiStatus.Good ? planned : this.moved;
    if (this.session.recovery !== undefined) this.#answer = { outcome, planned };
    this.session.finishTask(this, outcome.status, outcome.sense);
    const reads = this.dataIn !== undefined;
    this.connection.sendResponse(
      this,
      {
        opcode: Opcode.ScsiResponse,
        itt: this.itt,
        status: outcome.status,
        snackTag: this.#snackTag,
        expDataSn: this.sentPdus,
        ...residual(this.#bidirectional && reads ? 0 : moves, this.edtl),
        ...(this.#bidirectional && readResidual(reads ? moves : 0, this.#readRoom)),
      },
      sense === undefined ? undefined : withLength(sense),
      this.#statSn,
    );
  }
}

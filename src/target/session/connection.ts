import type { Socket } from "node:net";
import { crc32c } from "#digest";
import type { FaultEvent, Shot } from "#faults";
import {
  Framer,
  LogoutReason,
  Opcode,
  ProtocolError,
  RESERVED_TAG,
  RejectReason,
  serialAdd,
  type AnyPdu,
  type DataInInit,
  type LoginResponseInit,
  type OperationalValues,
  type PduInit,
  type R2tInit,
  type ScsiResponseInit,
} from "ts-iscsi-pdu";
import type { LoginIdentity } from "../login/login-machine.ts";
import { takeBuffer } from "../buffer-pool.ts";
import { Outbox } from "../outbox.ts";
import { shareReads } from "../shared-reads.ts";
import type { ConnectionHost, NoNumbers, StatusPdu } from "./connection-host.ts";
import { DataOutIntake, type Incoming } from "./data-out-intake.ts";
import { LoginPhase } from "./login-phase.ts";
import { handleRequest } from "./requests.ts";
import { RetainedStatus, type SentPdu } from "./retained-status.ts";
import type { ScsiTask } from "./scsi-task.ts";
import type { Session } from "./session.ts";
import { WireFaults, describeShot } from "./wire-faults.ts";

/** One TCP connection: PDUs in and out, its sequence numbers, its way from login to the end. */
export class Connection {
  readonly number: number;
  readonly socket: Socket;
  readonly outbox: Outbox;
  readonly #host: ConnectionHost;
  readonly #framer: Framer;
  readonly #faults: WireFaults;
  readonly #login: LoginPhase;
  readonly #intake = new DataOutIntake();
  #session: Session | undefined;
  /** Responses that may be asked for again; only with ErrorRecoveryLevel 1 or 2. */
  #retained: RetainedStatus | undefined;
  #statSn = 1;
  #deadline: NodeJS.Timeout | undefined;
  #how: string | undefined;
  #closing = false;
  #lastHeard = performance.now();
  cid = 0;
  maxSendSegment = 8192;
  /** Tag of the NOP-In ping that waits for its answer. */
  pingTag: number | undefined;

  constructor(number: number, accepted: Socket, host: ConnectionHost) {
    this.number = number;
    const socket = shareReads(accepted, (chunk) => this.#take(chunk));
    this.socket = socket;
    this.#host = host;
    this.outbox = new Outbox(socket, host.limits.outputHighWater);
    this.#faults = new WireFaults(this);
    this.#login = new LoginPhase(this, host, this.#faults);
    this.#framer = new Framer(
      {
        header: (pdu) => this.#intake.destination(this.#session, pdu),
        pdu: (pdu, data) => this.#receive(pdu, data),
        error: (error, pdu) => this.#framingError(error, pdu),
      },
      { allocate: takeBuffer },
    );
    if (host.limits.loginTimeout > 0)
      this.#deadline = setTimeout(() => this.end("login timeout"), host.limits.loginTimeout);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    socket.on("end", () => this.#lost("FIN"));
    socket.on("error", (error: NodeJS.ErrnoException) =>
      this.#lost(error.code === "ECONNRESET" ? "RST" : String(error.code)),
    );
    socket.on("close", () => this.#lost("closed"));
    // The callback of setTimeout would hear of the first silence only.
    socket.on("timeout", () => this.#stalled());
    if (host.limits.stallTimeout > 0) socket.setTimeout(host.limits.stallTimeout);
  }

  get identity(): LoginIdentity | undefined {
    return this.#login.identity;
  }

  get session(): Session | undefined {
    return this.#session;
  }

  get remote(): string {
    return `${this.socket.remoteAddress ?? "?"}:${this.socket.remotePort ?? 0}`;
  }

  /** Milliseconds since the peer last sent anything. */
  get silence(): number {
    return performance.now() - this.#lastHeard;
  }

  /** The login has come through: `respond` sends the last Login Response, then the full feature phase begins. */
  join(session: Session, results: OperationalValues, respond: () => void): void {
    clearTimeout(this.#deadline);
    this.maxSendSegment = results.MaxRecvDataSegmentLength;
    this.#session = session;
    respond();
    const headerDigest = results.HeaderDigest === "CRC32C";
    const dataDigest = results.DataDigest === "CRC32C";
    this.outbox.configure({ headerDigest, dataDigest, crc32c });
    const resync = session.recovery !== undefined;
    this.#framer.configure({
      headerDigest,
      dataDigest,
      crc32c,
      maxDataLength: session.ownMaxSegment,
      resync,
    });
    if (resync) this.#retained = new RetainedStatus(this.#statSn);
  }

  /** A Login Response: with the numbers of the session that is begun or joined, or the CmdSN of its request. */
  sendLogin(
    pdu: NoNumbers<LoginResponseInit> & { readonly opcode: typeof Opcode.LoginResponse },
    numbers: { readonly expCmdSn: number; readonly maxCmdSn: number },
    text: string,
  ): void {
    const data = text === "" ? undefined : Buffer.from(text);
    const { expCmdSn, maxCmdSn } = numbers;
    this.#send({ ...pdu, statSn: this.#takeStatSn(), expCmdSn, maxCmdSn }, data);
  }

  /** Sends a PDU that takes a StatSN. */
  sendStatus(pdu: StatusPdu, data?: Uint8Array): void {
    this.#sendNumbered(pdu, data);
  }

  /** The response of a task, with a StatSN of its own or that of the response which it replaces. */
  sendResponse(
    task: ScsiTask,
    pdu: NoNumbers<ScsiResponseInit> & { readonly opcode: typeof Opcode.ScsiResponse },
    data?: Uint8Array,
    replaced?: number,
  ): void {
    if (this.#retained === undefined) {
      this.#send({ ...pdu, statSn: this.#takeStatSn(), ...this.#numbers() }, data);
      return;
    }
    const statSn = replaced ?? this.#takeStatSn();
    const sent: SentPdu = { pdu: { ...pdu, statSn, ...this.#numbers() }, data, gone: false };
    if (replaced === undefined) this.#retainFor(task, statSn, sent, data?.length ?? 0);
    else this.#retained.replace(replaced, sent);
    this.#send(sent.pdu, data);
  }

  sendDataIn(
    task: ScsiTask,
    pdu: NoNumbers<DataInInit> & { readonly opcode: typeof Opcode.DataIn },
    data: Uint8Array,
  ): void {
    const statSn = pdu.hasStatus === true ? this.#takeStatSn() : 0;
    const full: PduInit = { ...pdu, statSn, ...this.#numbers() };
    if (this.#retained !== undefined) {
      const sent: SentPdu = { pdu: full, data, gone: false };
      if (pdu.hasStatus === true) this.#retainFor(task, statSn, sent, 0);
      task.session.recovery?.data.keep(task, pdu.dataSn, sent);
    }
    this.#send(full, data);
  }

  /** The data of Data-In PDUs that have been sent is needed no more once they are written, if nobody holds on to it. */
  release(buffer: Uint8Array): void {
    if (this.#retained === undefined && this.#host.faults() === undefined && this.#faults.idle)
      this.outbox.release(buffer);
  }

  /** An R2T tells the next StatSN and does not take it (RFC 7143, section 11.8.3). */
  sendR2t(pdu: NoNumbers<R2tInit> & { readonly opcode: typeof Opcode.R2t }): void {
    this.#send({ ...pdu, statSn: this.#statSn, ...this.#numbers() });
  }

  /** Sends a PDU once more as it was, but for the command window (section 11.16). */
  resend({ pdu, data }: SentPdu): void {
    this.#send({ ...pdu, ...this.#numbers() }, data);
  }

  /** The initiator has all responses of this connection below ExpStatSN. */
  acknowledge(expStatSn: number): void {
    this.#retained?.acknowledge(expStatSn);
  }

  /** Sends a run of responses again, or tells the reason to reject the request. */
  resendStatus(begRun: number, runLength: number): number | undefined {
    const run = this.#retained?.run(begRun, runLength) ?? RejectReason.SnackReject;
    if (typeof run === "number") return run;
    for (const sent of run) this.resend(sent);
    return undefined;
  }

  /** A NOP-In that asks for an answer: its StatSN is the next one and is not taken (section 11.19.2). */
  sendPing(ttt: number): void {
    this.pingTag = ttt;
    this.#send({
      opcode: Opcode.NopIn,
      itt: RESERVED_TAG,
      ttt,
      lun: 0,
      statSn: this.#statSn,
      ...this.#numbers(),
    });
  }

  /** Rejects a PDU by its header. */
  reject(reason: number, header: Uint8Array, why: string): void {
    this.protocolError(why, { reason });
    this.sendStatus({ opcode: Opcode.Reject, reason }, header.slice(0, 48));
  }

  protocolError(message: string, data: Readonly<Record<string, unknown>> = {}): void {
    this.#host.report("protocol-error", {
      connection: this.number,
      ...(this.#session !== undefined && { session: this.#session.number }),
      message,
      ...data,
    });
  }

  /** Closes: what is waiting goes out, then FIN. */
  end(how: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#framer.stop();
    this.#lost(how);
    // What this turn still sends must leave before FIN.
    setImmediate(() => {
      this.outbox.flush();
      // A target that stops waits for nobody: the kernel delivers what it has.
      this.socket[how === "stopped" ? "destroySoon" : "end"]();
      this.socket.setTimeout(5000, () => this.socket.destroy());
    });
  }

  /** Closes with RST; nothing that is waiting goes out. */
  destroy(how: string): void {
    this.#closing = true;
    this.#framer.stop();
    this.socket.resetAndDestroy();
    this.#lost(how);
  }

  #takeStatSn(): number {
    const statSn = this.#statSn;
    this.#statSn = serialAdd(statSn, 1);
    return statSn;
  }

  #sendNumbered(pdu: StatusPdu, data?: Uint8Array): void {
    const statSn = this.#takeStatSn();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a union loses its tie when it is spread
    const full = { ...pdu, statSn, ...this.#numbers() } as PduInit;
    this.#retained?.add(statSn, { pdu: full, data, gone: false }, data?.length ?? 0);
    this.#send(full, data);
  }

  #retainFor(task: ScsiTask, statSn: number, sent: SentPdu, bytes: number): void {
    task.answered(statSn);
    this.#retained?.add(statSn, sent, bytes, () => task.session.recovery?.settle(task));
  }

  #numbers(): { readonly expCmdSn: number; readonly maxCmdSn: number } {
    const order = this.#session?.order;
    return { expCmdSn: order?.expCmdSn ?? 0, maxCmdSn: order?.maxCmdSn ?? 0 };
  }

  #send(pdu: PduInit, data?: Uint8Array): void {
    if (this.#host.faults() === undefined && this.#faults.idle) this.outbox.send(pdu, data);
    else this.#faults.send(pdu, data);
  }

  /** Asks for the fault that is to happen now, and tells of it. */
  fault(event: FaultEvent): Shot | undefined {
    const session = this.#session;
    const shot = this.#host.faults()?.decide({
      ...event,
      ...(session !== undefined && { session: session.number }),
      initiator: session?.initiatorName ?? this.identity?.initiatorName ?? "",
    });
    if (shot !== undefined)
      this.#host.report("fault", {
        ...describeShot(shot),
        connection: this.number,
        ...(session !== undefined && { session: session.number }),
      });
    return shot;
  }

  /** Carries out an action that may happen anywhere; true where it ended the connection. */
  applyAnywhere(action: Shot["action"]): boolean {
    if (action.kind === "close") {
      if (action.how === "rst") this.destroy("fault");
      else this.end("fault");
      return true;
    }
    if (action.kind === "window") this.#session?.order.limit(action.commands);
    if (action.kind === "async")
      this.sendStatus({
        opcode: Opcode.Async,
        itt: RESERVED_TAG,
        lun: 0,
        event: action.event,
        parameter3: action.parameter3 ?? 0,
      });
    return false;
  }

  #take(chunk: Uint8Array): void {
    this.#lastHeard = performance.now();
    try {
      this.#framer.push(chunk);
    } catch (error) {
      // A header that contradicts itself shows only when it is used, as additional header segments do.
      if (!(error instanceof ProtocolError)) throw error;
      this.protocolError(error.message, { code: error.code });
      this.end("protocol error");
    }
    // Answers pile up where a peer sends and does not read: then nothing more is taken from it for a while.
    if (!this.socket.isPaused() && this.outbox.waitingBytes > 4 * this.#host.limits.outputHighWater) {
      this.socket.pause();
      void this.outbox.ready().then(() => this.socket.resume());
    }
  }

  #receive(pdu: AnyPdu, data: Uint8Array): void {
    if (this.#closing) return;
    const incoming = this.#intake.take();
    if (this.#retained !== undefined && "expStatSn" in pdu && !closesAnother(pdu, this.cid))
      this.#retained.acknowledge(pdu.expStatSn);
    if (this.#host.faults() === undefined && this.#faults.idle) this.#deliver(pdu, data, incoming);
    else this.#faults.receive(pdu, (kept) => this.#deliver(kept, data, incoming));
  }

  #deliver(pdu: AnyPdu, data: Uint8Array, incoming: Incoming | undefined): void {
    if (this.#closing) return;
    if (this.#session === undefined) this.#login.receive(pdu, data);
    else if (pdu.opcode !== Opcode.DataOut) handleRequest(this, this.#session, pdu, data);
    // Data of a task that has ended or was aborted may still be on its way (RFC 7143, section 4.2.3.3).
    else if (incoming?.problem !== undefined) {
      this.protocolError(incoming.problem);
      incoming.burst.fail();
    } else incoming?.burst.took(pdu);
  }

  /** Without recovery a digest error ends the connection; with it the PDU is as good as lost (section 7.8). */
  #framingError(error: ProtocolError, pdu?: AnyPdu): void {
    this.protocolError(error.message, { code: error.code });
    if (error.recoverable && pdu !== undefined)
      this.sendStatus(
        { opcode: Opcode.Reject, reason: RejectReason.DataDigestError },
        pdu.headerBytes.slice(0, 48),
      );
    const incoming = this.#intake.take();
    if (!error.recoverable || this.#retained === undefined) this.end("protocol error");
    else if (pdu?.opcode === Opcode.DataOut && incoming?.problem === undefined) incoming?.burst.damaged(pdu);
  }

  #stalled(): void {
    // The time-out is of silence in both directions; silence alone is no fault, unless answers wait for the peer.
    if (this.outbox.waitingBytes > 0) this.destroy("timeout");
  }

  #lost(how: string): void {
    if (this.#how !== undefined) return;
    this.#how = how;
    clearTimeout(this.#deadline);
    this.#framer.stop();
    this.#host.left(this);
    this.#host.report("connection-closed", { connection: this.number, how });
    this.#session?.connectionLost(this, how);
  }
}

/** A Logout Request for another connection tells the ExpStatSN of that one (RFC 7143, section 11.14). */
const closesAnother = (pdu: AnyPdu, cid: number) =>
  pdu.opcode === Opcode.LogoutRequest && pdu.reason !== LogoutReason.CloseSession && pdu.cid !== cid;

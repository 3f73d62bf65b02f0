import type { Socket } from "node:net";
import type { FaultEvent, Shot } from "#faults";
import {
  Framer,
  LoginStage,
  Opcode,
  OPCODE_TITLES,
  RESERVED_TAG,
  formatIsid,
  isOpcode,
  serialAdd,
  type AnyPdu,
  type DataInInit,
  type DataOutView,
  type LoginRequestView,
  type OperationalValues,
  ProtocolError,
  type PduInit,
  type R2tInit,
  type ScsiResponseInit,
} from "ts-iscsi-pdu";
import type { LoginAnswer, LoginIdentity, LoginMachine, Refusal } from "../login/login-machine.ts";
import { Outbox } from "../outbox.ts";
import type { Burst } from "./burst.ts";
import type { ConnectionHost, NoNumbers, StatusPdu } from "./connection-host.ts";
import { handleRequest } from "./requests.ts";
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
  #login: LoginMachine | undefined;
  #session: Session | undefined;
  #cid = 0;
  #statSn = 1;
  #dataOut: Burst | undefined;
  #dataOutProblem: string | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #how: string | undefined;
  #closing = false;
  #lastHeard = performance.now();
  maxSendSegment = 8192;
  /** Tag of the NOP-In ping that waits for its answer. */
  pingTag: number | undefined;

  constructor(number: number, socket: Socket, host: ConnectionHost) {
    this.number = number;
    this.socket = socket;
    this.#host = host;
    this.outbox = new Outbox(socket, host.limits.outputHighWater);
    this.#faults = new WireFaults(this);
    this.#framer = new Framer(
      {
        header: (pdu) => this.#destination(pdu),
        pdu: (pdu, data) => this.#receive(pdu, data),
        error: (error, pdu) => this.#framingError(error, pdu),
      },
      { allocate: (length) => Buffer.allocUnsafeSlow(length) },
    );
    if (host.limits.loginTimeout > 0)
      this.#deadline = setTimeout(() => this.end("login timeout"), host.limits.loginTimeout);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("end", () => this.#lost("FIN"));
    socket.on("error", (error: NodeJS.ErrnoException) =>
      this.#lost(error.code === "ECONNRESET" ? "RST" : String(error.code)),
    );
    socket.on("close", () => this.#lost("closed"));
    if (host.limits.stallTimeout > 0) socket.setTimeout(host.limits.stallTimeout, () => this.#stalled());
  }

  get cid(): number {
    return this.#cid;
  }

  get identity(): LoginIdentity | undefined {
    return this.#login?.identity;
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

  /** Sends a PDU that takes a StatSN. */
  sendStatus(pdu: NoNumbers<ScsiResponseInit> | StatusPdu, data?: Uint8Array): void {
    const statSn = this.#statSn;
    this.#statSn = serialAdd(statSn, 1);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a union loses its tie when it is spread
    this.#send({ ...pdu, statSn, ...this.#numbers() } as PduInit, data);
  }

  sendDataIn(pdu: NoNumbers<DataInInit> & { readonly opcode: typeof Opcode.DataIn }, data: Uint8Array): void {
    let statSn = 0;
    if (pdu.hasStatus === true) {
      statSn = this.#statSn;
      this.#statSn = serialAdd(statSn, 1);
    }
    this.#send({ ...pdu, statSn, ...this.#numbers() }, data);
  }

  /** An R2T tells the next StatSN and does not take it (RFC 7143, section 11.8.3). */
  sendR2t(pdu: NoNumbers<R2tInit> & { readonly opcode: typeof Opcode.R2t }): void {
    this.#send({ ...pdu, statSn: this.#statSn, ...this.#numbers() });
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
    // Corked answers must leave before FIN.
    setImmediate(() => {
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

  #take(chunk: Buffer): void {
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

  #destination(pdu: AnyPdu): Uint8Array | null {
    if (pdu.opcode !== Opcode.DataOut || this.#session === undefined) return null;
    const burst = this.#burst(pdu);
    this.#dataOut = burst;
    this.#dataOutProblem = burst?.problem(pdu, pdu.ttt !== RESERVED_TAG);
    if (burst === undefined || this.#dataOutProblem !== undefined) return null;
    return burst.destination(pdu);
  }

  #burst(pdu: DataOutView): Burst | undefined {
    if (pdu.ttt !== RESERVED_TAG) return this.#session?.burst(pdu.ttt, pdu.itt);
    return this.#session?.tasks.get(pdu.itt)?.unsolicited;
  }

  #receive(pdu: AnyPdu, data: Uint8Array): void {
    if (this.#closing) return;
    const burst = this.#dataOut;
    const problem = this.#dataOutProblem;
    this.#dataOut = undefined;
    this.#dataOutProblem = undefined;
    if (this.#host.faults() === undefined && this.#faults.idle) this.#deliver(pdu, data, burst, problem);
    else this.#faults.receive(pdu, (kept) => this.#deliver(kept, data, burst, problem));
  }

  #deliver(pdu: AnyPdu, data: Uint8Array, burst: Burst | undefined, problem: string | undefined): void {
    if (this.#closing) return;
    if (this.#session === undefined) this.#receiveLogin(pdu, data);
    else if (pdu.opcode === Opcode.DataOut) this.#receiveDataOut(pdu, burst, problem);
    else handleRequest(this, this.#session, pdu, data);
  }

  #receiveDataOut(pdu: DataOutView, burst: Burst | undefined, problem: string | undefined): void {
    // Data of a task that has ended or was aborted may still be on its way (RFC 7143, section 4.2.3.3).
    if (burst === undefined) return;
    if (problem !== undefined) {
      this.protocolError(problem);
      burst.fail();
      return;
    }
    burst.took(pdu);
  }

  #receiveLogin(pdu: AnyPdu, data: Uint8Array): void {
    if (pdu.opcode !== Opcode.LoginRequest) {
      this.protocolError(
        `${isOpcode(pdu.opcode) ? OPCODE_TITLES[pdu.opcode] : "an unknown PDU"} before the login`,
      );
      this.end("protocol error");
      return;
    }
    if (this.#login === undefined) {
      this.#cid = pdu.cid;
      this.#login = this.#host.login(this, pdu);
    }
    this.#host.report("login-request", {
      connection: this.number,
      isid: formatIsid(pdu.isid),
      tsih: pdu.tsih,
      cid: pdu.cid,
      stage: pdu.csg,
    });
    const login = this.#login;
    this.#faults.login(pdu, data, {
      proceed: (request) => this.#answerLogin(request, login.receive(request, data)),
      refuse: (request, refusal) => this.#refuse(request, refusal),
    });
  }

  #answerLogin(request: LoginRequestView, answer: LoginAnswer): void {
    if (answer.kind === "refuse") this.#refuse(request, answer.refusal);
    else if (answer.kind === "more") this.#sendLogin(request, { transit: false, nsg: 0 }, []);
    else if (answer.done === undefined) this.#sendLogin(request, answer, answer.keys);
    else {
      const entered = this.#host.enter(this, request, answer.done.results, answer.done.user);
      if ("status" in entered) {
        this.#refuse(request, entered);
        return;
      }
      clearTimeout(this.#deadline);
      this.maxSendSegment = answer.done.results.MaxRecvDataSegmentLength;
      this.#session = entered;
      this.#sendLogin(request, answer, answer.keys);
      this.#beginFullFeature(answer.done.results, entered);
    }
  }

  #beginFullFeature(results: OperationalValues, session: Session): void {
    const digests = {
      headerDigest: results.HeaderDigest === "CRC32C",
      dataDigest: results.DataDigest === "CRC32C",
    };
    this.outbox.configure(digests);
    this.#framer.configure({
      ...digests,
      maxDataLength: session.ownMaxSegment,
    });
  }

  #sendLogin(
    request: LoginRequestView,
    stage: { readonly transit: boolean; readonly nsg: number },
    keys: readonly (readonly [string, string])[],
    status = 0,
  ): void {
    const session = this.#session;
    const statSn = this.#statSn;
    this.#statSn = serialAdd(statSn, 1);
    const text = keys.map(([key, value]) => `${key}=${value}\0`).join("");
    const final = stage.transit && stage.nsg === LoginStage.FullFeaturePhase;
    this.#send(
      {
        opcode: Opcode.LoginResponse,
        itt: request.itt,
        csg: request.csg,
        nsg: stage.nsg,
        transit: stage.transit,
        isid: request.isid.slice(),
        tsih: final ? (session?.tsih ?? 0) : request.tsih,
        statSn,
        expCmdSn: session?.order.expCmdSn ?? request.cmdSn,
        maxCmdSn: session?.order.maxCmdSn ?? request.cmdSn,
        statusClass: status >> 8,
        statusDetail: status & 0xff,
      },
      text === "" ? undefined : Buffer.from(text),
    );
  }

  #refuse(request: LoginRequestView, refusal: Refusal): void {
    const identity = this.#login?.identity;
    this.#host.report("login-refused", {
      connection: this.number,
      ...(identity !== undefined && { initiator: identity.initiatorName, target: identity.targetName }),
      class: refusal.status >> 8,
      detail: refusal.status & 0xff,
      why: refusal.why,
    });
    const keys =
      refusal.targetAddress === undefined ? [] : [["TargetAddress", refusal.targetAddress] as const];
    this.#sendLogin(request, { transit: false, nsg: 0 }, keys, refusal.status);
    this.end("login refused");
  }

  #framingError(error: ProtocolError, pdu?: AnyPdu): void {
    this.protocolError(error.message, { code: error.code });
    if (error.recoverable && pdu !== undefined)
      this.sendStatus({ opcode: Opcode.Reject, reason: 0x02 }, pdu.headerBytes.slice(0, 48));
    this.end("protocol error");
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

import {
  LoginStage,
  Opcode,
  OPCODE_TITLES,
  formatIsid,
  isOpcode,
  type AnyPdu,
  type LoginRequestView,
} from "ts-iscsi-pdu";
import type { LoginAnswer, LoginIdentity, LoginMachine, Refusal } from "../login/login-machine.ts";
import type { ConnectionHost } from "./connection-host.ts";
import type { Connection } from "./connection.ts";
import type { WireFaults } from "./wire-faults.ts";

/** A connection until it is in the full feature phase: Login Requests in, answers out, and nothing else. */
export class LoginPhase {
  readonly #connection: Connection;
  readonly #host: ConnectionHost;
  readonly #faults: WireFaults;
  #machine: LoginMachine | undefined;

  constructor(connection: Connection, host: ConnectionHost, faults: WireFaults) {
    this.#connection = connection;
    this.#host = host;
    this.#faults = faults;
  }

  get identity(): LoginIdentity | undefined {
    return this.#machine?.identity;
  }

  receive(pdu: AnyPdu, data: Uint8Array): void {
    const connection = this.#connection;
    if (pdu.opcode !== Opcode.LoginRequest) {
      connection.protocolError(
        `${isOpcode(pdu.opcode) ? OPCODE_TITLES[pdu.opcode] : "an unknown PDU"} before the login`,
      );
      connection.end("protocol error");
      return;
    }
    if (this.#machine === undefined) {
      connection.cid = pdu.cid;
      this.#machine = this.#host.login(connection, pdu);
    }
    this.#host.report("login-request", {
      connection: connection.number,
      isid: formatIsid(pdu.isid),
      tsih: pdu.tsih,
      cid: pdu.cid,
      stage: pdu.csg,
    });
    const machine = this.#machine;
    this.#faults.login(pdu, data, {
      proceed: (request) => this.#answer(request, machine.receive(request, data)),
      refuse: (request, refusal) => this.#refuse(request, refusal),
    });
  }

  #answer(request: LoginRequestView, answer: LoginAnswer): void {
    if (answer.kind === "refuse") this.#refuse(request, answer.refusal);
    else if (answer.kind === "more") this.#send(request, { transit: false, nsg: 0 }, []);
    else if (answer.done === undefined) this.#send(request, answer, answer.keys);
    else {
      const { results, user } = answer.done;
      const entered = this.#host.enter(this.#connection, request, results, user);
      if ("status" in entered) {
        this.#refuse(request, entered);
        return;
      }
      this.#connection.join(entered, results, () => this.#send(request, answer, answer.keys));
    }
  }

  #send(
    request: LoginRequestView,
    stage: { readonly transit: boolean; readonly nsg: number },
    keys: readonly (readonly [string, string])[],
    status = 0,
  ): void {
    const { session } = this.#connection;
    const final = stage.transit && stage.nsg === LoginStage.FullFeaturePhase;
    this.#connection.sendLogin(
      {
        opcode: Opcode.LoginResponse,
        itt: request.itt,
        csg: request.csg,
        nsg: stage.nsg,
        transit: stage.transit,
        isid: request.isid.slice(),
        tsih: final ? (session?.tsih ?? 0) : request.tsih,
        statusClass: status >> 8,
        statusDetail: status & 0xff,
      },
      this.#numbers(request),
      keys.map(([key, value]) => `${key}=${value}\0`).join(""),
    );
  }

  #numbers(request: LoginRequestView) {
    const { session, identity } = this.#connection;
    const joined = session ?? (identity === undefined ? undefined : this.#host.joining(identity, request));
    return joined?.order ?? { expCmdSn: request.cmdSn, maxCmdSn: request.cmdSn };
  }

  #refuse(request: LoginRequestView, refusal: Refusal): void {
    const { identity } = this;
    this.#host.report("login-refused", {
      connection: this.#connection.number,
      ...(identity !== undefined && { initiator: identity.initiatorName, target: identity.targetName }),
      class: refusal.status >> 8,
      detail: refusal.status & 0xff,
      why: refusal.why,
    });
    const keys =
      refusal.targetAddress === undefined ? [] : [["TargetAddress", refusal.targetAddress] as const];
    this.#send(request, { transit: false, nsg: 0 }, keys, refusal.status);
    this.#connection.end("login refused");
  }
}

import {
  LoginStatus,
  LoginStatusClass,
  Opcode,
  ProtocolError,
  splitText,
  TextReassembler,
  textValue,
  writeTextKeys,
  type AnyPdu,
  type LoginResponseView,
  type TextKey,
} from "ts-iscsi-pdu";
import type { CommandWindow } from "./command-window.ts";
import type { Connection, ConnectionReceiver } from "./connection.ts";
import { PeerProtocolError, violation } from "./errors.ts";
import type { LoginMachine, LoginStep } from "./login-machine.ts";
import { loginRefusal } from "./login-status.ts";

/** What holds in both directions until full feature phase (RFC 7143 §13.12). */
const loginDataLength = 8192;

export interface LoginIdentity {
  /** 6 bytes. */
  readonly isid: Uint8Array;
  /** 0 for a new session, or to reinstate one with the same ISID. */
  readonly tsih: number;
  readonly itt: number;
  /** Portal and target, for messages. */
  readonly where: string;
}

/** How a login ends that was not refused: in full feature phase, or sent elsewhere. */
export type LoginOutcome =
  | { readonly kind: "full-feature"; readonly tsih: number }
  | { readonly kind: "redirect"; readonly permanent: boolean; readonly address: string };

/**
 * Carries a login machine's steps over a connection: Login Request and Response PDUs, texts that span several of them
 * (C bit), the numbering. It works inside the receiving pass, so that nothing that the target sends right behind its
 * last Login Response is read by the rules of the login.
 */
export class LoginExchange implements ConnectionReceiver {
  readonly #connection: Connection;
  readonly #machine: LoginMachine;
  readonly #identity: LoginIdentity;
  readonly #window: CommandWindow;
  readonly #enter: (tsih: number) => void;
  readonly #outcome = Promise.withResolvers<LoginOutcome>();
  readonly #text = new TextReassembler();
  #step: LoginStep;
  /** What is left to send of the step's text. */
  #pieces: Uint8Array[] = [];
  #first = true;

  /** `enter` is called when full feature phase begins; it must give the connection its next receiver. */
  constructor(
    connection: Connection,
    machine: LoginMachine,
    identity: LoginIdentity,
    window: CommandWindow,
    enter: (tsih: number) => void,
  ) {
    this.#connection = connection;
    this.#machine = machine;
    this.#identity = identity;
    this.#window = window;
    this.#enter = enter;
    this.#step = machine.start();
  }

  /** @throws LoginError, PeerProtocolError or TransportError. */
  async run(signal?: AbortSignal): Promise<LoginOutcome> {
    signal?.throwIfAborted();
    const onAbort = () => this.#fail(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#connection.receiver = this;
    this.#begin(this.#step);
    try {
      return await this.#outcome.promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  header(): null {
    return null;
  }

  pdu(pdu: AnyPdu, data: Uint8Array): void {
    try {
      this.#take(this.#checked(pdu), data);
    } catch (error) {
      this.#fail(error);
    }
  }

  error(error: ProtocolError): void {
    this.#fail(error);
  }

  closed(error: Error): void {
    this.#fail(error);
  }

  #fail(error: unknown): void {
    this.#outcome.reject(
      error instanceof ProtocolError ? new PeerProtocolError(this.#identity.where, error) : error,
    );
  }

  #take(response: LoginResponseView, data: Uint8Array): void {
    if (this.#pieces.length > 0 && response.statusClass === 0) {
      if (data.length === 0) return this.#send();
      throw violation("6.2", "DataSegmentLength", data.length, "text in answer to a request that goes on");
    }
    const keys = this.#text.add(data, response.continues);
    if (keys === undefined) return this.#send();
    if (response.statusClass === LoginStatusClass.Redirection) return this.#redirect(response, keys);
    const { csg, nsg, transit } = response;
    const step = this.#machine.next({ csg, nsg, transit, keys });
    if (step !== undefined) return this.#begin(step);
    const tsih = this.#finalTsih(response);
    // Before its last response a target may not know yet which session the connection joins, and echo the CmdSN.
    this.#window.update(response.expCmdSn, response.maxCmdSn);
    this.#enter(tsih);
    this.#outcome.resolve({ kind: "full-feature", tsih });
  }

  #begin(step: LoginStep): void {
    this.#step = step;
    this.#pieces = splitText(writeTextKeys(step.keys), loginDataLength);
    this.#send();
  }

  /** Sends the next piece of the step; with none left an empty request, which asks for the rest of the answer. */
  #send(): void {
    const piece = this.#pieces.shift();
    const continues = this.#pieces.length > 0;
    const nsg = continues ? undefined : this.#step.nsg;
    this.#connection.send(
      {
        opcode: Opcode.LoginRequest,
        transit: nsg !== undefined,
        continues,
        csg: this.#step.csg,
        nsg: nsg ?? 0,
        cid: this.#connection.cid,
        cmdSn: this.#window.cmdSn,
        expStatSn: this.#connection.expStatSn,
        isid: this.#identity.isid,
        tsih: this.#identity.tsih,
        itt: this.#identity.itt,
      },
      piece,
    );
  }

  #checked(pdu: AnyPdu): LoginResponseView {
    if (pdu.opcode !== Opcode.LoginResponse) {
      throw violation("6.3", "Opcode", pdu.opcodeByte, "only Login Responses may come during login");
    }
    if (pdu.itt !== this.#identity.itt) {
      throw violation("11.13", "Initiator Task Tag", pdu.itt, `the login's tag is ${this.#identity.itt}`);
    }
    if (pdu.status >= 0x0200) throw loginRefusal(this.#identity.where, pdu.status);
    if (pdu.statusClass !== 0) return pdu;
    if (pdu.versionActive !== 0)
      throw violation("11.13.2", "Version-active", pdu.versionActive, "only version 0 was offered");
    if (pdu.continues && pdu.transit) throw violation("11.13.7", "C", 1, "C and T are set together");
    if (!Buffer.from(pdu.isid).equals(this.#identity.isid)) {
      throw violation(
        "11.13",
        "ISID",
        Buffer.from(pdu.isid).toString("hex"),
        "the target answers with another ISID",
      );
    }
    if (!this.#first && pdu.statSn !== this.#connection.expStatSn) {
      throw violation("11.13.4", "StatSN", pdu.statSn, `${this.#connection.expStatSn} was next`);
    }
    this.#first = false;
    this.#connection.expStatSn = (pdu.statSn + 1) >>> 0;
    return pdu;
  }

  #finalTsih(response: LoginResponseView): number {
    const { tsih } = this.#identity;
    if (response.tsih === 0)
      throw violation("11.13.3", "TSIH", 0, "the last Login Response must name the session");
    if (tsih !== 0 && response.tsih !== tsih)
      throw violation("11.13.3", "TSIH", response.tsih, `the session is ${tsih}`);
    return response.tsih;
  }

  #redirect(response: LoginResponseView, keys: readonly TextKey[]): void {
    const address = textValue(keys, "TargetAddress");
    if (address === undefined) {
      throw violation("11.13.5", "TargetAddress", "nothing", "a redirection without an address");
    }
    const permanent = response.status === LoginStatus.TargetMovedPermanently;
    this.#outcome.resolve({ kind: "redirect", permanent, address });
  }
}

import {
  type LogoutReason,
  Opcode,
  RESERVED_TAG,
  type AnyPdu,
  type TmfFunction,
  type LogoutResponseView,
  type LunValue,
  type TmfResponseView,
} from "ts-iscsi-pdu";
import type { Connection } from "./connection.ts";
import { violation } from "./errors.ts";
import type { Pending } from "./pending.ts";

/** A request that one PDU answers. */
abstract class SimpleRequest<T> implements Pending {
  itt = 0;
  cmdSn = 0;
  connection: Connection | undefined;
  readonly immediate = true;
  abstract readonly title: string;
  readonly result = Promise.withResolvers<T>();

  abstract begin(): void;
  abstract receive(pdu: AnyPdu, data: Uint8Array): boolean;

  place(): null {
    return null;
  }

  fail(error: Error): void {
    this.result.reject(error);
  }

  protected wrong(pdu: AnyPdu): Error {
    return violation("11.2.1.8", "Opcode", pdu.opcodeByte, `no answer to ${this.title}`);
  }
}

/** A ping (RFC 7143 §11.18); resolves when the same data came back. */
export class PingRequest extends SimpleRequest<void> {
  readonly title = "NOP-Out";
  readonly #data: Uint8Array;

  constructor(data: Uint8Array) {
    super();
    this.#data = data;
  }

  begin(): void {
    const { connection, itt, cmdSn } = this;
    connection?.send(
      {
        opcode: Opcode.NopOut,
        immediate: true,
        itt,
        ttt: RESERVED_TAG,
        cmdSn,
        expStatSn: connection.expStatSn,
      },
      this.#data.length === 0 ? undefined : this.#data,
    );
  }

  receive(pdu: AnyPdu, data: Uint8Array): boolean {
    if (pdu.opcode !== Opcode.NopIn) throw this.wrong(pdu);
    if (Buffer.compare(data, this.#data) !== 0) {
      throw violation(
        "11.19",
        "Ping Data",
        data.length,
        `the ${this.#data.length} bytes sent come back changed`,
      );
    }
    this.result.resolve();
    return true;
  }
}

export interface TmfResult {
  /** Response of RFC 7143 §11.6.1; `tmfResponses` has the words. */
  readonly response: number;
  readonly additionalInformation: number;
}

export interface TmfOptions {
  readonly function: TmfFunction;
  readonly lun?: LunValue;
  readonly referencedTaskTag?: number;
  readonly refCmdSn?: number;
  readonly expDataSn?: number;
}

/** A task management function (RFC 7143 §11.5). */
export class TmfRequest extends SimpleRequest<TmfResult> {
  readonly title = "Task Management Function Request";
  readonly #options: TmfOptions;

  constructor(options: TmfOptions) {
    super();
    this.#options = options;
  }

  begin(): void {
    const { connection, itt, cmdSn } = this;
    connection?.send({
      opcode: Opcode.TmfRequest,
      immediate: true,
      itt,
      cmdSn,
      expStatSn: connection.expStatSn,
      ...this.#options,
    });
  }

  receive(pdu: AnyPdu): boolean {
    if (pdu.opcode !== Opcode.TmfResponse) throw this.wrong(pdu);
    this.result.resolve(tmfResult(pdu));
    return true;
  }
}

const tmfResult = ({ response, additionalInformation }: TmfResponseView): TmfResult => ({
  response,
  additionalInformation,
});

export interface LogoutResult {
  /** Response of RFC 7143 §11.15.1. */
  readonly response: number;
  /** Seconds to wait before logging in again, and that the target keeps tasks for it. */
  readonly time2Wait: number;
  readonly time2Retain: number;
}

/** A logout (RFC 7143 §11.14); nothing may be sent behind it on its connection. */
export class LogoutRequest extends SimpleRequest<LogoutResult> {
  readonly title = "Logout Request";
  readonly #reason: LogoutReason;
  readonly #closed: Pick<Connection, "cid" | "expStatSn"> | undefined;

  /** `closed` is the connection to close or recover, where it is not the session. */
  constructor(reason: LogoutReason, closed?: Pick<Connection, "cid" | "expStatSn">) {
    super();
    this.#reason = reason;
    this.#closed = closed;
  }

  begin(): void {
    const { connection, itt, cmdSn } = this;
    connection?.send({
      opcode: Opcode.LogoutRequest,
      immediate: true,
      itt,
      cmdSn,
      // What was acknowledged on the connection that ends (RFC 7143 §11.14.4).
      expStatSn: (this.#closed ?? connection).expStatSn,
      reason: this.#reason,
      cid: this.#closed?.cid ?? 0,
    });
  }

  receive(pdu: AnyPdu): boolean {
    if (pdu.opcode !== Opcode.LogoutResponse) throw this.wrong(pdu);
    this.result.resolve(logoutResult(pdu));
    return true;
  }
}

const logoutResult = ({ response, time2Wait, time2Retain }: LogoutResponseView): LogoutResult => ({
  response,
  time2Wait,
  time2Retain,
});

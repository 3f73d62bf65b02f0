import type { Report } from "#core";
import type { FaultEngine } from "#faults";
import type { LoginRequestView, OperationalValues, PduInit } from "ts-iscsi-pdu";
import type { LoginIdentity, LoginMachine, Refusal } from "../login/login-machine.ts";
import type { TargetLimits } from "../options.ts";
import type { Connection } from "./connection.ts";
import type { Session } from "./session.ts";

/** What a connection needs of the target it came to. */
export interface ConnectionHost {
  readonly limits: TargetLimits;
  readonly report: Report;
  login(connection: Connection, first: LoginRequestView): LoginMachine;
  /** The login has come through: finds or makes the session. */
  enter(
    connection: Connection,
    request: LoginRequestView,
    results: OperationalValues,
    user?: string,
  ): Session | Refusal;
  /** The session that a login means to join, by its TSIH. */
  joining(identity: LoginIdentity, request: LoginRequestView): Session | undefined;
  left(connection: Connection): void;
  /** The faults in force. */
  faults(): FaultEngine | undefined;
}

/** A PDU without the numbers that the connection puts in. */
export type NoNumbers<T> = Omit<T, "statSn" | "expCmdSn" | "maxCmdSn">;

/** PDUs with a StatSN other than the SCSI Response. */
export type StatusPdu = PduInit extends infer P
  ? P extends { readonly opcode: number }
    ? Omit<P, "statSn" | "expCmdSn" | "maxCmdSn">
    : never
  : never;

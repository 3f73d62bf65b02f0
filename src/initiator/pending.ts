import type { AnyPdu, ProtocolError } from "ts-iscsi-pdu";
import type { Connection } from "./connection.ts";

/**
 * A request that waits for what the target sends under its Initiator Task Tag. `begin` sends it; `receive` says when
 * it is over; `fail` ends it from this side. Each ends exactly once.
 */
export interface Pending {
  /** Set when the request is given to the session. */
  itt: number;
  cmdSn: number;
  /** The connection that carries it (its connection allegiance); undefined while it waits to be sent. */
  connection: Connection | undefined;
  /** Does not take part in the command window. */
  readonly immediate: boolean;
  /** What a reader of a log calls it. */
  readonly title: string;
  /** Bytes of data that it reads, if any. */
  readonly readLength?: number;
  /** The target will ask for data and wait for it. */
  readonly prompt?: boolean;
  begin(): void;
  /** Where the data segment of this PDU goes; null to have it given to `receive` in a buffer of its own. */
  place(pdu: AnyPdu): Uint8Array | null;
  /** Takes one PDU; true when it was the last. */
  receive(pdu: AnyPdu, data: Uint8Array): boolean;
  /** A data segment came with a wrong digest (recovery level 1 and up). */
  damaged?(pdu: AnyPdu, error: ProtocolError): void;
  fail(error: Error): void;
}

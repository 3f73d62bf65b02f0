/**
 * The two ends of a connection, as a capture needs them: one object for the life of a connection, by which it is told
 * from a later one between the same ports.
 */
export interface ConnectionEnds {
  readonly localAddress: string;
  readonly localPort: number;
  readonly address: string;
  readonly port: number;
}

/** Sees each byte of each connection in its order. The bytes are reused after the call. */
export type ByteTrace = (direction: "sent" | "received", bytes: Uint8Array, ends: ConnectionEnds) => void;

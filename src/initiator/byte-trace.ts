import type { ConnectionEnds } from "#capture";

export type { ConnectionEnds };

/** Sees each byte of each connection in its order. The bytes are reused after the call. */
export type ByteTrace = (direction: "sent" | "received", bytes: Uint8Array, ends: ConnectionEnds) => void;

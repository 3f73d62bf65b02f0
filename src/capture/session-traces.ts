import type { PcapngWriter } from "./pcapng-writer.ts";
import { SessionTrace } from "./session-trace.ts";

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

/** Many connections in one file, each a conversation of its own. */
export class SessionTraces {
  readonly #writer: PcapngWriter;
  readonly #traces = new Map<ConnectionEnds, SessionTrace>();

  constructor(writer: PcapngWriter) {
    this.#writer = writer;
  }

  /** Records bytes; it has the form of an initiator's `trace`. */
  readonly record = (direction: "sent" | "received", bytes: Uint8Array, ends: ConnectionEnds): void => {
    let trace = this.#traces.get(ends);
    if (trace === undefined) {
      const { localAddress, localPort, address, port } = ends;
      const local = { address: localAddress, port: localPort };
      trace = new SessionTrace(this.#writer, { local, remote: { address, port } });
      this.#traces.set(ends, trace);
    }
    if (direction === "sent") trace.sent(bytes);
    else trace.received(bytes);
  };

  /** Ends all conversations. */
  close(): void {
    for (const trace of this.#traces.values()) trace.close();
    this.#traces.clear();
  }
}

import { closeSync, openSync, writeSync } from "node:fs";
import { PcapngWriter, SessionTrace } from "#capture";
import type { ByteTrace } from "#initiator";

/** A capture file of what an initiator says and hears. It may hold secrets' hashes, so it is its owner's alone. */
export class TraceFile implements Disposable {
  readonly #file: number;
  readonly #writer: PcapngWriter;
  readonly #traces = new Map<string, SessionTrace>();

  constructor(path: string) {
    this.#file = openSync(path, "w", 0o600);
    this.#writer = new PcapngWriter((block) => void writeSync(this.#file, block));
  }

  readonly trace: ByteTrace = (direction, bytes, { localAddress, localPort, address, port }) => {
    const key = `${localAddress} ${localPort}`;
    let trace = this.#traces.get(key);
    if (trace === undefined) {
      const local = { address: localAddress, port: localPort };
      trace = new SessionTrace(this.#writer, { local, remote: { address, port } });
      this.#traces.set(key, trace);
    }
    if (direction === "sent") trace.sent(bytes);
    else trace.received(bytes);
  };

  [Symbol.dispose](): void {
    for (const trace of this.#traces.values()) trace.close();
    closeSync(this.#file);
  }
}

import { closeSync, openSync, writeSync } from "node:fs";
import { PcapngWriter, SessionTraces } from "#capture";
import type { ByteTrace } from "#initiator";

/** A capture file of what an initiator says and hears. It may hold secrets' hashes, so it is its owner's alone. */
export class TraceFile implements Disposable {
  readonly #file: number;
  readonly #traces: SessionTraces;

  constructor(path: string) {
    this.#file = openSync(path, "w", 0o600);
    this.#traces = new SessionTraces(new PcapngWriter((block) => void writeSync(this.#file, block)));
  }

  get trace(): ByteTrace {
    return this.#traces.record;
  }

  [Symbol.dispose](): void {
    this.#traces.close();
    closeSync(this.#file);
  }
}

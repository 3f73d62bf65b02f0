import type { Target } from "#target";

/** Sums of what a target does, and one line of them that a terminal shows anew every second. */
export class Statistics {
  #reads = 0;
  #writes = 0;
  #blocks = 0;

  take(kind: string, data: Readonly<Record<string, unknown>>): void {
    if (kind !== "io") return;
    this.#reads += Number(data["reads"]);
    this.#writes += Number(data["writes"]);
    this.#blocks += Number(data["blocksRead"]) + Number(data["blocksWritten"]);
  }

  /** Shows the line where standard error is a terminal; the function it returns takes it away. */
  show(target: Target): () => void {
    if (!process.stderr.isTTY) return () => undefined;
    let before = { reads: 0, writes: 0, blocks: 0 };
    const timer = setInterval(() => {
      const now = { reads: this.#reads, writes: this.#writes, blocks: this.#blocks };
      const rate = `${now.reads - before.reads} reads/s, ${now.writes - before.writes} writes/s, ${now.blocks - before.blocks} blocks/s`;
      before = now;
      process.stderr.write(`\r\u001b[K${target.sessions.length} sessions, ${rate}`);
    }, 1000);
    return () => {
      clearInterval(timer);
      process.stderr.write("\r\u001b[K");
    };
  }
}

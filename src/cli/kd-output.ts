import { createWriteStream, type WriteStream } from "node:fs";
import { once } from "node:events";
import { finished } from "node:stream/promises";
import { KdTranscript, type KdEvent, type KdSummary } from "#kd";

/** Writes what a debugger sees: its transcript, or one JSON object a line, and a copy of the transcript in a file. */
export class KdOutput {
  readonly #json: boolean;
  readonly #transcript: KdTranscript;
  readonly #file: WriteStream | undefined;

  private constructor(json: boolean, file: WriteStream | undefined) {
    this.#json = json;
    this.#file = file;
    this.#transcript = new KdTranscript((line) => {
      if (!json) process.stdout.write(`${line}\n`);
      file?.write(`${line}\n`);
    });
  }

  static async open(options: {
    readonly json: boolean;
    readonly transcript: string | undefined;
  }): Promise<KdOutput> {
    const file = options.transcript === undefined ? undefined : createWriteStream(options.transcript);
    if (file !== undefined) await once(file, "open");
    return new KdOutput(options.json, file);
  }

  /** `t` is the time in seconds, null where none is known. */
  event(t: number | null, event: KdEvent): void {
    if (this.#json) process.stdout.write(`${JSON.stringify({ t, ...event })}\n`);
    this.#transcript.add(event);
  }

  async end(summary: KdSummary): Promise<void> {
    this.#transcript.end();
    if (this.#json) process.stdout.write(`${JSON.stringify({ kind: "summary", ...summary })}\n`);
    else process.stderr.write(`${describe(summary)}\n`);
    if (this.#file === undefined) return;
    this.#file.end();
    await finished(this.#file);
  }
}

function describe(summary: KdSummary): string {
  return Object.entries(summary)
    .map(([what, count]) => `${count} ${what}`)
    .join(", ");
}

import { BootLogReader, KdTranscript, LineJoiner, type BootFact, type KdEvent } from "#kd";

/** Receives what is worth a place on the timeline: a word, JSON data without secrets. */
export type Tell = (kind: string, data: Readonly<Record<string, unknown>>) => void;

/**
 * Turns what a debugger's line brings into observations: prints joined to lines (`print` {line}), each line of a boot driver as a
 * `fact` besides, everything else under its own kind. Every event goes to the transcript as it is.
 */
export class KdObserver {
  readonly #tell: Tell;
  readonly #transcript: KdTranscript;
  readonly #facts = new BootLogReader();
  readonly #lines: LineJoiner;

  constructor(tell: Tell, transcript: (line: string) => void) {
    this.#tell = tell;
    this.#transcript = new KdTranscript(transcript);
    this.#lines = new LineJoiner((line) => this.#line(line));
  }

  see(event: KdEvent): void {
    this.#transcript.add(event);
    if (event.kind === "print") return this.#lines.push(event.text);
    this.#lines.flush();
    const { kind, ...data } = event;
    return this.#tell(kind, data);
  }

  /** The guest has gone quiet: what there is of a line is all. */
  flush(): void {
    this.#lines.flush();
  }

  end(): void {
    this.flush();
    this.#transcript.end();
  }

  #line(line: string): void {
    const fact = this.#facts.read(line);
    this.#tell("print", { line: withoutSecret(line, fact) });
    if (fact !== undefined) this.#tell("fact", { ...fact });
  }
}

/** A driver may print a secret; the transcript is evidence and kept private, the timeline is shown to everybody. */
function withoutSecret(line: string, fact: BootFact | undefined): string {
  const { name, value } = fact?.kind === "field" ? fact.values : {};
  if (name !== undefined && value === "<redacted>") return `${name} = ${value}`;
  return line.replace(/(secret\s*=\s*)(?!<omitted>)\S.*/i, "$1<redacted>");
}

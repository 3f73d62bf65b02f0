import { errorMessage, SanlabError } from "#core";
import { painter, renderPhase, renderVerdict, type Paint } from "#harness/report";
import { type RunResult } from "#harness/scenario";
import { phaseIds, phases, type PhaseId, type Verdict } from "#harness/verdict";
import { colours, printJson, say } from "./output.ts";

const refreshMs = 200;

/**
 * The live display of a boot on standard error: a line for each phase as it is reached, and on a terminal a last line
 * that tells what is awaited and for how long.
 */
export class Progress implements Disposable {
  readonly #paint: Paint = painter(colours(process.stderr));
  readonly #live = process.stderr.isTTY && process.env["TERM"] !== "dumb";
  #timer: NodeJS.Timeout | undefined;
  #since = performance.now();
  #waiting = "";

  step(text: string): void {
    this.#line(this.#paint(`           ${text}`, "weak"));
    this.#wait(text);
  }

  phase(phase: PhaseId, t: number): void {
    this.#line(renderPhase(phase, t, this.#paint));
    const next = phaseIds[phaseIds.indexOf(phase) + 1];
    if (next !== undefined && next !== "P18") this.#wait(`waits for ${next} ${phases[next]}`);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#erase();
    this.#waiting = "";
  }

  #wait(text: string): void {
    this.#waiting = text;
    this.#since = performance.now();
    if (this.#live) this.#timer ??= setInterval(() => this.#draw(), refreshMs);
  }

  #line(text: string): void {
    this.#erase();
    say(text);
  }

  #draw(): void {
    const seconds = ((performance.now() - this.#since) / 1000).toFixed(0);
    const width = (process.stderr.columns ?? 80) - 1;
    process.stderr.write(`\r\u001b[K${`           … ${this.#waiting} (${seconds} s)`.slice(0, width)}`);
  }

  #erase(): void {
    if (this.#live) process.stderr.write("\r\u001b[K");
  }
}

/**
 * Shows how a run ended: the verdict on standard output, as text or as one JSON document.
 *
 * @returns the exit status
 */
export function showResult({ verdict, ibftText, error }: RunResult, folder: string, json: boolean): number {
  if (json) printJson(verdictJson(verdict, folder));
  else if (error === undefined) {
    const text = renderVerdict(verdict, {
      paint: painter(colours(process.stdout)),
      folder,
      ...(ibftText !== undefined && { ibftText }),
    });
    process.stdout.write(`${text}\n`);
  } else {
    say(`sanlab: ${errorMessage(error)}`);
    say(`run folder: ${folder}`);
  }
  if (error instanceof SanlabError) return error.code === "INTERRUPTED" ? 130 : error.exitStatus;
  return verdictStatus(verdict);
}

/** The document that `boot` and `report` print. */
function verdictJson({ formatVersion, ...verdict }: Verdict, folder: string): object {
  return { formatVersion, ...verdict, run: folder };
}

function verdictStatus({ outcome }: Verdict): number {
  if (outcome === "pass") return 0;
  return outcome === "lab-error" ? 3 : 1;
}

import { closeSync, openSync, writeSync } from "node:fs";
import { Duplex } from "node:stream";
import { errorMessage, LabError, type Report } from "#core";
import type { SerialSpec } from "./machine-spec.ts";
import type { SerialLine } from "./serial-fifo.ts";
import { TextCleaner } from "./text-cleaner.ts";
import { limited, type Wait } from "./waiting.ts";

/** A line of a text port. `partial`: no end of line came for a while (a prompt); the whole line follows if one comes. */
export type LineListener = (line: string, about: { readonly partial: boolean }) => void;

export interface SerialMatch {
  /** The text between the previous match (or the call, whichever is later in the stream) and this one. */
  readonly before: string;
  readonly match: string;
}

export interface SerialPortOptions {
  /** Receives every byte, mode 0600. */
  readonly logFile: string;
  readonly report?: Report | undefined;
}

const historyLimit = 1 << 20;
const partialLineMs = 250;

/**
 * The host's end of one serial port of a guest, and the only reader of it: everything goes to the log file, a text
 * port is told to `report` line by line (`serial`), waiters look for text in it, and a debugger may take it as a stream.
 * Text is what `TextCleaner` makes of the bytes.
 */
export class SerialPort implements Disposable {
  readonly name: string;
  readonly kind: SerialSpec["kind"];
  readonly #line: SerialLine;
  #log: number | undefined;
  readonly #report: Report | undefined;
  readonly #cleaner = new TextCleaner();
  readonly #listeners = new Set<LineListener>();
  readonly #waiters = new Set<() => void>();
  readonly #ended = Promise.withResolvers<never>();
  readonly #closing = Promise.withResolvers<void>();
  #text = "";
  #dropped = 0;
  #matched = 0;
  #unfinished = "";
  #partialTimer: NodeJS.Timeout | undefined;
  readonly #early: Buffer[] = [];
  #earlyBytes = 0;
  #duplex: Duplex | undefined;
  #finishing = false;
  #closed = false;

  constructor(spec: SerialSpec, line: SerialLine, options: SerialPortOptions) {
    this.name = spec.name;
    this.kind = spec.kind;
    this.#line = line;
    this.#report = options.report;
    this.#log = openSync(options.logFile, "w", 0o600);
    this.#ended.promise.catch(() => {});
    line.input.on("data", (chunk: Buffer) => this.#receive(chunk));
    line.input.on("close", () => this[Symbol.dispose]());
    line.input.on("end", () => this[Symbol.dispose]());
    // A dead QEMU breaks the line; its exit is told by the machine.
    line.input.on("error", () => {});
    line.output.on("error", () => {});
  }

  /** The last mebibyte of the port's text. */
  get history(): string {
    return this.#text;
  }

  write(data: string | Uint8Array): void {
    this.#line.output.write(data);
  }

  /**
   * Waits until `what` appears in the text after the previous match. Throws TimeoutError (naming the last line seen),
   * the signal's reason, or LabError SERIAL_CLOSED when the machine ends first.
   */
  async until(what: string | RegExp, wait: Wait = {}): Promise<SerialMatch> {
    const found = Promise.withResolvers<SerialMatch>();
    const from = this.#matched;
    const look = () => {
      const start = Math.max(from, this.#dropped);
      const hit = find(this.#text.slice(start - this.#dropped), what);
      if (hit === undefined) return;
      this.#matched = Math.max(this.#matched, start + hit.before.length + hit.match.length);
      this.#waiters.delete(look);
      found.resolve(hit);
    };
    this.#waiters.add(look);
    look();
    try {
      return await limited(
        `serial port ${this.name}, ${what}`,
        wait,
        Promise.race([found.promise, this.#ended.promise]),
      );
    } finally {
      this.#waiters.delete(look);
    }
  }

  /** Calls `listener` with each line from now on; the returned function ends it. */
  onLine(listener: LineListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * The port as a stream of bytes, beginning with what came before the first call (a binary port keeps the last
   * mebibyte for it). Flow control reaches the guest: what is not read stays in the guest's transmitter.
   */
  asDuplex(): Duplex {
    return (this.#duplex ??= this.#makeDuplex());
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.flush();
    if (this.#log !== undefined) closeSync(this.#log);
    this.#log = undefined;
    this.#ended.reject(new LabError("SERIAL_CLOSED", `serial port ${this.name}: the machine has ended`));
    this.#duplex?.push(null);
    this.#line.input.destroy();
    this.#line.output.destroy();
    this.#closing.resolve();
  }

  /** The guest is gone: reads what is left, without waiting for the stream's reader, and closes. */
  async finish(): Promise<void> {
    this.#finishing = true;
    this.#line.input.resume();
    await this.#closing.promise;
  }

  /** Delivers a line whose end has not come as the last one. */
  flush(): void {
    clearTimeout(this.#partialTimer);
    if (this.#unfinished !== "") this.#deliver(this.#unfinished, false);
    this.#unfinished = "";
  }

  #receive(chunk: Buffer): void {
    this.#record(chunk);
    if (this.#duplex !== undefined) {
      if (!this.#duplex.push(chunk) && !this.#finishing) this.#line.input.pause();
    } else if (this.kind === "binary") this.#keep(chunk);
    if (this.kind === "text") this.#append(this.#cleaner.push(chunk));
  }

  /** A full disk costs the log, not the run. */
  #record(chunk: Buffer): void {
    if (this.#log === undefined) return;
    try {
      writeSync(this.#log, chunk);
    } catch (error) {
      closeSync(this.#log);
      this.#log = undefined;
      this.#report?.("serial-log-failed", { port: this.name, reason: errorMessage(error) });
    }
  }

  #keep(chunk: Buffer): void {
    this.#early.push(chunk);
    this.#earlyBytes += chunk.length;
    while (this.#earlyBytes > historyLimit) this.#earlyBytes -= this.#early.shift()?.length ?? 0;
  }

  #append(text: string): void {
    if (text === "") return;
    this.#text += text;
    const excess = this.#text.length - historyLimit;
    if (excess > historyLimit / 4) {
      this.#text = this.#text.slice(excess);
      this.#dropped += excess;
    }
    this.#lines(text);
    for (const look of this.#waiters) look();
  }

  #lines(text: string): void {
    clearTimeout(this.#partialTimer);
    const lines = (this.#unfinished + text).split("\n");
    this.#unfinished = lines.pop() ?? "";
    for (const line of lines) if (line !== "") this.#deliver(line, false);
    if (this.#unfinished === "") return;
    this.#partialTimer = setTimeout(() => this.#deliver(this.#unfinished, true), partialLineMs);
  }

  #deliver(line: string, partial: boolean): void {
    this.#report?.("serial", { port: this.name, line, ...(partial ? { partial } : {}) });
    for (const listener of this.#listeners) listener(line, { partial });
  }

  #makeDuplex(): Duplex {
    const { input, output } = this.#line;
    const duplex = new Duplex({
      read: () => void input.resume(),
      write: (chunk: Buffer, _encoding, done) => void output.write(chunk, done),
    });
    for (const chunk of this.#early.splice(0)) duplex.push(chunk);
    if (this.#closed) duplex.push(null);
    return duplex;
  }
}

function find(text: string, what: string | RegExp): SerialMatch | undefined {
  if (typeof what === "string") {
    const at = text.indexOf(what);
    return at < 0 ? undefined : { before: text.slice(0, at), match: what };
  }
  const hit = new RegExp(what.source, what.flags.replaceAll(/[gy]/g, "")).exec(text);
  return hit === null ? undefined : { before: text.slice(0, hit.index), match: hit[0] };
}

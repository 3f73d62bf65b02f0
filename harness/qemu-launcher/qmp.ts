import type { Duplex } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { LabError, SanlabError, type Report } from "#core";
import { limited, type Wait } from "./waiting.ts";

export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** QEMU refused a command. `details` holds the command and QEMU's own error class. */
export class QmpError extends SanlabError {
  readonly command: string;
  readonly errorClass: string;

  constructor(command: string, errorClass: string, description: string) {
    super("QMP_COMMAND", `QEMU refused ${command}: ${description}`, { details: { command, errorClass } });
    this.command = command;
    this.errorClass = errorClass;
  }
}

export interface QmpOptions {
  readonly report?: Report | undefined;
  /** The reason, once known, that outstanding commands are rejected with when the connection ends. */
  readonly whyClosed?: Promise<Error>;
}

const reasonMs = 2000;

interface Pending {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * QEMU's monitor protocol (QEMU's docs/interop/qmp-spec): JSON objects, one a line, over any duplex stream. Every event is also told
 * to `report` as `qmp-event`.
 */
export class Qmp implements Disposable {
  readonly #stream: Duplex;
  readonly #report: Report | undefined;
  readonly #whyClosed: Promise<Error> | undefined;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #greeting = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<never>();
  #nextId = 1;
  #partial = "";
  #failure: Error | undefined;

  private constructor(stream: Duplex, { report, whyClosed }: QmpOptions) {
    this.#stream = stream;
    this.#report = report;
    this.#whyClosed = whyClosed;
    this.#closed.promise.catch(() => {});
    this.#greeting.promise.catch(() => {});
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => this.#receive(text));
    for (const end of ["error", "end", "close"]) stream.on(end, () => void this.#lost());
  }

  /** Waits for QEMU's greeting and enters command mode. */
  static async connect(stream: Duplex, options: Wait & QmpOptions = {}): Promise<Qmp> {
    const qmp = new Qmp(stream, options);
    await limited("QMP greeting", options, qmp.#greeting.promise);
    await qmp.execute("qmp_capabilities", {}, options);
    return qmp;
  }

  /** Runs a command and gives its return value. A refusal is a QmpError; a lost connection rejects with its cause. */
  async execute(
    command: string,
    args: Readonly<Record<string, unknown>> = {},
    wait: Wait = {},
  ): Promise<unknown> {
    if (this.#failure !== undefined) throw this.#failure;
    const id = this.#nextId++;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { command, resolve, reject });
    });
    this.#stream.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    try {
      return await limited(`QMP ${command}`, wait, answer);
    } finally {
      this.#pending.delete(id);
    }
  }

  /** Calls `listener` for each event from now on; the returned function ends it. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The next event of this name that `accept` agrees to. Listens from the moment of the call. */
  async until(
    name: string,
    wait: Wait & { readonly accept?: (event: QmpEvent) => boolean } = {},
  ): Promise<QmpEvent> {
    if (this.#failure !== undefined) throw this.#failure;
    const found = Promise.withResolvers<QmpEvent>();
    const end = this.onEvent((event) => {
      if (event.event === name && (wait.accept?.(event) ?? true)) found.resolve(event);
    });
    try {
      return await limited(`QMP event ${name}`, wait, Promise.race([found.promise, this.#closed.promise]));
    } finally {
      end();
    }
  }

  /** All events from now on, until the connection closes. */
  async *events(): AsyncGenerator<QmpEvent, void, void> {
    const queue: QmpEvent[] = [];
    let wake = Promise.withResolvers<void>();
    const end = this.onEvent((event) => {
      queue.push(event);
      wake.resolve();
    });
    this.#closed.promise.catch(() => wake.resolve());
    try {
      while (this.#failure === undefined || queue.length > 0) {
        yield* queue.splice(0);
        if (this.#failure !== undefined) continue;
        await wake.promise;
        wake = Promise.withResolvers<void>();
      }
    } finally {
      end();
    }
  }

  /** Rejects whatever is outstanding with `reason`; the first reason counts. */
  close(reason: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
    this.#greeting.reject(reason);
    this.#closed.reject(reason);
    this.#stream.destroy();
  }

  [Symbol.dispose](): void {
    this.close(new LabError("QMP_CLOSED", "the monitor connection was closed"));
  }

  /** A closed connection is a consequence; who knows the cause may take a moment to tell it. */
  async #lost(): Promise<void> {
    const waiting = new AbortController();
    const closed = new LabError("QMP_CLOSED", "QEMU closed its monitor connection");
    const late = setTimeout(reasonMs, closed, { signal: waiting.signal }).catch(() => closed);
    this.close(await Promise.race([this.#whyClosed ?? closed, late]));
    waiting.abort();
  }

  #receive(text: string): void {
    const lines = (this.#partial + text).split("\n");
    this.#partial = lines.pop() ?? "";
    for (const line of lines) {
      if (line.trim() !== "") this.#line(line);
    }
  }

  #line(line: string): void {
    const message = parse(line);
    if (message === undefined) {
      this.close(new LabError("QMP_PROTOCOL", "QEMU sent something else than a JSON object on its monitor"));
    } else if (message["QMP"] !== undefined) this.#greeting.resolve();
    else if (typeof message["event"] === "string") {
      this.#event({ event: message["event"], data: asRecord(message["data"]) ?? {} });
    } else this.#answer(message);
  }

  #event(event: QmpEvent): void {
    this.#report?.("qmp-event", { event: event.event, ...event.data });
    for (const listener of this.#listeners) listener(event);
  }

  #answer(message: JsonObject): void {
    const id = message["id"];
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    if (pending === undefined) return;
    const error = asRecord(message["error"]);
    if (error === undefined) pending.resolve(message["return"]);
    else pending.reject(new QmpError(pending.command, String(error["class"]), String(error["desc"])));
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

function parse(line: string): JsonObject | undefined {
  try {
    return asRecord(JSON.parse(line));
  } catch {
    return undefined;
  }
}

function asRecord(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

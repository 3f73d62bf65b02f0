import { closeSync, openSync, writeSync } from "node:fs";
import type { Duplex } from "node:stream";
import { errorMessage } from "#core";
import { KdError, KdHost, type KdEvent } from "#kd";
import { KdObserver } from "./kd-observer.ts";
import type { Timeline } from "./timeline.ts";

export interface KdWatchOptions {
  /** Receives the transcript, mode 0600: drivers may print secrets. */
  readonly transcript: string;
  /** How long a kernel that has not come to its session may be silent before it is asked whether it runs. */
  readonly quietMs: number;
  /** Reads the process list again and again from the kernel's session on, soon and then at this distance; not at all without it. */
  readonly processesEveryMs?: number | undefined;
}

export interface KdWatch extends AsyncDisposable {
  /** Resolves when the line has closed, contact is lost, or a crash has told all. */
  readonly finished: Promise<void>;
}

/** An unfinished line is taken as one after so long. */
const idleMs = 1000;
/** A running kernel looks for a break-in at each tick; one that is busy elsewhere is asked again later. */
const breakInMs = 5000;
/** Processes come fast when a session begins. */
const firstPollMs = 500;

/**
 * Is the debugger of a guest: acknowledges and answers its kernel, lets it go on, and appends what it tells (`kd` events).
 * The stream must be there before the guest runs.
 */
export function watchKd(stream: Duplex, timeline: Timeline, options: KdWatchOptions): KdWatch {
  const transcript = new TranscriptFile(options.transcript);
  const observer = new KdObserver(
    (kind, data) => timeline.append("kd", kind, data),
    (line) => transcript.write(line),
  );
  const session = Promise.withResolvers<void>();
  const closing = new AbortController();
  let idle: NodeJS.Timeout | undefined;
  const host = new KdHost(stream, {
    quietMs: options.quietMs,
    firstPacketMs: Infinity,
    patient: true,
    onEvent: (event) => {
      observer.see(event);
      clearTimeout(idle);
      idle = setTimeout(() => observer.flush(), idleMs);
      if (startsSession(event)) session.resolve();
      if (event.kind === "bugcheck") closing.abort();
    },
  });
  const polling =
    options.processesEveryMs === undefined
      ? undefined
      : pollProcesses(host, timeline, {
          everyMs: options.processesEveryMs,
          from: session.promise,
          signal: closing.signal,
        });
  const finish = async () => {
    const summary = await host.finished;
    clearTimeout(idle);
    observer.end();
    timeline.append("kd", "summary", { ...summary });
    transcript[Symbol.dispose]();
    closing.abort();
  };
  const finished = finish();
  return {
    finished,
    async [Symbol.asyncDispose]() {
      closing.abort();
      await polling;
      await host[Symbol.asyncDispose]();
      await finished;
    },
  };
}

/** win32k.sys comes with the first session: from then on there are processes to look for. */
function startsSession(event: KdEvent): boolean {
  return event.kind === "module" && !event.unload && /(^|[\\/])win32k\.sys$/i.test(event.path);
}

/** Tells the process list (`processes` {names}) whenever it has changed. */
async function pollProcesses(
  host: KdHost,
  timeline: Timeline,
  options: { readonly everyMs: number; readonly from: Promise<void>; readonly signal: AbortSignal },
): Promise<void> {
  const { everyMs, from, signal } = options;
  const over = new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    void host.finished.then(() => resolve());
  });
  await Promise.race([from, over]);
  let told = "";
  let waitMs = Math.min(firstPollMs, everyMs);
  while (!signal.aborted && host.state !== "over") {
    try {
      const names = await host.processes({
        signal: AbortSignal.any([signal, AbortSignal.timeout(breakInMs)]),
      });
      if (names.join() !== told) timeline.append("kd", "processes", { names });
      told = names.join();
    } catch (error) {
      // A kernel that does not stop in time, or stops for another reason, is asked again; a strange one never.
      if (error instanceof KdError && error.code === "KD_MISFIT") {
        timeline.append("kd", "misfit", { message: errorMessage(error) });
        return;
      }
    }
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([over, new Promise((resolve) => (timer = setTimeout(resolve, waitMs)))]);
    clearTimeout(timer);
    waitMs = Math.min(2 * waitMs, everyMs);
  }
}

/** Written line by line, so that whatever ends the run, what was told until then is kept; a full disk costs the file only. */
class TranscriptFile implements Disposable {
  #fd: number | undefined;

  constructor(file: string) {
    this.#fd = openSync(file, "w", 0o600);
  }

  write(line: string): void {
    if (this.#fd === undefined) return;
    try {
      writeSync(this.#fd, `${line}\n`);
    } catch {
      this[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

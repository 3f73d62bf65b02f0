import type { Duplex } from "node:stream";
import { answerPrompt, readDebugIo } from "./debug-io.ts";
import { KdError } from "./errors.ts";
import type { BugcheckEvent, KdEvent, KdSummary, LostEvent } from "./events.ts";
import { refuseFileIo } from "./file-io.ts";
import { readDebuggerData, readProcesses } from "./kernel-memory.ts";
import { KdLink } from "./link.ts";
import { PacketObserver } from "./packet-observer.ts";
import { PacketType, type DataPacket } from "./packet.ts";
import { QuietWatch } from "./quiet-watch.ts";
import { Requests } from "./requests.ts";
import type { Schedule } from "./sender.ts";
import { readStateChange } from "./state-change.ts";
import { StopHandler } from "./stop-handler.ts";
import type { StoppedKernel } from "./stopped-kernel.ts";
import { TextCollector } from "./text-collector.ts";
import type { KdVersion } from "./version.ts";

export interface KdHostOptions {
  /** Receives all that is seen, in order, at once. It must not take long: the kernel waits. */
  readonly onEvent?: ((event: KdEvent) => void) | undefined;
  /** `hold` leaves the kernel stopped at exceptions until `resume`; module loads are always continued. */
  readonly atStops?: "continue" | "hold" | undefined;
  /** What prompts, such as those of failed assertions, are answered with; "i" ignores an assertion. */
  readonly promptAnswer?: string | undefined;
  /**
   * After this long without a packet a kernel that had not come far is asked whether it still runs, once, by a break-in (without
   * this option, after half a minute). Without an answer, or when nothing follows, contact is lost; so it is when no packet
   * ever came. Without this option a quiet kernel is waited for as long as the line is open.
   */
  readonly quietMs?: number | undefined;
  /**
   * How long the first packet may take where that is another time: firmware and boot loader come before the kernel.
   * `Infinity` waits as long as the line is open.
   */
  readonly firstPacketMs?: number | undefined;
  /** With `quietMs`: a quiet kernel that answers a break-in is not lost, but asked again each time it was quiet for so long. */
  readonly patient?: boolean | undefined;
  /** How long a stopped kernel may take to answer a request. */
  readonly replyMs?: number | undefined;
  /** Ends the host and closes the line. */
  readonly signal?: AbortSignal | undefined;
}

/** A stream of bytes that looks like the beginning of a packet or line is given up after this long. */
const idleMs = 1000;
const breakInMs = 2000;
const defaultQuietMs = 30_000;

/**
 * The debugger on a kernel's serial line. It acknowledges in the stream's own data handler, answers everything that a
 * kernel would wait for, and lets it go on; what it sees it tells as events. It never sends a byte before the kernel's
 * first packet unless it is asked to break in: until then, firmware or a console may own the line.
 */
export class KdHost implements AsyncDisposable {
  /** Resolves when the line has closed, contact is lost or nothing more can be learnt; never rejects. */
  readonly finished: Promise<KdSummary>;
  readonly #stream: Duplex;
  readonly #options: KdHostOptions;
  readonly #link: KdLink;
  readonly #observer: PacketObserver;
  readonly #text: TextCollector;
  readonly #requests: Requests;
  readonly #stops: StopHandler;
  readonly #quiet: QuietWatch;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #finish = Promise.withResolvers<KdSummary>();
  readonly #abort = () => this.#close();
  #stopIdle: (() => void) | undefined;
  #stopBreakIn: (() => void) | undefined;
  #bugcheck: BugcheckEvent | undefined;
  #sessionStarted = false;
  #over = false;

  constructor(stream: Duplex, options: KdHostOptions = {}) {
    this.finished = this.#finish.promise;
    this.#stream = stream;
    this.#options = options;
    this.#observer = new PacketObserver((event) => this.#tell(event));
    this.#text = new TextCollector((text) => this.#tell({ kind: "text", text }));
    this.#link = new KdLink(
      {
        packet: (packet) => this.#packet(packet),
        text: (bytes) => this.#text.push(bytes),
        session: () => this.#session(),
      },
      { write: (bytes) => this.#write(bytes), schedule: this.#schedule },
    );
    this.#requests = new Requests(this.#link, this.#schedule, options.replyMs ?? 3000);
    this.#stops = new StopHandler({
      requests: this.#requests,
      hold: options.atStops === "hold",
      schedule: this.#schedule,
      observer: this.#observer,
      tell: (event) => this.#tell(event),
      reset: () => this.#link.reset(),
      lost: (reason, message) => this.#lose(reason, message),
      done: () => this.#end(),
    });
    this.#quiet = this.#watchQuiet(options.quietMs, options.firstPacketMs);
    stream.on("data", (chunk: Buffer) => this.#receive(chunk));
    stream.on("error", (error) => this.#lose("closed", `the line broke: ${error.message}`));
    stream.on("close", () => this.#lose("closed", "the line was closed"));
    stream.on("end", () => this.#lose("closed", "the other end closed the line"));
    if (options.signal?.aborted) this.#close();
    else options.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** `waiting` until the first packet, `over` once `finished` has resolved. */
  get state(): "waiting" | "running" | "stopped" | "over" {
    if (this.#over) return "over";
    if (this.#stops.kernel !== undefined) return "stopped";
    return this.#link.counts.packets === 0 ? "waiting" : "running";
  }

  get summary(): KdSummary {
    return this.#observer.summary(this.#link.counts);
  }

  /** What the kernel said of itself at its first stop. */
  get version(): KdVersion | undefined {
    return this.#stops.version;
  }

  /** The last bugcheck, by print or by memory. */
  get bugcheck(): BugcheckEvent | undefined {
    return this.#bugcheck;
  }

  /**
   * Stops the kernel and keeps it so until `resume`. The byte is sent again every other second; every third time a RESET goes
   * with it, for a kernel that stands at a stop which another debugger had left. Keep it short: a stopped guest loses time.
   *
   * @throws {KdError} KD_CLOSED when contact is lost first; or the reason of `signal`
   */
  async breakIn(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<StoppedKernel> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.#over) throw lineClosed();
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = () => reject(signal?.reason as Error);
    signal?.addEventListener("abort", abort, { once: true });
    const held = this.#stops.holdNext();
    this.#askToStop(0);
    try {
      return await Promise.race([held, aborted]);
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#stopBreakIn?.();
      if (signal?.aborted) this.#stops.holdNone();
    }
  }

  /** Lets a kernel that is held go on. */
  async resume(): Promise<void> {
    this.#quiet.heard();
    await this.#stops.resume();
  }

  /**
   * The names of the processes that run, read in a stop as short as the line allows.
   *
   * @throws {KdError} KD_MISFIT where the process list does not have the form known here; what `breakIn` and the
   *   methods of `StoppedKernel` throw; or the reason of `signal`
   */
  async processes(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<readonly string[]> {
    await this.breakIn(options);
    try {
      const names = await this.#stops.whileHeld(async (kernel, version) => {
        const data = await readDebuggerData(kernel, version);
        if (data === undefined)
          throw new KdError(
            "KD_MISFIT",
            "the kernel's debugger data is not where its version says, or encoded",
          );
        return readProcesses(kernel, version, data);
      });
      if (names === undefined) throw lineClosed();
      return names;
    } finally {
      await this.resume();
    }
  }

  /** Tells the modules and processes of the kernel's own lists, while it is held. */
  async tellLists(): Promise<void> {
    await this.#stops.tellLists();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    await this.finished;
  }

  #receive(chunk: Buffer): void {
    if (this.#over) return;
    this.#link.receive(chunk);
    this.#stopIdle?.();
    if (this.#link.holding || this.#text.holding)
      this.#stopIdle = this.#schedule(idleMs, () => {
        this.#link.flush();
        this.#text.flush();
      });
  }

  #packet(packet: DataPacket): void {
    this.#text.flush();
    if (packet.type === PacketType.StateManipulate) return this.#requests.receive(packet.body);
    const change = packet.type === PacketType.StateChange64 ? readStateChange(packet.body) : undefined;
    if (change === undefined) {
      this.#quiet.heard();
      this.#observer.packet(packet);
      this.#stops.said(packet);
      return this.#answer(packet);
    }
    if (this.#quiet.probing && change.kind === "exception") this.#quiet.answered();
    else this.#quiet.heard();
    if (change.kind === "module" && /(^|[\\/])win32k\.sys$/i.test(change.path)) this.#sessionStarted = true;
    return this.#stops.stopped(packet.body, change);
  }

  /** Some messages keep the kernel waiting until they are answered. */
  #answer({ type, body }: DataPacket): void {
    if (type === PacketType.FileIo && body.length >= 64) this.#link.send(type, refuseFileIo(body));
    const prompt = type === PacketType.DebugIo ? readDebugIo(body) : undefined;
    if (prompt?.kind === "prompt")
      this.#link.send(type, answerPrompt(prompt, this.#options.promptAnswer ?? "i"));
  }

  #session(): void {
    this.#text.flush();
    this.#sessionStarted = false;
    this.#observer.session();
    this.#stops.session();
  }

  #askToStop(count: number): void {
    this.#stopBreakIn?.();
    if (this.#over) return;
    if (this.#stops.kernel === undefined) {
      if (count % 3 === 2) this.#link.reset();
      this.#link.breakIn();
    }
    this.#stopBreakIn = this.#schedule(breakInMs, () => this.#askToStop(count + 1));
  }

  #watchQuiet(limit: number | undefined, first: number | undefined): QuietWatch {
    const quietMs = limit ?? defaultQuietMs;
    const firstMs = first ?? quietMs;
    const seconds = `${quietMs / 1000} s`;
    const lose = (reason: LostEvent["reason"], message: string) => {
      if (limit !== undefined && this.#stops.kernel === undefined) this.#lose(reason, message);
    };
    return new QuietWatch(
      this.#schedule,
      { quietMs, firstMs },
      {
        neverSpoke: () => lose("never-spoke", `the kernel has not sent one packet in ${firstMs / 1000} s`),
        probe: () => this.#probe(limit !== undefined),
        silent: (answered) => {
          if (answered && this.#options.patient) return this.#quiet.heard();
          return lose(
            "silent",
            answered
              ? `the kernel runs, but has said nothing for twice ${seconds}`
              : `the kernel has said nothing for ${seconds} and does not stop when asked to`,
          );
        },
      },
    );
  }

  /** A kernel that came as far as its session is at work or waits for somebody, and is left alone. */
  #probe(limited: boolean): void {
    if (this.#stops.kernel !== undefined) return;
    if (!this.#sessionStarted) this.#link.breakIn();
    else if (this.#options.patient) this.#quiet.heard();
    else if (limited) this.#end();
  }

  #lose(reason: LostEvent["reason"], message: string): void {
    if (this.#over) return;
    this.#link.flush();
    this.#text.flush();
    this.#tell({ kind: "lost", reason, message });
    this.#end();
  }

  /** Nothing more is to be learnt: the line is left as it is, and what still comes is not looked at. */
  #end(): void {
    if (this.#over) return;
    this.#over = true;
    const why = lineClosed();
    this.#requests.abandon(why);
    this.#stops.close(why);
    this.#quiet.stop();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#finish.resolve(this.summary);
  }

  #close(): void {
    this.#end();
    this.#stream.destroy();
  }

  #tell(event: KdEvent): void {
    if (event.kind === "bugcheck") {
      this.#bugcheck = event;
      this.#stops.bugcheckSeen(event);
    }
    this.#options.onEvent?.(event);
  }

  #write(bytes: Buffer): void {
    if (this.#stream.writable) this.#stream.write(bytes);
  }

  readonly #schedule: Schedule = (milliseconds, call) => {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      call();
    }, milliseconds);
    this.#timers.add(timer);
    return () => {
      clearTimeout(timer);
      this.#timers.delete(timer);
    };
  };
}

function lineClosed(): KdError {
  return new KdError("KD_CLOSED", "the debugger's line was closed");
}

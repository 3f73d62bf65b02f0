import { KdError } from "./errors.ts";
import { hex, type BugcheckEvent, type KdEvent, type LostEvent } from "./events.ts";
import { ManipulateApi } from "./manipulate.ts";
import type { PacketObserver } from "./packet-observer.ts";
import { PacketType, type DataPacket } from "./packet.ts";
import type { Requests } from "./requests.ts";
import type { Schedule } from "./sender.ts";
import type { ExceptionChange, StateChange } from "./state-change.ts";
import { StopInspector } from "./stop-inspector.ts";
import { StoppedKernel } from "./stopped-kernel.ts";
import type { KdVersion } from "./version.ts";

export interface StopHandlerOptions {
  readonly requests: Requests;
  readonly hold: boolean;
  readonly schedule: Schedule;
  readonly observer: PacketObserver;
  readonly tell: (event: KdEvent) => void;
  /** Begins anew with a stopped kernel, which then sends its stop again. */
  readonly reset: () => void;
  readonly lost: (reason: LostEvent["reason"], message: string) => void;
  /** All there is to learn has been learnt. */
  readonly done: () => void;
}

/** Stops at one place, with nothing in between, after which it is clear that continuing does not help. */
const stuckAfter = 3;
const resetTries = 3;
const resetMs = 3000;
/** The kind of system in a version's major number that boot managers and loaders have. */
const bootDebugger = 4;

/** Decides at each stop of the kernel what is read, whether it goes on, and when that makes no sense any more. */
export class StopHandler {
  readonly #options: StopHandlerOptions;
  readonly #inspector: StopInspector;
  #version: KdVersion | undefined;
  #kernel: StoppedKernel | undefined;
  #body: Buffer | undefined;
  #wanted: PromiseWithResolvers<StoppedKernel> | undefined;
  #held = false;
  #resets = 0;
  #stopResetTimer: (() => void) | undefined;
  #bugcheck: BugcheckEvent | undefined;
  #bugcheckContinued = false;
  #stuck: { readonly place: bigint; times: number } | undefined;

  constructor(options: StopHandlerOptions) {
    this.#options = options;
    this.#inspector = new StopInspector(options.tell);
  }

  get version(): KdVersion | undefined {
    return this.#version;
  }

  /** The kernel while it is stopped. */
  get kernel(): StoppedKernel | undefined {
    return this.#kernel;
  }

  /** The next exception's stop, or the present one, is kept until `resume`. */
  async holdNext(): Promise<StoppedKernel> {
    if (this.#held && this.#kernel !== undefined) return this.#kernel;
    this.#wanted ??= Promise.withResolvers();
    this.#wanted.promise.catch(() => {});
    return this.#wanted.promise;
  }

  async resume(): Promise<void> {
    const kernel = this.#kernel;
    if (!this.#held || kernel === undefined) return;
    this.#held = false;
    await this.#continue(kernel);
  }

  async tellLists(): Promise<void> {
    await this.whileHeld(async (kernel, version) => this.#inspector.lists(kernel, version));
  }

  /** Does its work at the stop that is held, and anew where the kernel sends that stop again meanwhile. */
  async whileHeld<T>(
    work: (kernel: StoppedKernel, version: KdVersion) => Promise<T>,
  ): Promise<T | undefined> {
    for (let left = resetTries; this.#kernel !== undefined && this.#version !== undefined; left--) {
      const kernel = this.#kernel;
      try {
        return await work(kernel, this.#version);
      } catch (error) {
        const sentAgain = this.#held && this.#kernel !== kernel && left > 0;
        if (!(error instanceof KdError) || error.code !== "KD_RESET" || !sentAgain) throw error;
      }
    }
    return undefined;
  }

  /** Whoever waited for a stop does not any more. */
  holdNone(): void {
    this.#wanted = undefined;
  }

  bugcheckSeen(event: BugcheckEvent): void {
    this.#bugcheck = event;
  }

  /** A packet has come that is no stop known here; one that may be a stop all the same is continued blindly. */
  said({ type, body }: DataPacket): void {
    this.#stuck = undefined;
    if (this.#kernel === undefined) this.#body = undefined;
    if (type !== PacketType.StateChange64 || body.length < 8) return;
    const processor = { processorLevel: body.readUInt16LE(4), processor: body.readUInt16LE(6) };
    const parameters = Buffer.of(0x02, 0x00, 0x01, 0x00);
    void this.#options.requests.tell({ ...processor, api: ManipulateApi.Continue, parameters });
  }

  /** A kernel has started; what was known of the one before does not hold for it. */
  session(): void {
    this.#leave(new KdError("KD_RESET", "the kernel began anew"));
    this.#body = undefined;
    this.#version = undefined;
    this.#bugcheck = undefined;
    this.#bugcheckContinued = false;
    this.#stuck = undefined;
    this.#resets = 0;
  }

  close(why: KdError): void {
    this.#leave(why);
    this.#wanted?.reject(why);
    this.#wanted = undefined;
  }

  /**
   * A state change has come. The one at which the kernel still stands comes again after a RESET, or after a break-in
   * when our Continue was lost although it was acknowledged; no kernel loads one module twice in a row.
   */
  stopped(body: Buffer, change: StateChange): void {
    const standing = this.#kernel !== undefined || change.kind === "module";
    const again = standing && this.#body?.equals(body) === true;
    const held = again && this.#held;
    this.#leave(new KdError("KD_RESET", "the kernel sent its stop again"));
    this.#body = body;
    this.#kernel = new StoppedKernel(this.#options.requests, change);
    if (change.kind === "module") {
      this.#stuck = undefined;
      if (!again) this.#options.observer.module(change);
    }
    if (change.kind === "command" && !again)
      this.#options.tell({ kind: "command", name: change.name, command: change.command });
    // A second break-in that crossed with the stop brings the stop again: whoever holds it still does.
    this.#held = held;
    if (!held) void this.#serve(this.#kernel, again);
  }

  async #serve(kernel: StoppedKernel, again: boolean): Promise<void> {
    try {
      this.#version ??= await this.#askVersion(kernel);
      const { change } = kernel;
      const keep = change.kind === "exception" && (await this.#atException(kernel, change, again));
      if (keep) this.#keep(kernel);
      else await this.#continue(kernel);
    } catch (error) {
      if (!(error instanceof KdError)) throw error;
      // A stop that came anew is served by itself; one without answers has to be begun anew.
      if (this.#kernel === kernel && error.code === "KD_NO_REPLY") this.#reset();
      else if (this.#kernel === kernel && error.code === "KD_REFUSED") await this.#continue(kernel);
    }
  }

  async #askVersion(kernel: StoppedKernel): Promise<KdVersion> {
    const version = await kernel.version();
    this.#options.tell({
      kind: "version",
      build: version.build,
      checked: (version.major & 0xff) === 0x0c,
      system: version.major >>> 8 === bootDebugger ? "boot" : "kernel",
      machine: hex(version.machine, 4),
      ...(version.architecture === undefined ? {} : { architecture: version.architecture }),
      protocol: version.protocol,
      kernelBase: hex(version.kernelBase, 16),
      moduleList: hex(version.moduleList, 16),
    });
    return version;
  }

  /** Returns whether the kernel stays stopped. */
  async #atException(kernel: StoppedKernel, change: ExceptionChange, again: boolean): Promise<boolean> {
    const version = (this.#version ??= await this.#askVersion(kernel));
    const reason = await this.#inspector.reason(kernel, change, version);
    if (!again) this.#options.observer.stop(change, reason);
    if (this.#wanted !== undefined) return true;
    const fatal = reason === "bugcheck" || reason === "bugcheck-again" || reason === "fatal";
    if (fatal || this.#bugcheck !== undefined) return this.#atBugcheck(kernel, version);
    if (this.#options.hold) return true;
    return this.#isStuck(change);
  }

  /** Continued once, so that the guest can draw its blue screen and write its dump; a second stop tells nothing new. */
  async #atBugcheck(kernel: StoppedKernel, version: KdVersion): Promise<boolean> {
    if (!this.#bugcheckContinued) {
      const bugcheck = await this.#inspector.bugcheck(kernel, version);
      if (bugcheck !== undefined && !isSame(bugcheck, this.#bugcheck)) this.#options.tell(bugcheck);
      await this.#inspector.lists(kernel, version);
    }
    if (this.#options.hold) return true;
    if (this.#bugcheckContinued) {
      this.#options.done();
      return true;
    }
    this.#bugcheckContinued = true;
    return false;
  }

  #isStuck(change: ExceptionChange): boolean {
    if (this.#stuck?.place === change.programCounter) this.#stuck.times++;
    else this.#stuck = { place: change.programCounter, times: 1 };
    if (this.#stuck.times <= stuckAfter) return false;
    this.#options.lost("stuck", `the kernel stops at ${hex(change.programCounter, 16)} again and again`);
    return true;
  }

  #keep(kernel: StoppedKernel): void {
    if (this.#kernel !== kernel) return;
    this.#held = true;
    this.#wanted?.resolve(kernel);
    this.#wanted = undefined;
  }

  async #continue(kernel: StoppedKernel): Promise<void> {
    if (this.#kernel !== kernel) return;
    await this.#inspector.continue(kernel, this.#version);
    if (this.#kernel === kernel) this.#kernel = undefined;
    this.#resets = 0;
  }

  #leave(why: KdError): void {
    this.#stopResetTimer?.();
    this.#kernel?.end(why);
    this.#options.requests.abandon(why);
    this.#kernel = undefined;
    this.#held = false;
  }

  #reset(): void {
    if (this.#resets >= resetTries) {
      this.#options.lost("gave-up", "the kernel is stopped and does not answer any more");
      return;
    }
    this.#resets++;
    this.#stopResetTimer = this.#options.schedule(resetMs, () => this.#reset());
    this.#options.reset();
  }
}

/** What memory says is told only where the print did not say the same. */
function isSame(one: BugcheckEvent, other: BugcheckEvent | undefined): boolean {
  return one.code === other?.code && one.parameters.join() === other.parameters.join();
}

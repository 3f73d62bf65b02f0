import type { Schedule } from "./sender.ts";

export interface QuietActions {
  /** Nothing came since the beginning. */
  neverSpoke(): void;
  /** The kernel has gone quiet; a break-in tells whether it still runs. */
  probe(): void;
  /** It was quiet, answered a break-in or not, and said nothing more. */
  silent(answered: boolean): void;
}

/** How long a break-in is waited for at most; a running kernel looks for one at each tick of its clock. */
const probeMs = 5000;

/** Tells apart a kernel that never speaks, one that has died and one that runs but does nothing any more. */
export class QuietWatch {
  readonly #schedule: Schedule;
  readonly #quietMs: number;
  readonly #actions: QuietActions;
  #stopTimer: () => void = () => {};
  #probed = false;
  #answered = false;

  /** `firstMs` is how long the kernel's first word may take; what comes before a kernel takes its own time. */
  constructor(
    schedule: Schedule,
    times: { readonly quietMs: number; readonly firstMs: number },
    actions: QuietActions,
  ) {
    this.#schedule = schedule;
    this.#quietMs = times.quietMs;
    this.#actions = actions;
    this.#wait(times.firstMs, () => this.#actions.neverSpoke());
  }

  /** Whether the next stop is the answer to the probe. */
  get probing(): boolean {
    return this.#probed && !this.#answered;
  }

  /** The kernel has said something of its own accord. */
  heard(): void {
    this.#probed = false;
    this.#answered = false;
    this.#waitForQuiet();
  }

  /** The kernel has stopped because it was asked to. */
  answered(): void {
    this.#answered = true;
    this.#waitForQuiet();
  }

  stop(): void {
    this.#stopTimer();
  }

  #waitForQuiet(): void {
    this.#wait(this.#quietMs, () => {
      if (this.#probed) return this.#actions.silent(this.#answered);
      this.#probed = true;
      this.#wait(Math.min(probeMs, this.#quietMs), () => this.#actions.silent(false));
      return this.#actions.probe();
    });
  }

  #wait(milliseconds: number, call: () => void): void {
    this.#stopTimer();
    this.#stopTimer = Number.isFinite(milliseconds) ? this.#schedule(milliseconds, call) : () => {};
  }
}

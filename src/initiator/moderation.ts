/** A read that brings less than this share of all that is outstanding came early. */
const share = 1 / 4;
/** A rest pays where reads after one bring so many times what they bring without. */
const gain = 1.5;
/** One in so many early reads does the other thing, to see whether that has become better. */
const probeEvery = 32;
/** Milliseconds. The system adds to it what it takes to sleep and wake up: a tenth of a millisecond in all. */
const restMs = 0.03;

/**
 * Lets answers gather, as the interrupt moderation of a network card does. A target that answers a deep queue one PDU at
 * a time wakes the event loop for each, and to wake, read and write costs more than the answer itself. So after an early
 * read, once commands have gone out, the loop sleeps for a moment before it looks again. It does so only as long as that
 * pays: where the loop has other work, answers gather by themselves.
 */
export class Moderation {
  readonly #rest: () => void;
  /** Bytes that a read brings after an early one, without and with a rest between them. */
  #plain: number | undefined;
  #rested: number | undefined;
  #before: "full" | "early" | "rest" = "full";
  #earlyReads = 0;

  constructor(rest: () => void = restSoon) {
    this.#rest = rest;
  }

  /** A read has brought `received` bytes of `outstanding` that were awaited. */
  delivered(received: number, outstanding: number): void {
    if (this.#before === "rest") this.#rested = averaged(this.#rested, received);
    else if (this.#before === "early") this.#plain = averaged(this.#plain, received);
    if (received >= outstanding * share) {
      this.#before = "full";
      return;
    }
    const pays = (this.#rested ?? 0) > (this.#plain ?? 0) * gain;
    const probes = ++this.#earlyReads % probeEvery === 0;
    this.#before = pays === probes ? "early" : "rest";
    if (this.#before === "rest") this.#rest();
  }
}

const averaged = (before: number | undefined, sample: number): number =>
  before === undefined ? sample : before + (sample - before) / 4;

const cell = new Int32Array(new SharedArrayBuffer(4));
let scheduled = false;

/** One rest for all sessions of a turn, when the turn has done its work. */
function restSoon(): void {
  if (scheduled) return;
  scheduled = true;
  setImmediate(() => {
    scheduled = false;
    Atomics.wait(cell, 0, 0, restMs);
  });
}

import type { Observation } from "./observation.ts";
import type { Timeline } from "./timeline.ts";

const intervalMs = 1000;
/** A quiet disk has at most this part of the commands of its busiest time; fewer in all say nothing. */
const quietPart = 1 / 20;
const leastCommands = 20;

/** Sums up reads and writes by time and tells when they have become few. */
export class SettledWatch {
  readonly #window: number;
  readonly #io: { readonly t: number; readonly commands: number }[] = [];
  #busiest = 0;

  /** `seconds` is how long the disk has to be quiet. */
  constructor(seconds: number) {
    this.#window = seconds;
  }

  /** Takes a sum of the wire's (`iscsi-io`); anything else is not looked at. */
  see({ t, source, kind, data }: Observation): void {
    if (source !== "wire" || kind !== "iscsi-io") return;
    const commands = Number(data["reads"]) + Number(data["writes"]);
    if (commands > 0) this.#io.push({ t, commands });
    this.#busiest = Math.max(this.#busiest, this.#within(t));
  }

  /** How many commands came in the last window and the busiest one, if by `now` the disk has settled. */
  settled(now: number): { readonly commands: number; readonly busiest: number } | undefined {
    const first = this.#io[0]?.t;
    if (first === undefined || now - first < this.#window || this.#busiest < leastCommands) return undefined;
    const commands = this.#within(now);
    return commands <= this.#busiest * quietPart ? { commands, busiest: this.#busiest } : undefined;
  }

  #within(until: number): number {
    const from = until - this.#window;
    return this.#io.reduce((sum, one) => (one.t > from && one.t <= until ? sum + one.commands : sum), 0);
  }
}

/** Appends `probe` `settled` {seconds, commands, busiest} once, when the guest's disk has grown quiet from now on. */
export function watchSettled(timeline: Timeline, seconds: number): Disposable {
  const watch = new SettledWatch(seconds);
  const from = timeline.now();
  const following = timeline.follow((one) => {
    if (one.t >= from) watch.see(one);
  });
  const timer = setInterval(() => {
    const settled = watch.settled(timeline.now());
    if (settled === undefined) return;
    clearInterval(timer);
    timeline.append("probe", "settled", { seconds, ...settled });
  }, intervalMs);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      following[Symbol.dispose]();
    },
  };
}

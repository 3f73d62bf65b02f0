import type { WireReport } from "./wire-report.ts";

const PERIOD = 1;
const MACS_LIMIT = 256;
const LABELS_LIMIT = 64;

interface Activity {
  first: number;
  last: number;
  frames: number;
  bytes: number;
  readonly by: Map<string, number>;
}

/**
 * Tells, a second at a time, which MAC addresses sent how many frames of what. The labels are protocols, and
 * connections by number, so that "nothing but the end of connection 1 since then" can be read from the sums.
 */
export class MacActivity {
  readonly #report: WireReport;
  readonly #open = new Map<string, Activity>();

  constructor(report: WireReport) {
    this.#report = report;
  }

  /** `key` is the address in six characters, told as text only once a sum is due. */
  count(key: string, label: string, bytes: number, time: number): void {
    const known = this.#open.get(key);
    if (known !== undefined && time - known.first >= PERIOD) this.#close(key, known);
    const activity = this.#open.get(key) ?? this.#start(key, time);
    activity.last = time;
    activity.frames++;
    activity.bytes += bytes;
    const name = activity.by.size < LABELS_LIMIT || activity.by.has(label) ? label : "other";
    activity.by.set(name, (activity.by.get(name) ?? 0) + 1);
  }

  /** Tells the sums that are older than a second, or all of them. */
  flush(time: number, force: boolean): void {
    for (const [key, activity] of this.#open) {
      if (force || time - activity.first >= PERIOD) this.#close(key, activity);
    }
  }

  #start(key: string, time: number): Activity {
    for (const [oldest, activity] of this.#open) {
      if (this.#open.size < MACS_LIMIT) break;
      this.#close(oldest, activity);
    }
    const activity = { first: time, last: time, frames: 0, bytes: 0, by: new Map<string, number>() };
    this.#open.set(key, activity);
    return activity;
  }

  #close(key: string, { first, last, frames, bytes, by }: Activity): void {
    this.#open.delete(key);
    const mac = Buffer.from(key, "latin1")
      .toString("hex")
      .replaceAll(/..(?=.)/g, "$&:");
    const seconds = Number((last - first).toFixed(6));
    this.#report("mac-activity", { mac, frames, bytes, seconds, by: Object.fromEntries(by) }, last);
  }
}

import type { SentPdu } from "./retained-status.ts";
import type { ScsiTask } from "./scsi-task.ts";

interface Kept {
  readonly dataSn: number;
  readonly sent: SentPdu;
}

/** What a PDU costs beside its data. */
const overhead = 256;

/**
 * Data-In PDUs of one session that may have to be sent again (RFC 7143, section 11.16). Their data is kept by
 * reference, up to a number of bytes; then that of the oldest task is let go.
 */
export class RetainedData {
  readonly #limit: number;
  readonly #kept = new Map<ScsiTask, Kept[]>();
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  keep(task: ScsiTask, dataSn: number, sent: SentPdu): void {
    const list = this.#kept.get(task);
    if (list === undefined) this.#kept.set(task, [{ dataSn, sent }]);
    else list.push({ dataSn, sent });
    this.#bytes += cost(sent);
    for (const [oldest, entries] of this.#kept) {
      while (this.#bytes > this.#limit && entries.length > 0) this.#release(entries.shift());
      if (this.#bytes <= this.#limit) break;
      this.#kept.delete(oldest);
    }
  }

  /** PDUs from `begin` on, `count` of them or all; undefined where one of them is gone. */
  run(task: ScsiTask, begin: number, count: number, sentPdus: number): readonly SentPdu[] | undefined {
    const end = count === 0 ? sentPdus : begin + count;
    const run = (this.#kept.get(task) ?? [])
      .filter(({ dataSn }) => dataSn >= begin && dataSn < end)
      .map(({ sent }) => sent);
    return run.length === end - begin ? run : undefined;
  }

  /** The initiator has everything below `dataSn`. */
  acknowledge(task: ScsiTask, dataSn: number): void {
    const list = this.#kept.get(task) ?? [];
    while (list[0] !== undefined && list[0].dataSn < dataSn) this.#release(list.shift());
  }

  /** Nothing of a task will be asked for any more, or it is sent anew. */
  forget(task: ScsiTask): void {
    for (const kept of this.#kept.get(task) ?? []) this.#release(kept);
    this.#kept.delete(task);
  }

  #release(kept: Kept | undefined): void {
    if (kept === undefined) return;
    this.#bytes -= cost(kept.sent);
    kept.sent.data = undefined;
    kept.sent.gone = true;
  }
}

const cost = ({ data }: SentPdu) => overhead + (data?.length ?? 0);

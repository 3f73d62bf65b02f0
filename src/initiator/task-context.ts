import type { Report } from "#core";
import type { OperationalValues } from "ts-iscsi-pdu";

/** What a task needs to know of its session; the same for all tasks, replaced when the session is made anew. */
export interface TaskContext {
  readonly values: OperationalValues;
  readonly report: Report | undefined;
  readonly deviations: Deviations;
}

export interface Deviation {
  /** Section of RFC 7143. */
  readonly section: string;
  readonly field: string;
  readonly got: number | string;
  readonly expected: number | string;
}

/**
 * Breaches by the target that endanger no data and are common in the field: they are reported as "deviation", each
 * kind once a session, and the session goes on.
 */
export class Deviations {
  readonly #report: Report | undefined;
  readonly #seen = new Set<string>();

  constructor(report: Report | undefined) {
    this.#report = report;
  }

  note(deviation: Deviation): void {
    const kind = `${deviation.section} ${deviation.field}`;
    if (this.#seen.has(kind)) return;
    this.#seen.add(kind);
    this.#report?.("deviation", { ...deviation });
  }
}

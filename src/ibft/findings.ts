import type { Finding, Severity } from "./model.ts";

/** Collects findings in the order of their discovery. */
export class Findings {
  readonly #list: Finding[] = [];

  get all(): readonly Finding[] {
    return this.#list;
  }

  add(rule: string, severity: Severity, at: Place, message: string, advice: string): void {
    this.#list.push({ rule, severity, offset: at.offset, field: at.field, message, advice });
  }
}

/** What a finding is about. */
export interface Place {
  readonly offset: number;
  readonly field: string;
}

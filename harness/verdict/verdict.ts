import type { PhaseId } from "./phases.ts";

export type Confidence = "certain" | "likely" | "guess";

/** Something seen that supports the verdict. */
export interface Evidence {
  /** Seconds since the machine started. */
  readonly t: number;
  readonly source: string;
  readonly text: string;
}

/** Version of `verdict.json`; raised when the meaning of its fields changes. */
export const VERDICT_FORMAT = 1;

/** What the evidence says about a boot: how far it came, and why no further. */
export interface Verdict {
  readonly formatVersion: typeof VERDICT_FORMAT;
  /** `inconclusive`: nothing seen decides it; `lab-error`: the lab failed, so nothing is said about the guest. */
  readonly outcome: "pass" | "fail" | "lab-error" | "inconclusive";
  /** The highest phase with positive evidence; null when nothing at all was seen. */
  readonly reached: PhaseId | null;
  /** The failure class; null where nothing is wrong or nothing is known. */
  readonly class: string | null;
  readonly confidence: Confidence;
  /** One sentence. */
  readonly summary: string;
  /** Seconds since the machine's start at which each phase was first evidenced. */
  readonly timings: Readonly<Partial<Record<PhaseId, number>>>;
  /** The iBFT that the firmware wrote, secrets redacted; null when none was found. */
  readonly ibft: Readonly<Record<string, unknown>> | null;
  readonly advice: string;
  readonly evidence: readonly Evidence[];
}

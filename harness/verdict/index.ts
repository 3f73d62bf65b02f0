/**
 * How far a boot came and why it went no further: pure functions of the timeline. No clock, no file, no machine: the
 * same timeline gives the same verdict, today or in a year.
 */
export { phaseIds, phaseOrder, phases, type PhaseId } from "./phases.ts";
export type { Confidence, Evidence, Verdict } from "./verdict.ts";
export { judge } from "./judge.ts";
export { gatherFacts, type BootFacts, type RunEnd } from "./boot-facts.ts";
export { compileMarkers, type PlanFacts } from "./plan-facts.ts";

/**
 * From what somebody wants to boot to a verdict: the scenario file and its checks, the plan that it becomes on this
 * machine, and the runner that carries the plan out in a run folder.
 *
 * Used by the command line. What a guest is and how its boot looks is data of vm-images; what a boot's evidence means
 * is the verdict's business.
 */
export { loadScenario, parseScenario, scenarioFrom } from "./load.ts";
export { nicModels, type Scenario, type ScenarioSource } from "./schema.ts";
export { planRun, whyNoWires, type HostFacts, type RunPlan } from "./plan.ts";
export { runPlan, type RunOptions, type RunResult } from "./run.ts";
export { judgeFolder, type Judgement } from "./conclude.ts";

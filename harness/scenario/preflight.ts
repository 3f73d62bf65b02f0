import type { Timeline } from "#harness/observe";
import type { RunPlan } from "./plan.ts";
import type { Portal } from "./start-target.ts";

export async function checkTarget(
  _plan: RunPlan,
  _portal: Portal,
  _timeline: Timeline,
  _signal: AbortSignal,
): Promise<void> {}

import type { Lab } from "#harness/lab";
import type { Timeline } from "#harness/observe";
import type { RunPlan } from "./plan.ts";
import { startTgt } from "./tgt-target.ts";

/** Where the target listens, as this process reaches it. */
export interface Portal {
  readonly host: string;
  readonly port: number;
}

/** Starts the target that the plan names, in the lab's keeping. */
export async function startTarget(plan: RunPlan, lab: Lab, _timeline: Timeline): Promise<Portal> {
  const { host, port } = plan.target;
  await startTgt(plan, lab, host, port);
  return { host, port };
}

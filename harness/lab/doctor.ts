import { systemChecks } from "./doctor-system.ts";
import { networkChecks } from "./doctor-network.ts";
import { qemuChecks } from "./doctor-qemu.ts";
import { toolChecks } from "./doctor-tools.ts";

/** `fail`: nothing boots without it; `warn`: something is slower or not to be had. */
export type CheckStatus = "ok" | "warn" | "fail";

/** One thing that a lab needs or can use, and how this machine has it. */
export interface Check {
  readonly name: string;
  readonly status: CheckStatus;
  /** What was found, or what cannot be done without it. */
  readonly detail: string;
  /** What to do, mostly a command. Not there where all is well. */
  readonly cure?: string;
}

/** Examines this machine by trying things out; changes nothing on it. */
export async function diagnoseMachine(
  options: { readonly signal?: AbortSignal } = {},
): Promise<readonly Check[]> {
  const groups = await Promise.all([
    systemChecks(),
    qemuChecks(options),
    networkChecks(options),
    toolChecks(),
  ]);
  options.signal?.throwIfAborted();
  return groups.flat();
}

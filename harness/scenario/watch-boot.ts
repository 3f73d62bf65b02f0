import { setTimeout as delay } from "node:timers/promises";
import { errorMessage, TimeoutError } from "#core";
import type { Lab } from "#harness/lab";
import { watchMemory, watchScreen, type Timeline, type WireWatch } from "#harness/observe";
import type { RunningMachine } from "#harness/qemu-launcher";
import { compileMarkers, phaseOrder, type PhaseId, type RunEnd } from "#harness/verdict";
import { pciOf } from "./emulated-table.ts";
import type { RunPlan } from "./plan.ts";
import { followPhases } from "./follow-phases.ts";
import { watchGuest, type Forward } from "./watch-guest.ts";

export interface Watching {
  readonly lab: Lab;
  readonly timeline: Timeline;
  readonly onPhase: ((phase: PhaseId, t: number) => void) | undefined;
  readonly forwards?: readonly Forward[];
}

/** What is on its way when the end is seen still belongs to the evidence. */
const settleMs = 300;

/**
 * Watches a machine until the boot has reached its goal, the guest gives up, QEMU ends or the time is over; then
 * gathers the last evidence and appends `run` `end` {reason}.
 */
export async function watchBoot(
  plan: RunPlan,
  machine: RunningMachine,
  captures: readonly WireWatch[],
  { lab, timeline, onPhase, forwards = [] }: Watching,
): Promise<void> {
  await using screen = watchScreen(machine, timeline);
  await using memory = watchMemory(machine, timeline, lab.path("ibft.bin"), { nics: nicsOf(plan) });
  const end = Promise.withResolvers<{ reason: RunEnd } & Record<string, unknown>>();
  const goal = phaseOrder(plan.scenario.expect.reach);
  await using guest = watchGuest(plan, machine, {
    lab,
    timeline,
    forwards,
    over: (marker) => end.resolve({ reason: "stopped", marker }),
  });
  using _phases = followPhases(timeline, (phase, t) => {
    onPhase?.(phase, t);
    guest.reached(phase);
    if (phaseOrder(phase) >= goal) end.resolve({ reason: "reached" });
  });
  using _markers = watchMarkers(plan, timeline, (marker) => {
    if (marker === "bootLoader" || marker === "kernelStarted") void memory.look().catch(() => {});
    if (marker === "stopped" || marker === "panic") end.resolve({ reason: "stopped", marker });
  });
  void machine.exited.then(({ code, signal, error }) =>
    end.resolve({
      reason: "machine-exit",
      code: code ?? null,
      signal: signal ?? null,
      ...(error && { message: error.message }),
    }),
  );
  const { reason, ...details } = await Promise.race([
    end.promise,
    timeIsUp(plan.timeoutMs, lab.signal),
    timeline.broken,
  ]);
  await delay(settleMs, undefined, { signal: lab.signal });
  for (const capture of captures) await capture.catchUp();
  if (reason !== "machine-exit") {
    await memory.look().catch(() => {});
    await machine.screenshot("screen.png").catch((error: unknown) => {
      timeline.append("run", "screenshot-failed", { message: errorMessage(error) });
    });
  }
  await screen[Symbol.asyncDispose]();
  await guest[Symbol.asyncDispose]();
  timeline.append("run", "end", { reason, ...details });
}

function nicsOf({ nics, scenario }: RunPlan) {
  return nics.map(({ mac, address }, index) => ({
    mac,
    ip: address,
    ...(scenario.firmware === "emulated" && { pci: pciOf(index) }),
  }));
}

async function timeIsUp(milliseconds: number, signal: AbortSignal): Promise<{ reason: RunEnd }> {
  await delay(milliseconds, undefined, { signal });
  return { reason: "timeout", message: new TimeoutError("the boot", milliseconds).message } as {
    reason: RunEnd;
  };
}

/** Calls `found` with the name of each of the guest's markers when a line of a serial port, or of the debugger, first fits. */
function watchMarkers(plan: RunPlan, timeline: Timeline, found: (marker: string) => void): Disposable {
  const waiting = new Map(compileMarkers(plan.guest.manifest.markers));
  return timeline.follow(({ source, kind, data }) => {
    if (!(source === "serial" && kind === "line") && !(source === "kd" && kind === "print")) return;
    for (const [name, pattern] of waiting) {
      if (!pattern.test(String(data["line"]))) continue;
      waiting.delete(name);
      found(name);
    }
  });
}

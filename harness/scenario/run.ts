import { Clock, errorMessage, SanlabError } from "#core";
import { Lab } from "#harness/lab";
import { createWire, type Wire } from "#harness/network";
import { machineReporter, Timeline, watchWire } from "#harness/observe";
import { launchMachine } from "#harness/qemu-launcher";
import type { PhaseId, RunEnd } from "#harness/verdict";
import { captureName, machineOf, type MachineParts } from "./boot-machine.ts";
import { bootScriptFolder } from "./boot-script.ts";
import { startNetboot } from "./boot-services.ts";
import { conclude, type Judgement } from "./conclude.ts";
import { startEmulatedFirmware } from "./emulated-firmware.ts";
import { fenceAtHandOver } from "./hand-over.ts";
import type { PlannedWire, RunPlan } from "./plan.ts";
import { checkTarget } from "./preflight.ts";
import { startTarget, type Portal } from "./start-target.ts";
import { watchBoot } from "./watch-boot.ts";
import { forwardsOf } from "./watch-guest.ts";

export interface RunOptions {
  readonly signal?: AbortSignal;
  /** Told of each phase when it is first evidenced, with seconds since the machine's start. */
  readonly onPhase?: (phase: PhaseId, t: number) => void;
  /** Told what the run is doing, for the wait until the machine's first sign of life. */
  readonly onStep?: (step: string) => void;
}

/** QEMU's rtl8139 has a receive ring of 8 KiB: four segments fit. */
const clampedSegments = 4;

export interface RunResult extends Judgement {
  /** What kept the run from its end: the lab failed, or somebody interrupted it. */
  readonly error?: unknown;
}

/**
 * Carries out a plan in its run folder, from the wires to the verdict, and takes everything down again. A run that the
 * lab failed has its verdict, too.
 *
 * @throws LabError only where not even the run folder can be used
 */
export async function runPlan(plan: RunPlan, options: RunOptions = {}): Promise<RunResult> {
  const clock = new Clock();
  await using lab = await Lab.adopt(
    plan.folder,
    options.signal === undefined ? {} : { signal: options.signal },
  );
  using timeline = new Timeline(lab.path("events.jsonl"), clock);
  timeline.append("run", "plan", {
    scenario: plan.scenario.name,
    reach: plan.scenario.expect.reach,
    macs: plan.nics.map((nic) => nic.mac),
    firmware: plan.scenario.firmware,
    uefi: plan.scenario.uefi,
    portal: { host: plan.target.host, port: plan.target.port },
    target: plan.target.iqn,
    markers: plan.guest.manifest.markers,
    serials: plan.guest.manifest.serials,
    login: plan.guest.manifest.login,
  });
  try {
    await lab.run(() => boot(plan, { lab, timeline, clock, options }));
  } catch (thrown) {
    const interrupted = options.signal?.aborted === true;
    // What stops because of a signal says so in words of its own; the signal's reason is the cause.
    const error: unknown = interrupted ? options.signal?.reason : thrown;
    timeline.append("run", "end", {
      reason: (interrupted ? "interrupted" : "lab-error") satisfies RunEnd,
      code: error instanceof SanlabError ? error.code : "INTERNAL",
      message: errorMessage(error),
    });
    return { ...(await conclude(timeline.observations, lab)), error };
  }
  return await conclude(timeline.observations, lab);
}

interface Run {
  readonly lab: Lab;
  readonly timeline: Timeline;
  readonly clock: Clock;
  readonly options: RunOptions;
}

/** Everything from the wires to the guest's last word. */
async function boot(plan: RunPlan, { lab, timeline, clock, options }: Run): Promise<void> {
  const { signal } = lab;
  options.onStep?.("lays the wires and starts the target");
  const wires = plan.network.kind === "private" ? await layWires(plan.network.wires, lab, timeline) : [];
  const portal = await startTarget(plan, lab, timeline);
  options.onStep?.("logs in to it once by itself");
  await checkTarget(plan, portal, timeline, signal);
  if (plan.network.kind === "private") lab.own(await startNetboot(plan, timeline, clock, signal));
  const parts = await bootFirmware(plan, portal, lab, timeline);
  const forwards = await forwardsOf(plan);
  const captures = [];
  for (const nic of plan.nics.keys()) {
    captures.push(lab.own(await watchWire(lab.path(captureName(nic)), nic, timeline, clock)));
  }
  options.onStep?.(`starts QEMU (${plan.accel.kind}: ${plan.accel.reason})`);
  const machine = lab.own(
    await launchMachine(machineOf(plan, { ...parts, forwards }), {
      runDir: lab.folder,
      tapFds: wires.flatMap((wire) => wire.tapFd ?? []),
      signal,
      report: machineReporter(timeline),
    }),
  );
  for (const wire of wires) wire.handOver();
  await parts.emulated?.started();
  await using _fence = parts.emulated && fenceAtHandOver(plan, parts.emulated, machine, { lab, timeline });
  await watchBoot(plan, machine, captures, { lab, timeline, onPhase: options.onPhase, forwards });
}

/** What takes the machine to its disk. iPXE comes with QEMU; on the user-mode network it needs a script. */
async function bootFirmware(
  plan: RunPlan,
  portal: Portal,
  lab: Lab,
  timeline: Timeline,
): Promise<MachineParts> {
  if (plan.scenario.firmware === "emulated") {
    return { emulated: await startEmulatedFirmware(plan, portal, lab, timeline) };
  }
  return plan.network.kind === "user" ? { userBoot: await bootScriptFolder(plan, portal, lab) } : {};
}

async function layWires(
  planned: readonly PlannedWire[],
  lab: Lab,
  timeline: Timeline,
): Promise<readonly Wire[]> {
  const wires: Wire[] = [];
  for (const { name, address, gateway, ipv6, clampCwnd } of planned) {
    const wire = await createWire({
      name,
      address,
      ...(gateway !== undefined && { also: [gateway] }),
      ipv6,
      ...(clampCwnd && { clampCwnd: clampedSegments }),
      // Offloads would put frames into the capture that never were on any wire: 64 KiB long, without checksums.
      vnetHeader: false,
      report: timeline.reporter("run"),
      signal: lab.signal,
    });
    wires.push(lab.own(wire));
  }
  return wires;
}

import { freePort, type Lab } from "#harness/lab";
import {
  probePorts,
  watchEms,
  watchKd,
  watchPicture,
  watchSettled,
  type ProbedPort,
  type Timeline,
} from "#harness/observe";
import type { RunningMachine } from "#harness/qemu-launcher";
import { phaseOrder, type PhaseId } from "#harness/verdict";
import type { RunPlan } from "./plan.ts";

export interface GuestWatch extends AsyncDisposable {
  /** Tells of a phase that the boot has reached: some signs are looked for only from a phase on. */
  reached(phase: PhaseId): void;
}

export interface GuestWatchOptions {
  readonly lab: Lab;
  readonly timeline: Timeline;
  readonly forwards: readonly Forward[];
  /** The guest's debugger or emergency console has told its end. */
  readonly over: (marker: "bugcheck" | "debugger-lost") => void;
}

/** A TCP port of the guest and where it is reached on QEMU's user-mode network. */
export interface Forward {
  readonly guestPort: number;
  readonly hostPort: number;
}

const processesEveryMs = 5000;
/** For the blue screen to be drawn and the crash's data to be read. */
const afterBugcheckMs = 5000;
const longestQuietMs = 120_000;
const shortestQuietMs = 5000;

/**
 * Watches those of a guest's signs that its manifest names: kernel debugger, emergency console, picture, disk, ports. What they
 * mean is the verdict's business.
 */
export function watchGuest(plan: RunPlan, machine: RunningMachine, options: GuestWatchOptions): GuestWatch {
  const { lab, timeline, forwards, over } = options;
  const { serials, login } = plan.guest.manifest;
  const signals = new Set(login.signals.flat());
  const watches: (Disposable | AsyncDisposable)[] = [];
  const from = new Map<PhaseId, () => Disposable | AsyncDisposable>();
  if (serials.includes("kd")) watches.push(debuggerOf(plan, machine, options));
  if (serials.includes("ems")) watches.push(watchEms(timeline));
  if (signals.has("screen")) watches.push(watchPicture(machine, timeline, login.quietSeconds));
  if (signals.has("settled")) from.set("P10", () => watchSettled(timeline, login.quietSeconds));
  if (signals.has("tcp")) from.set("P14", () => probePorts(portsOf(plan, forwards), timeline));
  const ending = endAfterBugcheck(timeline, () => over("bugcheck"), lab.signal);
  return {
    reached(phase) {
      for (const [first, start] of from) {
        if (phaseOrder(phase) < phaseOrder(first)) continue;
        from.delete(first);
        watches.push(start());
      }
    },
    async [Symbol.asyncDispose]() {
      ending[Symbol.dispose]();
      for (const watch of watches.splice(0)) {
        if (Symbol.asyncDispose in watch) await watch[Symbol.asyncDispose]();
        else watch[Symbol.dispose]();
      }
    },
  };
}

/** Free ports of this machine's loopback for those of the guest that are to be tried; none where it has wires. */
export async function forwardsOf({ network, guest }: RunPlan): Promise<readonly Forward[]> {
  const { login } = guest.manifest;
  if (network.kind !== "user" || !login.signals.flat().includes("tcp")) return [];
  return await Promise.all(login.tcp.map(async (guestPort) => ({ guestPort, hostPort: await freePort() })));
}

function portsOf(plan: RunPlan, forwards: readonly Forward[]): readonly ProbedPort[] {
  if (plan.network.kind === "user")
    return forwards.map(({ guestPort, hostPort }) => ({ port: guestPort, host: "127.0.0.1", hostPort }));
  const host = plan.nics[0]?.address ?? "";
  return plan.guest.manifest.login.tcp.map((port) => ({ port, host, hostPort: port }));
}

function debuggerOf(
  plan: RunPlan,
  machine: RunningMachine,
  { lab, timeline, over }: GuestWatchOptions,
): AsyncDisposable {
  const { login } = plan.guest.manifest;
  const kd = watchKd(machine.serial("kd").asDuplex(), timeline, {
    transcript: lab.path("kd.txt"),
    quietMs: Math.max(shortestQuietMs, Math.min(longestQuietMs, plan.timeoutMs / 4)),
    processesEveryMs: login.signals.flat().includes("processes") ? processesEveryMs : undefined,
  });
  void tellLoss(kd.finished, timeline, over);
  return kd;
}

/** A line that closes is QEMU's end, which the machine tells better. */
async function tellLoss(
  finished: Promise<void>,
  timeline: Timeline,
  over: GuestWatchOptions["over"],
): Promise<void> {
  await finished;
  const lost = timeline.observations.findLast(({ source, kind }) => source === "kd" && kind === "lost");
  if (lost !== undefined && lost.data["reason"] !== "closed") over("debugger-lost");
}

function endAfterBugcheck(timeline: Timeline, over: () => void, signal: AbortSignal): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const following = timeline.follow(({ source, kind }) => {
    const crashed = (source === "kd" && kind === "bugcheck") || (source === "ems" && kind === "stop-error");
    if (crashed && !signal.aborted) timer ??= setTimeout(over, afterBugcheckMs);
  });
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      following[Symbol.dispose]();
    },
  };
}

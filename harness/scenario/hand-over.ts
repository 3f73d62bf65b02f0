import { errorMessage } from "#core";
import type { Lab } from "#harness/lab";
import type { Observation, Timeline } from "#harness/observe";
import { unplugId, type RunningMachine } from "#harness/qemu-launcher";
import { compileMarkers } from "#harness/verdict";
import type { EmulatedFirmware } from "./emulated-firmware.ts";
import type { RunPlan } from "./plan.ts";

/** What tells that an operating system has taken the machine over from its firmware. */
type Sign = "kernel-started" | "login" | "first-frame";

/**
 * Waits for the hand-over and then takes the firmware's disk away, so that nothing may secretly live from it: its
 * commands fail from that moment on, the guest is asked to let go of it until it does, and the session ends. Tells
 * `firmware` `hand-over` {by}, `unplugged` {after} (seconds) or `unplug-failed` {message}.
 */
export function fenceAtHandOver(
  plan: RunPlan,
  firmware: EmulatedFirmware,
  machine: RunningMachine,
  { lab, timeline }: { readonly lab: Lab; readonly timeline: Timeline },
): AsyncDisposable {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, lab.signal]);
  const sign = signReader(plan);
  let work: Promise<void> | undefined;
  const handOver = async (by: Sign) => {
    const fenced = firmware.fence();
    timeline.append("firmware", "hand-over", { by });
    const since = timeline.now();
    await fenced;
    try {
      await machine.deviceDel(unplugId(firmware.disk), { signal });
      const after = Math.round((timeline.now() - since) * 1000) / 1000;
      timeline.append("firmware", "unplugged", { after });
    } catch (error) {
      // The fence holds all the same.
      if (!signal.aborted) timeline.append("firmware", "unplug-failed", { message: errorMessage(error) });
    }
    await firmware.logout();
  };
  const following = timeline.follow((observation) => {
    const by = work === undefined ? sign(observation) : undefined;
    if (by === undefined) return;
    // Within the call of the timeline: no command of the guest's that follows its sign can come before the fence.
    work = handOver(by).catch((error: unknown) => {
      if (!signal.aborted) timeline.append("firmware", "logout-failed", { message: errorMessage(error) });
    });
  });
  return {
    async [Symbol.asyncDispose]() {
      following[Symbol.dispose]();
      stop.abort(new Error("the boot is over"));
      await work;
    },
  };
}

/**
 * The emulated firmware never uses the machine's NICs, so their first frame is the operating system's; but OVMF has
 * drivers for some of them.
 */
function signReader(plan: RunPlan): (observation: Observation) => Sign | undefined {
  const started = compileMarkers(plan.guest.manifest.markers).get("kernelStarted");
  const macs = new Set(plan.nics.map(({ mac }) => mac));
  return ({ source, kind, data }) => {
    if (source === "serial" && kind === "line" && started?.test(String(data["line"])) === true)
      return "kernel-started";
    if (source !== "wire") return undefined;
    if (kind === "iscsi-login-request") return "login";
    if (!plan.scenario.uefi && kind === "frame-first" && macs.has(String(data["mac"]))) return "first-frame";
    return undefined;
  };
}

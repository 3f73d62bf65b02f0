import { constants } from "node:fs";
import { access } from "node:fs/promises";
import path from "node:path";
import { errorMessage, TimeoutError, type Report } from "#core";
import { launchMachine } from "./launch.ts";
import type { MachineSpec } from "./machine-spec.ts";
import { hostKey, probeFolder, probeImage, recall, remember } from "./probe-cache.ts";
import { probeMarker } from "./probe-guest.ts";

export interface AcceleratorChoice {
  readonly accel: "kvm" | "tcg";
  /** For `MachineSpec.cpu`: set where only this model worked. */
  readonly cpu?: string;
  /** One sentence for people. */
  readonly reason: string;
}

export interface ProbeOptions {
  /** Probe even if the answer for this boot of the host is known. */
  readonly fresh?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Told `accelerator-probe` {accel, cpu, seconds, outcome} for each try. */
  readonly report?: Report | undefined;
}

/** What a time-out must be multiplied by: a boot under TCG takes about five times as long as under KVM. */
export function timeScale(accel: AcceleratorChoice["accel"]): number {
  return accel === "kvm" ? 1 : 5;
}

const device = "/dev/kvm";
/** QEMU's model for hosts whose own features it cannot hand on. */
const plainCpu = "kvm64";
const tcgLimitMs = 60_000;
/** KVM that is worth having runs the probe in less time than TCG; the rest is for a busy host. */
const kvmLimitMs = (tcgMs: number) => 2000 + 2 * tcgMs;

/**
 * KVM if a guest under it really gets to work in 64-bit mode with paging, else TCG. The presence of `/dev/kvm` says
 * little: hosts exist where KVM runs firmware and never a kernel. The answer is kept until the host or QEMU changes.
 * Throws LabError when not even TCG runs.
 */
export async function probeAccelerator(options: ProbeOptions = {}): Promise<AcceleratorChoice> {
  const denied = await whyNotAccessible();
  if (denied !== undefined) return { accel: "tcg", reason: denied };
  const key = await hostKey();
  const known = options.fresh === true ? undefined : await recall(key);
  if (known !== undefined) return known;
  const choice = await probe(options);
  await remember(key, choice);
  return choice;
}

async function probe(options: ProbeOptions): Promise<AcceleratorChoice> {
  await using folder = await probeFolder();
  const { runDir } = folder;
  const tcg = await attempt({ accel: "tcg", runDir, limitMs: tcgLimitMs }, options);
  if (tcg.error !== undefined) throw tcg.error;
  let reason = "";
  for (const cpu of [undefined, plainCpu]) {
    const kvm = await attempt({ accel: "kvm", cpu, runDir, limitMs: kvmLimitMs(tcg.ms) }, options);
    options.signal?.throwIfAborted();
    if (kvm.error === undefined) {
      return {
        accel: "kvm",
        ...(cpu === undefined ? {} : { cpu }),
        reason: `KVM ran 64-bit paged code in ${seconds(kvm.ms)} (TCG: ${seconds(tcg.ms)})`,
      };
    }
    reason = errorMessage(kvm.error);
    // Another CPU model can help where QEMU refuses this one, not where the guest hangs.
    if (kvm.error instanceof TimeoutError) break;
  }
  return {
    accel: "tcg",
    reason: `KVM does not run 64-bit paged code here (TCG did in ${seconds(tcg.ms)}): ${reason}`,
  };
}

interface Attempt {
  readonly accel: AcceleratorChoice["accel"];
  readonly cpu?: string | undefined;
  readonly runDir: string;
  readonly limitMs: number;
}

async function attempt(
  { accel, cpu, runDir, limitMs }: Attempt,
  { signal, report }: ProbeOptions,
): Promise<{ readonly ms: number; readonly error?: unknown }> {
  const started = performance.now();
  const tell = (outcome: string) =>
    report?.("accelerator-probe", {
      accel,
      cpu: cpu ?? null,
      seconds: (performance.now() - started) / 1000,
      outcome,
    });
  try {
    await using machine = await launchMachine(probeSpec(accel, cpu, runDir), { runDir, signal });
    const died = machine.exited.then(({ error }) => {
      throw error ?? new Error("the probe guest powered off");
    });
    await Promise.race([machine.serial("probe").until(probeMarker, { timeoutMs: limitMs, signal }), died]);
    tell("ran");
    return { ms: performance.now() - started };
  } catch (error) {
    signal?.throwIfAborted();
    tell(errorMessage(error));
    return { ms: performance.now() - started, error };
  }
}

function probeSpec(accel: AcceleratorChoice["accel"], cpu: string | undefined, runDir: string): MachineSpec {
  return {
    name: `${accel}-probe`,
    machine: "pc",
    accel,
    ...(cpu === undefined ? {} : { cpu }),
    cpus: 1,
    memoryMiB: 32,
    firmware: "bios",
    nics: [],
    disks: [
      {
        id: "probe",
        controller: "virtio-blk",
        source: { kind: "file", path: path.join(runDir, probeImage) },
        readOnly: true,
        bootIndex: 0,
      },
    ],
    serials: [{ name: "probe", kind: "text" }],
    display: "none",
    noReboot: true,
  };
}

async function whyNotAccessible(): Promise<string | undefined> {
  try {
    await access(device, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    return missing
      ? `this machine has no ${device}`
      : `${device} may not be opened: add this user to the group kvm`;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

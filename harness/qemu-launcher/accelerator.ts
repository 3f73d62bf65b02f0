import { constants } from "node:fs";
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { errorMessage, TimeoutError, type Report } from "#core";
import { cacheDir } from "./cache-dir.ts";
import { launchMachine } from "./launch.ts";
import { findQemu } from "./locate.ts";
import type { MachineSpec } from "./machine-spec.ts";
import { probeDisk, probeMarker } from "./probe-guest.ts";

export interface AcceleratorChoice {
  readonly accel: "kvm" | "tcg";
  /** The CPU model that the probe ran with, for `MachineSpec.cpu`; undefined is QEMU's default. */
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
  for (const cpu of ["host", undefined]) {
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
        source: { kind: "file", path: path.join(runDir, imageName) },
        readOnly: true,
        bootIndex: 0,
      },
    ],
    serials: [{ name: "probe", kind: "text" }],
    display: "none",
    noReboot: true,
  };
}

const imageName = "probe.img";

/** A folder in the cache where one can be made, so that nothing gathers even if we are killed. */
async function probeFolder(): Promise<AsyncDisposable & { readonly runDir: string }> {
  const cached = path.join(cacheDir(), "accelerator-probe");
  const usable = await mkdir(cached, { recursive: true }).then(
    () =>
      access(cached, constants.W_OK).then(
        () => true,
        () => false,
      ),
    () => false,
  );
  const runDir = usable ? cached : await mkdtemp(path.join(tmpdir(), "sanlab-probe-"));
  await replaceFile(path.join(runDir, imageName), probeDisk());
  return {
    runDir,
    async [Symbol.asyncDispose]() {
      if (!usable) await rm(runDir, { recursive: true, force: true });
    },
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

/** What the answer depends on: this boot of the host and this QEMU. */
async function hostKey(): Promise<string> {
  const { program, version } = await findQemu();
  const bootId = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "unknown");
  return `${bootId.trim()} ${program} ${version}`;
}

const answerFile = () => path.join(cacheDir(), "accelerator.json");

async function recall(key: string): Promise<AcceleratorChoice | undefined> {
  try {
    const saved: { readonly key?: unknown; readonly choice?: AcceleratorChoice } = JSON.parse(
      await readFile(answerFile(), "utf8"),
    );
    return saved.key === key ? saved.choice : undefined;
  } catch {
    return undefined;
  }
}

/** An answer that cannot be kept costs the next run a few seconds, no more. */
async function remember(key: string, choice: AcceleratorChoice): Promise<void> {
  await mkdir(cacheDir(), { recursive: true })
    .then(() => replaceFile(answerFile(), JSON.stringify({ key, choice })))
    .catch(() => {});
}

async function replaceFile(file: string, content: string | Uint8Array): Promise<void> {
  const fresh = `${file}.${process.pid}`;
  await writeFile(fresh, content);
  await rename(fresh, file);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

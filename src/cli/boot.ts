import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Report } from "#core";
import { Interruption, openRunFolder, writeJson } from "#harness/lab";
import {
  adoptPrivateNamespace,
  enterPrivateNamespace,
  probePrivateNetwork,
  userNetwork,
  type NamespaceSupport,
} from "#harness/network";
import { findQemu, probeAccelerator } from "#harness/qemu-launcher";
import { planRun, whyNoWires, runPlan, type RunPlan, type Scenario } from "#harness/scenario";
import { checkDisk, loadGuest, prepareGuest, type GuestManifest, type PreparedGuest } from "#vm-images";
import { Progress, showResult } from "./boot-display.ts";
import { scenarioOf, type BootOptions } from "./boot-scenario.ts";
import { say } from "./output.ts";

/**
 * The half of a boot that needs the machine as it is: reads the scenario, builds the guest's disk, probes, plans; then
 * runs this program again in private namespaces, or, where there are none, goes on over QEMU's user-mode network.
 *
 * @returns the exit status
 */
export async function bootOutside(what: string, options: BootOptions): Promise<number> {
  const scenario = await scenarioOf(what, options);
  const { plan, support } = await prepare(scenario, options);
  await writeJson(path.join(plan.folder, "plan.json"), plan, { formatVersion: plan.formatVersion });
  if (plan.network.kind === "user") return await carryOut(plan, options);
  return await enterPrivateNamespace({
    argv: [process.argv[1] ?? "", "boot", "--inside", plan.folder, ...(options.json ? ["--json"] : [])],
    support,
  });
}

/** The half inside: carries out the plan of a run folder. */
export async function bootInside(folder: string, options: BootOptions): Promise<number> {
  await adoptPrivateNamespace();
  const plan = JSON.parse(await readFile(path.join(folder, "plan.json"), "utf8")) as RunPlan;
  return await carryOut(plan, options);
}

async function prepare(
  scenario: Scenario,
  options: BootOptions,
): Promise<{ plan: RunPlan; support: NamespaceSupport }> {
  using interruption = new Interruption();
  const { signal } = interruption;
  const manifest = await loadGuest(scenario.guest);
  // Missing programs are told before minutes are spent on a guest.
  await findQemu();
  const support = await probePrivateNetwork({ signal });
  const noWires = whyNoWires(
    scenario,
    support.available ? undefined : `${support.reason}; cure: ${support.cure}`,
  );
  if (noWires !== undefined) say(`sanlab: no private network (${noWires}): ${userNetwork().limits}`);
  const [prepared, accel] = await Promise.all([
    diskOf(scenario, manifest, signal),
    accelerator(scenario, signal),
  ]);
  const folder = await openRunFolder({
    scenario: scenario.name,
    ...(options.out !== undefined && { out: options.out }),
  });
  return {
    plan: planRun(scenario, { manifest, prepared }, { accel, noWires, chapSecrets: chapSecrets() }, folder),
    support,
  };
}

/** As for `sanlab iscsi`: never from the command line. */
function chapSecrets() {
  return { own: process.env["SANLAB_CHAP_SECRET"], mutual: process.env["SANLAB_MUTUAL_CHAP_SECRET"] };
}

/** The guest's disk, looked at. One that lies on a target outside needs no image here. */
async function diskOf(
  scenario: Scenario,
  manifest: GuestManifest,
  signal: AbortSignal,
): Promise<PreparedGuest> {
  const { image, target, uefi } = scenario;
  if (manifest.source.kind === "provided" && target.startsWith("iscsi:"))
    return { image: target, sha256: "", format: "raw", built: false };
  const prepared = await prepareGuest(manifest, { signal, report: tellPreparation, image });
  await checkDisk(manifest, prepared.image, uefi ? "uefi" : "bios");
  return prepared;
}

async function accelerator(scenario: Scenario, signal: AbortSignal): Promise<RunPlan["accel"]> {
  const { accel } = scenario.machine;
  if (accel !== "auto") return { kind: accel, reason: "asked for" };
  const choice = await probeAccelerator({ signal });
  return { kind: choice.accel, reason: choice.reason, ...(choice.cpu !== undefined && { cpu: choice.cpu }) };
}

async function carryOut(plan: RunPlan, options: BootOptions): Promise<number> {
  using interruption = new Interruption();
  using progress = new Progress();
  const result = await runPlan(plan, {
    signal: interruption.signal,
    onStep: (step) => progress.step(step),
    onPhase: (phase, t) => progress.phase(phase, t),
  });
  progress[Symbol.dispose]();
  return showResult(result, shortest(plan.folder), options.json === true);
}

/** A path as people would type it: relative where it lies below the current folder. */
function shortest(folder: string): string {
  const relative = path.relative("", folder);
  return relative.startsWith("..") ? folder : relative || ".";
}

/** The first boot builds the guest: tells what takes so long. */
const tellPreparation: Report = (kind, data) => {
  if (kind === "guest-packages" && data["step"] === "download")
    say("sanlab: downloads the guest's Debian packages");
  if (kind === "guest-image" && data["step"] === "convert")
    say(`sanlab: copies ${String(data["image"])} (${String(data["format"])}) to a raw image, once`);
  if (kind === "guest-image" && data["step"] === "build")
    say(`sanlab: builds the guest ${String(data["guest"])}`);
};

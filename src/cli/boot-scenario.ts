import { stat } from "node:fs/promises";
import path from "node:path";
import { UsageError } from "#core";
import { loadScenario, scenarioFrom, type Scenario, type ScenarioSource } from "#harness/scenario";
import { listGuests } from "#vm-images";

/** The options of `sanlab boot`, as commander gives them. */
export interface BootOptions {
  readonly nic?: readonly NonNullable<NonNullable<ScenarioSource["nics"]>[number]["model"]>[];
  readonly firmware?: "ipxe" | "emulated";
  readonly ibft?: "acpi" | "rom";
  readonly uefi?: true;
  readonly image?: string;
  readonly target?: string;
  readonly accel?: "auto" | "kvm" | "tcg";
  readonly memory?: number;
  readonly timeout?: number;
  readonly out?: string;
  readonly json?: true;
  readonly inside?: string;
}

/** The scenario that a command line means: a file's, or one for a guest or image, with the options on top. */
export async function scenarioOf(what: string, options: BootOptions): Promise<Scenario> {
  const { nic, firmware, ibft, uefi, image, target, accel, memory, timeout } = options;
  const base = /\.ya?ml$/.test(what) ? await scenarioFile(what) : { guest: await guestOf(what, "") };
  const source: ScenarioSource = {
    ...base,
    ...(nic && { nics: nic.map((model) => ({ model })) }),
    ...(firmware && { firmware }),
    ...(ibft && { ibft: { ...base.ibft, carrier: ibft } }),
    ...(uefi && { uefi }),
    ...(image !== undefined && { image: path.resolve(image) }),
    ...(target !== undefined && { target }),
    ...(timeout !== undefined && { timeout }),
    machine: { ...base.machine, ...(accel && { accel }), ...(memory !== undefined && { memory }) },
  };
  return scenarioFrom(source, path.basename(what).replace(/\.\w+$/, ""));
}

/** A path in a scenario file is one from where the file lies. */
async function scenarioFile(file: string): Promise<ScenarioSource> {
  const scenario = await loadScenario(file);
  const folder = path.dirname(file);
  return {
    ...scenario,
    guest: await guestOf(scenario.guest, folder),
    ...(scenario.image !== undefined && { image: path.resolve(folder, scenario.image) }),
  };
}

async function guestOf(what: string, folder: string): Promise<string> {
  const guests = (await listGuests()).map((guest) => guest.name);
  if (guests.includes(what)) return what;
  const place = path.resolve(folder, what);
  const found = await stat(place).catch(() => undefined);
  if (found !== undefined) return place;
  throw new UsageError(
    "NO_SUCH_GUEST",
    `${what}: neither a scenario file, nor a guest (${guests.join(", ")}), nor a disk image that is there`,
  );
}

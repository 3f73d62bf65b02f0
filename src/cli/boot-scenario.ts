import { stat } from "node:fs/promises";
import path from "node:path";
import { UsageError } from "#core";
import { loadScenario, scenarioFrom, type Scenario, type ScenarioSource } from "#harness/scenario";
import { listGuests } from "#vm-images";

/** The options of `sanlab boot`, as commander gives them. */
export interface BootOptions {
  readonly nic?: readonly NonNullable<NonNullable<ScenarioSource["nics"]>[number]["model"]>[];
  readonly firmware?: "ipxe";
  readonly uefi?: true;
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
  const { nic, firmware, uefi, target, accel, memory, timeout } = options;
  const base: ScenarioSource = /\.ya?ml$/.test(what)
    ? await loadScenario(what)
    : { guest: await guestOf(what) };
  const source: ScenarioSource = {
    ...base,
    ...(nic && { nics: nic.map((model) => ({ model })) }),
    ...(firmware && { firmware }),
    ...(uefi && { uefi }),
    ...(target !== undefined && { target }),
    ...(timeout !== undefined && { timeout }),
    machine: { ...base.machine, ...(accel && { accel }), ...(memory !== undefined && { memory }) },
  };
  return scenarioFrom(source, path.basename(what).replace(/\.\w+$/, ""));
}

async function guestOf(what: string): Promise<string> {
  const guests = (await listGuests()).map((guest) => guest.name);
  if (guests.includes(what)) return what;
  const file = await stat(what).catch(() => undefined);
  if (file !== undefined) return path.resolve(what);
  throw new UsageError(
    "NO_SUCH_GUEST",
    `${what}: neither a scenario file, nor a guest (${guests.join(", ")}), nor a disk image that is there`,
  );
}

import path from "node:path";
import { UsageError, errorMessage, parseIp } from "#core";
import { writeIbft } from "#ibft";
import { buildOptionRom } from "#option-rom";
import type { Lab } from "#harness/lab";
import type { MachineSpec } from "#harness/qemu-launcher";
import { defaultCarrier, type Carrier, type TableWish } from "./emulated-schema.ts";
import { tableSpec, type SessionFactsForTable } from "./emulated-table.ts";
import type { RunPlan } from "./plan.ts";

/** What a machine needs to have the tables in it. */
export type TableCarriers = Required<Pick<MachineSpec, "optionRoms" | "acpiTables" | "extraArgs">>;

/** Writes the tables of an emulated boot and what carries them into the run folder. They may hold secrets. */
export async function carryTables(
  plan: RunPlan,
  session: SessionFactsForTable,
  lab: Lab,
): Promise<TableCarriers> {
  const optionRoms: { path: string }[] = [];
  const acpiTables: string[] = [];
  const extraArgs: string[] = [];
  for (const [index, wish] of wishes(plan).entries()) {
    const carrier = carrierOf(plan, wish);
    const file = lab.path(`firmware-ibft${index === 0 ? "" : index}.${endings[carrier]}`);
    await lab.write(path.basename(file), carriedBytes(plan, session, wish));
    if (carrier === "acpi") acpiTables.push(file);
    else if (carrier === "memory") extraArgs.push("-device", loader(path.basename(file), wish.address ?? 0));
    else optionRoms.push({ path: file });
  }
  return { optionRoms, acpiTables, extraArgs };
}

/**
 * Whether the tables can be written, before anything is started: all that they depend on is known by then.
 *
 * @throws UsageError IBFT_SPEC, IBFT_CARRIER
 */
export function checkTables(plan: RunPlan): void {
  const { host, port, iqn, lun } = plan.target;
  const session = {
    host: parseIp(host) !== undefined ? host : "192.0.2.1",
    port: port || 3260,
    target: iqn,
    lun,
  };
  for (const wish of wishes(plan)) carriedBytes(plan, session, wish);
}

const endings: Readonly<Record<Carrier, string>> = {
  rom: "rom",
  "rom-static": "rom",
  acpi: "acpi",
  memory: "bin",
};

function wishes({ scenario }: RunPlan): readonly TableWish[] {
  const { also = [], ...first } = scenario.ibft ?? {};
  return [first, ...also];
}

function carrierOf(plan: RunPlan, wish: TableWish): Carrier {
  return wish.carrier ?? defaultCarrier(plan.scenario.uefi);
}

function carriedBytes(plan: RunPlan, session: SessionFactsForTable, wish: TableWish): Uint8Array {
  const table = writeIbft(tableSpec(plan, session, wish));
  const carrier = carrierOf(plan, wish);
  if (carrier === "acpi" || carrier === "memory") return table;
  const { address } = wish;
  try {
    return buildOptionRom(table, {
      kind: carrier === "rom" ? "copy" : "static",
      ...(address !== undefined && { address }),
    });
  } catch (error) {
    throw new UsageError("IBFT_CARRIER", `ibft: ${errorMessage(error)}`, { cause: error });
  }
}

/** QEMU's generic loader puts the bytes into the machine's memory at each reset. The name is one in the run folder. */
function loader(name: string, address: number): string {
  return `loader,file=${name},addr=0x${address.toString(16)},force-raw=on`;
}

import { readdir, readFile, readlink, stat } from "node:fs/promises";
import path from "node:path";
import { errorMessage, UsageError } from "#core";
import { specFromSysfs, writeIbft } from "#ibft";

/** Where Linux shows the tables that ACPI lists, and the one that its module iscsi_ibft found, field by field. */
const ACPI_TABLES = "/sys/firmware/acpi/tables";
const SYSFS = "/sys/firmware/ibft";

export interface OwnTable {
  readonly by: "acpi" | "sysfs";
  readonly file: string;
  readonly bytes: Uint8Array;
}

/**
 * The tables of the machine that this runs on: those that ACPI lists, and where there are none what the kernel found
 * elsewhere and shows; none where this machine was not booted from a SAN.
 *
 * @throws UsageError `NO_IBFT` where there is one that this process may not read
 */
export async function readOwnTables(): Promise<readonly OwnTable[]> {
  const names = (await readdir(ACPI_TABLES).catch(() => [])).filter((name) =>
    /^(iBFT|IBFT|BIFT)\d*$/.test(name),
  );
  try {
    const listed = await Promise.all(
      names.toSorted().map(async (name): Promise<OwnTable> => {
        const file = path.join(ACPI_TABLES, name);
        return { by: "acpi", file, bytes: await readFile(file) };
      }),
    );
    if (listed.length > 0) return listed;
    if (await isFolder(SYSFS)) return [{ by: "sysfs", file: SYSFS, bytes: await readSysfs(SYSFS) }];
  } catch (error) {
    throw new UsageError(
      "NO_IBFT",
      `this machine's iBFT cannot be read (${errorMessage(error)}); try as root`,
      {
        cause: error,
      },
    );
  }
  return [];
}

/** Says that there is none, and what that may come from. */
export const noOwnTable = `this machine shows no iBFT (${ACPI_TABLES}/iBFT, ${SYSFS}): it was not booted from a SAN, or the kernel's module iscsi_ibft is not loaded`;

/** A folder with what Linux shows in /sys/firmware/ibft, there or copied, as a table. */
export async function readSysfs(folder: string): Promise<Uint8Array> {
  const files = new Map<string, string>();
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    for (const name of await readdir(path.join(folder, entry.name))) {
      const file = path.join(folder, entry.name, name);
      if (name === "device") files.set(`${entry.name}/${name}`, await readlink(file).catch(() => ""));
      else if ((await stat(file)).isFile())
        files.set(`${entry.name}/${name}`, await readFile(file, "latin1"));
    }
  }
  if (![...files.keys()].some((name) => name.startsWith("initiator/"))) {
    throw new UsageError(
      "NOT_AN_IBFT",
      `${folder}: no iBFT: a folder like ${SYSFS} has initiator/, ethernet0/, target0/`,
    );
  }
  // What the kernel shows may be wrong; whoever reads it wants to see that.
  return writeIbft({ ...specFromSysfs(files), quirks: {} });
}

export async function isFolder(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.isDirectory() === true;
}

import { writeFile } from "node:fs/promises";
import {
  findByBiosScan,
  findInMemory,
  ibftJson,
  lintIbft,
  searchIbft,
  type FoundIbft,
  type LintContext,
} from "#ibft";
import { lowMemory, type RunningMachine } from "#harness/qemu-launcher";
import { repeat } from "./repeat.ts";
import type { Timeline } from "./timeline.ts";

const intervalMs = 50;
/** Where boot firmware on a BIOS leaves its table: base memory above 512 KiB. */
const baseMemory = { from: 0x8_0000, to: 0xa_0000 } as const;
const megabyte = 0x10_0000;
/** Below lies what the BIOS itself needs. */
const lowest = 0x1000;

export interface MemoryWatch extends AsyncDisposable {
  /**
   * Looks wherever an operating system would, and below 512 KiB, where none would: a table that lies there is why it
   * is not found.
   */
  look(): Promise<void>;
}

/**
 * Watches guest memory for iBFTs, twenty times a second where it is cheap until one is there, and appends each table
 * found (`memory` `ibft` {address, by, valid, table, findings, lint}, secrets redacted; `lint` is what a system may trip
 * over on this machine). The bytes of the latest valid one go to `file`, mode 0600: they hold the secrets.
 */
export function watchMemory(
  machine: RunningMachine,
  timeline: Timeline,
  file: string,
  context: Pick<LintContext, "nics"> = {},
): MemoryWatch {
  const { firmware } = machine.spec;
  const seen = new Set<string>();
  const tell = async (found: readonly FoundIbft[]) => {
    for (const table of found) {
      const key = `${table.address} ${Buffer.from(table.bytes).toString("base64")}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const { address, by, valid, findings, bytes } = table;
      const lint = lintIbft(bytes, { context: { ...context, firmware, address, acpi: by === "acpi" } });
      timeline.append("memory", "ibft", {
        address,
        by,
        valid,
        table: ibftJson(table.table),
        findings,
        lint: lint.filter(({ severity }) => severity !== "info"),
      });
      if (valid) await writeFile(file, bytes, { mode: 0o600 });
    }
  };
  const read = (address: number, length: number) => machine.readMemory(address, length);
  const bios = firmware === "bios";
  const ram = bios ? [] : [{ from: megabyte, to: lowMemory(machine.spec) }];
  const outOfReach = async () =>
    findInMemory({ base: lowest, bytes: await read(lowest, baseMemory.from - lowest) });
  const look = async () => tell([...(await outOfReach()), ...(await searchIbft(read, { ram }))]);
  const watching = bios
    ? repeat(intervalMs, async () => {
        const bytes = await read(baseMemory.from, baseMemory.to - baseMemory.from);
        const found = findByBiosScan({ base: baseMemory.from, bytes });
        // A table that lies too low may be gone by the time that a boot loader has worked there.
        await tell([...(await outOfReach()), ...found]);
        return found.some(({ valid }) => valid) ? "enough" : undefined;
      })
    : undefined;
  return {
    look,
    async [Symbol.asyncDispose]() {
      await watching?.[Symbol.asyncDispose]();
    },
  };
}

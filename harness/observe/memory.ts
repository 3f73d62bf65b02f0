import { writeFile } from "node:fs/promises";
import { findByAcpi, findByBiosScan, ibftJson, type FoundIbft } from "#ibft";
import { lowMemory, type RunningMachine } from "#harness/qemu-launcher";
import { repeat } from "./repeat.ts";
import type { Timeline } from "./timeline.ts";

const intervalMs = 50;
/** Where boot firmware on a BIOS leaves its table: base memory above 512 KiB. */
const baseMemory = { from: 0x8_0000, to: 0xa_0000 } as const;
const megabyte = 0x10_0000;
/** UEFI keeps its ACPI tables near the top of the memory below 4 GiB. */
const acpiWindow = 128 * megabyte;

export interface MemoryWatch extends AsyncDisposable {
  /** Looks wherever an operating system would: base memory and ROMs on a BIOS, the ACPI tables under UEFI. */
  look(): Promise<void>;
}

/**
 * Watches guest memory for the first iBFT, twenty times a second where it is cheap, and appends each table found (`memory` `ibft`
 * {address, by, valid, table, findings}, secrets redacted). The bytes of the latest go to `file`, mode 0600: they hold
 * the secrets.
 */
export function watchMemory(machine: RunningMachine, timeline: Timeline, file: string): MemoryWatch {
  const seen = new Set<string>();
  const tell = async (found: readonly FoundIbft[]) => {
    for (const table of found) {
      const key = `${table.address} ${Buffer.from(table.bytes).toString("base64")}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const { address, by, valid, findings } = table;
      timeline.append("memory", "ibft", { address, by, valid, table: ibftJson(table.table), findings });
      if (valid) await writeFile(file, table.bytes, { mode: 0o600 });
    }
  };
  const read = async (from: number, to: number) => ({
    base: from,
    bytes: await machine.readMemory(from, to - from),
  });
  const bios = machine.spec.firmware === "bios";
  const look = async () => {
    if (bios) return tell(findByBiosScan(await read(baseMemory.from, megabyte)));
    const top = lowMemory(machine.spec);
    return tell(findByAcpi(await read(Math.max(megabyte, top - acpiWindow), top)));
  };
  const watching = bios
    ? repeat(intervalMs, async () => {
        const found = findByBiosScan(await read(baseMemory.from, baseMemory.to));
        await tell(found);
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

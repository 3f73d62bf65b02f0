import { UsageError } from "#core";
import {
  describeIbft,
  findIbft,
  findInMemory,
  ibftJson,
  readIbft,
  searchIbft,
  type Finding,
  type FoundIbft,
} from "#ibft";
import { LiveMemory } from "#harness/qemu-launcher";
import { readBytes, writeOut } from "./ibft-files.ts";
import { noOwnTable, readOwnTables } from "./ibft-own.ts";
import { printJson, say } from "./output.ts";
import { StopSignal } from "./stop-signal.ts";

export interface FindOptions {
  readonly base: number;
  readonly qmp?: string;
  readonly anywhere?: true;
  readonly out?: string;
  readonly json?: true;
}

/** One table, wherever it was found. */
interface Found extends Pick<FoundIbft, "bytes" | "table" | "valid" | "findings"> {
  readonly by: FoundIbft["by"] | "sysfs";
  readonly address?: number;
  readonly file?: string;
}

const WORDS = {
  bios: "by the BIOS scan",
  acpi: "by ACPI",
  memory: "by nobody",
  sysfs: "by the kernel's iscsi_ibft",
} as const;

/** `sanlab ibft find`: in an image, in a machine that runs in QEMU, or on the machine that this runs on. */
export async function find(file: string | undefined, options: FindOptions): Promise<void> {
  const found = await lookIn(file, options);
  const best = found.find(({ valid, by }) => valid && by !== "memory");
  if (options.json === true) printJson({ tables: found.map(foundJson) });
  else if (found.length === 0) {
    const here = file === undefined && options.qmp === undefined;
    say(here ? noOwnTable : "no table: neither ACPI nor a scan of 512 KiB to 1 MiB leads to one");
  } else for (const one of found) process.stdout.write(`${describeFound(one)}\n`);
  if (options.out !== undefined && best !== undefined) await writeOut(options.out, best.bytes);
  process.exitCode = best === undefined ? 1 : 0;
}

async function lookIn(file: string | undefined, options: FindOptions): Promise<readonly Found[]> {
  const { qmp, anywhere } = options;
  if (file !== undefined && qmp !== undefined) {
    throw new UsageError("BAD_OPTIONS", "name a memory image or --qmp, not both");
  }
  if (anywhere === true && file === undefined) {
    throw new UsageError("BAD_OPTIONS", "--anywhere is for a memory image");
  }
  if (qmp !== undefined) return await lookInMachine(qmp);
  if (file === undefined) return await lookHere();
  const memory = { base: options.base, bytes: await readBytes(file) };
  const found = findIbft(memory);
  if (anywhere !== true) return found;
  const known = new Set(found.map(({ address }) => address));
  return [...found, ...findInMemory(memory).filter(({ address }) => !known.has(address))];
}

async function lookInMachine(address: string): Promise<readonly Found[]> {
  // What was read lies in a file for a moment: an interruption, too, has to take it away.
  using stop = new StopSignal();
  const { signal } = stop;
  await using memory = await LiveMemory.connect(address, { signal });
  await memory.read(0, 16, { signal });
  const ram = memory.isQuick ? await memory.ram({ signal }) : [];
  const found = await searchIbft((at, length) => memory.read(at, length, { signal }), { ram, signal });
  if (found.length === 0 && !memory.isQuick) {
    say(
      "QEMU cannot write files that this process reads: only what lies below 1 MiB was searched for ACPI's root",
    );
  }
  return found;
}

async function lookHere(): Promise<readonly Found[]> {
  return (await readOwnTables()).map(({ by, file, bytes }) => {
    const { table, findings, sum } = readIbft(bytes);
    const valid = sum === 0 && findings.every((finding: Finding) => finding.severity !== "fatal");
    return { by, file, bytes, table, findings, valid };
  });
}

function foundJson({ address, file, by, valid, findings, table }: Found) {
  return {
    ...(address !== undefined && { address }),
    ...(file !== undefined && { file }),
    by,
    valid,
    findings,
    table: ibftJson(table),
  };
}

function describeFound({ address, file, by, valid, findings, table }: Found): string {
  const where = address === undefined ? (file ?? "") : `at 0x${address.toString(16)}`;
  const head = `${where}, found ${WORDS[by]}${valid ? "" : ", not valid"}`;
  const wrong = findings.map(({ rule, message }) => `  ${rule}: ${message}`);
  return [head, ...wrong, describeIbft(table)].join("\n");
}

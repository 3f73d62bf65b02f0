import { describeIbft, findIbft, findInMemory, ibftJson, readIbft, type FoundIbft } from "#ibft";
import { readBytes, readOwnTable, readTable } from "./ibft-files.ts";
import { printJson, say } from "./output.ts";

export interface FindOptions {
  readonly base: number;
  readonly anywhere?: true;
  readonly json?: true;
}

const WORDS = { bios: "by the BIOS scan", acpi: "by ACPI", memory: "by nobody" } as const;

/** `sanlab ibft dump`. */
export async function dump(
  file: string | undefined,
  options: { secrets?: true; json?: true },
): Promise<void> {
  const bytes = file === undefined ? await readOwnTable() : await readTable(file);
  const { table, findings } = readIbft(bytes);
  const secrets = options.secrets === true;
  if (options.json === true) printJson(ibftJson(table, { secrets }));
  else process.stdout.write(`${describeIbft(table, { secrets })}\n`);
  for (const { rule, severity, message } of findings) say(`${severity} ${rule}: ${message}`);
}

/** `sanlab ibft find`. */
export async function find(file: string, options: FindOptions): Promise<void> {
  const memory = { base: options.base, bytes: await readBytes(file) };
  const found = [...findIbft(memory)];
  if (options.anywhere === true) {
    const known = new Set(found.map(({ address }) => address));
    found.push(...findInMemory(memory).filter(({ address }) => !known.has(address)));
  }
  if (options.json === true) printJson({ tables: found.map(foundJson) });
  else if (found.length === 0) say("no table: neither ACPI nor a scan of 512 KiB to 1 MiB leads to one");
  else for (const one of found) process.stdout.write(`${describeFound(one)}\n`);
  process.exitCode = found.some(({ valid, by }) => valid && by !== "memory") ? 0 : 1;
}

function foundJson({ address, by, valid, findings, table }: FoundIbft) {
  return { address, by, valid, findings, table: ibftJson(table) };
}

function describeFound({ address, by, valid, findings, table }: FoundIbft): string {
  const head = `at 0x${address.toString(16)}, found ${WORDS[by]}${valid ? "" : ", not valid"}`;
  const wrong = findings.map(({ rule, message }) => `  ${rule}: ${message}`);
  return [head, ...wrong, describeIbft(table)].join("\n");
}

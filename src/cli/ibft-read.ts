import { UsageError } from "#core";
import { describeIbft, ibftJson, readIbft } from "#ibft";
import { readTable } from "./ibft-files.ts";
import { noOwnTable, readOwnTables } from "./ibft-own.ts";
import { printJson, say } from "./output.ts";

/** `sanlab ibft dump`. */
export async function dump(
  file: string | undefined,
  options: { secrets?: true; json?: true },
): Promise<void> {
  const bytes = file === undefined ? await ownTable() : await readTable(file);
  const { table, findings } = readIbft(bytes);
  const secrets = options.secrets === true;
  if (options.json === true) printJson(ibftJson(table, { secrets }));
  else process.stdout.write(`${describeIbft(table, { secrets })}\n`);
  for (const { rule, severity, message } of findings) say(`${severity} ${rule}: ${message}`);
}

async function ownTable(): Promise<Uint8Array> {
  const [first] = await readOwnTables();
  if (first === undefined) throw new UsageError("NO_IBFT", `${noOwnTable}; name a file`);
  return first.bytes;
}

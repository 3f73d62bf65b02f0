import { describeIbft, ibftJson, lintIbft, parseIbftSpec, readIbft, writeIbft } from "#ibft";
import { buildDumper, buildOptionRom } from "#option-rom";
import { readBytes, readTableOrSpec, writeOut } from "./ibft-files.ts";
import { printJson, say } from "./output.ts";

export interface MakeOptions {
  readonly out: string;
  readonly dump?: string;
  readonly json?: true;
}

export interface CarryOptions {
  readonly out: string;
  readonly kind?: "static" | "copy";
}

/** `sanlab ibft make`: what the lint says of a table that is wrong on purpose goes to standard error. */
export async function make(file: string, options: MakeOptions): Promise<void> {
  const bytes = writeIbft(parseIbftSpec((await readBytes(file)).toString("utf8"), file));
  await writeOut(options.out, bytes);
  const { table } = readIbft(bytes);
  if (options.dump !== undefined) await writeOut(options.dump, Buffer.from(`${describeIbft(table)}\n`));
  if (options.json === true) printJson(ibftJson(table));
  for (const { rule, severity, field, message } of lintIbft(bytes)) {
    if (severity !== "info") say(`${severity} ${rule} ${field}: ${message}`);
  }
}

/** `sanlab ibft acpi` and `sanlab ibft rom`. */
export async function carry(as: "acpi" | "rom", file: string, options: CarryOptions): Promise<void> {
  const table = await readTableOrSpec(file);
  await writeOut(
    options.out,
    as === "acpi" ? table : buildOptionRom(table, { kind: options.kind ?? "copy" }),
  );
}

/** `sanlab ibft dumper`. */
export async function dumper(out: string): Promise<void> {
  await writeOut(out, buildDumper());
}

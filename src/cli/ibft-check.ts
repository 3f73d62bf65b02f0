import { contextOfMemory, diffIbft, lintIbft, parseLintContext, type Finding, type LintProfile } from "#ibft";
import { readBytes, readTable } from "./ibft-files.ts";
import { printJson } from "./output.ts";

export interface LintCommandOptions {
  readonly profile: LintProfile;
  readonly network?: string;
  readonly memory?: string;
  readonly base: number;
  readonly json?: true;
}

/** `sanlab ibft lint`. */
export async function lint(file: string, options: LintCommandOptions): Promise<void> {
  const { network, profile, memory, base } = options;
  const known =
    network === undefined ? {} : parseLintContext((await readBytes(network)).toString("utf8"), network);
  const table = await readTable(file);
  const context =
    memory === undefined ? known : contextOfMemory({ base, bytes: await readBytes(memory) }, table, known);
  const findings = lintIbft(table, { profile, context });
  if (options.json === true) printJson({ findings });
  else process.stdout.write(`${describeFindings(findings)}\n`);
  process.exitCode = findings.some(({ severity }) => severity === "fatal") ? 1 : 0;
}

/** `sanlab ibft diff`. */
export async function diff(a: string, b: string, options: { json?: true }): Promise<void> {
  const differences = diffIbft(await readTable(a), await readTable(b));
  if (options.json === true) printJson({ differences });
  else {
    const lines = differences.map(({ field, a, b }) => `${field}: ${a ?? "-"} | ${b ?? "-"}`);
    process.stdout.write(`${lines.length === 0 ? "no difference" : lines.join("\n")}\n`);
  }
  process.exitCode = differences.length === 0 ? 0 : 1;
}

function describeFindings(findings: readonly Finding[]): string {
  if (findings.length === 0) return "nothing to say";
  return findings
    .map(({ rule, severity, offset, field, message, advice }) => {
      return `${severity.padEnd(7)} ${rule} at ${offset} (${field}): ${message}\n        ${advice}`;
    })
    .join("\n");
}

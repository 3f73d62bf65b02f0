import { Command } from "commander";
import type { Check } from "#harness/lab";
import { colours, printJson } from "../output.ts";

const marks = { ok: ["32", "ok  "], warn: ["33", "warn"], fail: ["31", "FAIL"] } as const;

export function command(): Command {
  return new Command("doctor")
    .description("what this machine has and lacks for booting from iSCSI, and how to mend it")
    .option("--json", "one JSON document")
    .addHelpText(
      "after",
      "\nExample:\n  sanlab doctor\n\nExit status 3 when something that every boot needs is missing.",
    )
    .action(async (options: { json?: true }) => {
      const { diagnoseMachine } = await import("#harness/lab");
      const checks = await diagnoseMachine();
      if (options.json) printJson({ checks });
      else process.stdout.write(checks.map(render).join(""));
      process.exitCode = checks.some((check) => check.status === "fail") ? 3 : 0;
    });
}

function render({ name, status, detail, cure }: Check): string {
  const [colour, word] = marks[status];
  const mark = colours(process.stdout) ? `\u001b[${colour}m${word}\u001b[0m` : word;
  return `${mark} ${name.padEnd(22)} ${detail}\n${cure === undefined ? "" : `     ${"".padEnd(22)} ${cure}\n`}`;
}

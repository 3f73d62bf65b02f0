import { Command } from "commander";
import { judgeFolder } from "#harness/scenario";
import { painter, renderVerdict } from "#harness/report";
import { colours, printJson } from "../output.ts";

export function command(): Command {
  return new Command("report")
    .description("judge a finished run again from its saved timeline, and show the verdict")
    .argument("<dir>", "the run's folder")
    .option("--json", "one JSON document")
    .addHelpText("after", "\nExample:\n  sanlab report runs/20261121-093012-debian-mini")
    .action(async (dir: string, options: { json?: true }) => {
      const { verdict, ibftText } = await judgeFolder(dir);
      if (options.json) printJson({ ...verdict, run: dir });
      else
        process.stdout.write(
          `${renderVerdict(verdict, { paint: painter(colours(process.stdout)), folder: dir, ...ibftText })}\n`,
        );
      process.exitCode = exitStatus(verdict.outcome);
    });
}

import { Command } from "commander";

export function command(): Command {
  return new Command("report")
    .description("judge a finished run again from its saved timeline, and show the verdict")
    .argument("<dir>", "the run's folder")
    .option("--json", "one JSON document")
    .addHelpText(
      "after",
      "\nExample:\n  sanlab report runs/20261121T093012.123Z-debian-mini\n\nExits with what the run itself exited with.",
    )
    .action(async (dir: string, options: { json?: true }) => {
      const { judgeFolder } = await import("#harness/scenario");
      const { showResult } = await import("../boot-display.ts");
      process.exitCode = showResult(await judgeFolder(dir), dir, options.json === true);
    });
}

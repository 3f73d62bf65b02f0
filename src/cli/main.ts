import { Command, CommanderError } from "commander";
import { commandNames, commands, isCommandName } from "./commands/index.ts";
import { errorMessage } from "#core";
import { finish, printJson, showError } from "./output.ts";

/**
 * The command line: a table of commands, each in a file of its own that is loaded only when it is called, so that
 * `sanlab ibft dump` need not wait for what `sanlab boot` uses.
 */
async function main(argv: readonly string[]): Promise<number> {
  const program = new Command("sanlab")
    .description(
      "A laboratory for booting operating systems from iSCSI disks, and for finding out why one does not boot.",
    )
    .version("0.1.0")
    .option("--debug", "print stack traces")
    .addHelpText("after", "\nExample:\n  sanlab boot --nic virtio\n")
    .showHelpAfterError("(--help tells more)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void process.stdout.write(text),
      writeErr: (text) => void process.stderr.write(text),
    });
  const called = argv.find((argument) => !argument.startsWith("-"));
  const needed = called !== undefined && isCommandName(called) ? [called] : commandNames;
  for (const name of needed) {
    const { command } = await commands[name]();
    program.addCommand(inherit(command()));
  }
  await program.parseAsync(argv, { from: "user" });
  return Number(process.exitCode ?? 0);
}

/** Subcommands end as the program does: by an exception, never by exiting on their own. */
function inherit(command: Command): Command {
  command.exitOverride().showHelpAfterError("(--help tells more)");
  for (const child of command.commands) inherit(child);
  return command;
}

const argv = process.argv.slice(2);
try {
  await finish(await main(argv));
} catch (error) {
  const json = argv.includes("--json");
  if (!(error instanceof CommanderError))
    await finish(showError(error, { json, debug: argv.includes("--debug") }));
  else if (error.exitCode === 0) await finish(0);
  // Commander has told it on standard error in its own words.
  if (json) printJson({ error: { code: "USAGE", message: errorMessage(error).replace(/^error: /, "") } });
  await finish(2);
}

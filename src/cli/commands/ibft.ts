import { Command, InvalidArgumentError, Option } from "commander";
import type { LintProfile } from "#ibft";
import { find, type FindOptions } from "../ibft-find.ts";
import { dump } from "../ibft-read.ts";
import { diff, lint, type LintCommandOptions } from "../ibft-check.ts";
import { carry, type CarryOptions, dumper, make, type MakeOptions } from "../ibft-make.ts";

export function command(): Command {
  const ibft = new Command("ibft").description(
    "make, read, check, find and carry iSCSI Boot Firmware Tables",
  );
  for (const sub of [makeCommand, dumpCommand, lintCommand, findCommand, diffCommand, dumperCommand]) {
    ibft.addCommand(sub());
  }
  ibft.addCommand(carryCommand("acpi", "write a table from SPEC as a file for QEMU's -acpitable file="));
  const kind = new Option(
    "--kind <kind>",
    "where the table ends up: inside the ROM, or at the top of base memory",
  );
  ibft.addCommand(
    carryCommand("rom", "write an x86 option ROM that carries a table").addOption(
      kind.choices(["static", "copy"]).default("copy"),
    ),
  );
  return ibft;
}

function makeCommand(): Command {
  return new Command("make")
    .description("write a table from a specification in YAML")
    .argument("<spec>", "the specification, - for standard input")
    .requiredOption("--out <file>", "where the table goes, - for standard output")
    .option("--dump <file>", "also describe the table there, - for standard output")
    .option("--json", "one JSON document")
    .addHelpText("after", "\nExample:\n  sanlab ibft make vm0.yaml --out vm0.ibft --dump -")
    .action(async (spec: string, options: MakeOptions) => make(spec, options));
}

function dumpCommand(): Command {
  return new Command("dump")
    .description("show every field of a table; without FILE that of this machine")
    .argument("[file]", "a table, - for standard input, or a folder like /sys/firmware/ibft")
    .option("--secrets", "show CHAP secrets")
    .option("--json", "one JSON document")
    .addHelpText("after", "\nExample:\n  sanlab ibft dump runs/latest/ibft.bin --json")
    .action(async (file: string | undefined, options: { secrets?: true; json?: true }) =>
      dump(file, options),
    );
}

function lintCommand(): Command {
  const profiles: readonly LintProfile[] = ["spec", "windows", "linux"];
  return new Command("lint")
    .description("check a table; exit status 1 where a finding is fatal")
    .argument("<file>", "a table, - for standard input, or a folder like /sys/firmware/ibft")
    .addOption(new Option("--profile <profile>", "whose needs count").choices(profiles).default("spec"))
    .option("--network <file>", "what is known of machine and network, in YAML")
    .option("--memory <image>", "an image of the machine's memory, to see what became of the table there")
    .option("--base <address>", "physical address of the image's first byte", parseAddress, 0)
    .option("--json", "one JSON document")
    .addHelpText("after", "\nExample:\n  sanlab ibft lint vm0.ibft --profile windows --network lab.yaml")
    .action(async (file: string, options: LintCommandOptions) => lint(file, options));
}

function findCommand(): Command {
  return new Command("find")
    .description(
      "find the tables that an operating system would: in a memory image, in a machine of QEMU's, or on this machine; exit status 1 for none",
    )
    .argument("[memory]", "the image; without it and --qmp this machine")
    .option("--base <address>", "physical address of its first byte", parseAddress, 0)
    .option("--qmp <socket>", "the monitor of a machine that runs: a socket's path, or HOST:PORT")
    .option("--anywhere", "also tables in the image that no operating system would find")
    .option("--out <file>", "where the first good table goes, - for standard output")
    .option("--json", "one JSON document")
    .addHelpText("after", "\nExample:\n  sanlab ibft find --qmp /run/vm0.qmp --out vm0.ibft")
    .action(async (file: string | undefined, options: FindOptions) => find(file, options));
}

function diffCommand(): Command {
  return new Command("diff")
    .description("compare two tables field by field; exit status 1 where they differ")
    .argument("<a>", "a table")
    .argument("<b>", "another")
    .option("--json", "one JSON document")
    .addHelpText("after", "\nExample:\n  sanlab ibft diff before.ibft after.ibft")
    .action(async (a: string, b: string, options: { json?: true }) => diff(a, b, options));
}

function dumperCommand(): Command {
  return new Command("dumper")
    .description(
      "write a floppy image that finds the table of a BIOS machine and shows it on screen and serial port",
    )
    .requiredOption("--out <file>", "the image, 1.44 MB")
    .addHelpText("after", "\nExample:\n  sanlab ibft dumper --out floppy.img")
    .action(async (options: { out: string }) => dumper(options.out));
}

function carryCommand(name: "acpi" | "rom", description: string): Command {
  return new Command(name)
    .description(description)
    .argument("<spec>", "a specification in YAML or a table, - for standard input")
    .requiredOption("--out <file>", "where it goes, - for standard output")
    .addHelpText("after", `\nExample:\n  sanlab ibft ${name} vm0.yaml --out vm0.${name}`)
    .action(async (spec: string, options: CarryOptions) => carry(name, spec, options));
}

function parseAddress(text: string): number {
  const address = Number(text);
  if (!Number.isSafeInteger(address) || address < 0)
    throw new InvalidArgumentError("an address like 0x80000");
  return address;
}

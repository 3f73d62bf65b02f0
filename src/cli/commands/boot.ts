import { Command, InvalidArgumentError, Option } from "commander";
import { nicModels } from "../nic-models.ts";
import type { BootOptions } from "../boot-scenario.ts";

/** What `boot` hands to its own second half inside the private namespaces: the run folder with the plan. */
const insideOption = "--inside <folder>";

export function command(): Command {
  return new Command("boot")
    .description("boot one guest from iSCSI and say how far it came")
    .argument("[scenario]", "a scenario file, a guest of vm-images, or a raw disk image", "debian-mini")
    .addOption(
      new Option("--nic <model>", "network card; once for each").choices(nicModels).argParser(collect),
    )
    .addOption(new Option("--firmware <kind>", "who boots from the disk first").choices(["ipxe", "emulated"]))
    .addOption(
      new Option(
        "--ibft <carrier>",
        "how an emulated boot carries its table; default rom on a BIOS, acpi under UEFI",
      ).choices(["acpi", "rom"]),
    )
    .option("--uefi", "OVMF instead of SeaBIOS")
    .option("--image <file>", "your own disk image, for a guest such as windows that comes without one")
    .option("--target <target>", "embedded, tgt, istgt, or the iscsi:// URL of one that is there")
    .addOption(new Option("--accel <kind>", "QEMU's accelerator").choices(["auto", "kvm", "tcg"]))
    .option("--memory <MiB>", "the guest's memory", positive)
    .option("--timeout <seconds>", "for the whole boot", positive)
    .option("--out <dir>", "the run folder; default runs/<time>-<scenario>")
    .option("--json", "one JSON document")
    .addOption(new Option(insideOption).hideHelp())
    .addHelpText(
      "after",
      `
Examples:
  sanlab boot                                  the small Debian guest, with an e1000
  sanlab boot --nic virtio --uefi
  sanlab boot --firmware emulated              sanlab plays the boot firmware and writes the table itself
  sanlab boot --target tgt                     from Debian's tgtd instead of sanlab's own target
  sanlab boot night.yaml --json
  sanlab boot windows --image server.qcow2 --nic e1000

Exit status: 0 it reached its goal, 1 it did not, 2 called wrongly, 3 the lab failed, 130 interrupted.`,
    )
    .action(async (what: string, options: BootOptions) => {
      const { bootInside, bootOutside } = await import("../boot.ts");
      process.exitCode =
        options.inside === undefined
          ? await bootOutside(what, options)
          : await bootInside(options.inside, options);
    });
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  if (!nicModels.some((model) => model === value))
    throw new InvalidArgumentError(`Known are ${nicModels.join(", ")}.`);
  return [...(before ?? []), value];
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("It has to be a number above zero.");
  return value;
}

import { Command } from "commander";
import { benchCommand } from "./iscsi-bench.ts";
import { cdbCommand } from "./iscsi-cdb.ts";
import { copyCommand } from "./iscsi-copy.ts";
import { discoverCommand, infoCommand, pingCommand } from "./iscsi-look.ts";
import { readCommand, writeCommand } from "./iscsi-transfer.ts";

export function command(): Command {
  const group = new Command("iscsi").description(
    "sanlab's own iSCSI initiator: look, read, write, copy, measure",
  );
  for (const make of [
    discoverCommand,
    infoCommand,
    readCommand,
    writeCommand,
    copyCommand,
    cdbCommand,
    pingCommand,
    benchCommand,
  ]) {
    group.addCommand(make());
  }
  return group.addHelpText("after", "\nExample:\n  sanlab iscsi discover iscsi://192.0.2.1");
}

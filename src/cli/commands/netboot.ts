import { Command } from "commander";
import type { NetbootServeOptions } from "../netboot-serve.ts";

export function command(): Command {
  const netboot = new Command("netboot").description("what machines that boot from the network need");
  netboot.addCommand(
    new Command("serve")
      .description(
        "serve a folder by TFTP and HTTP, and tell machines by DHCP what to boot, until interrupted",
      )
      .argument("<folder>", "the files to serve; nothing outside of it is")
      .requiredOption("--interface <name>", "where to answer; repeatable", collect)
      .option("--boot-file <file>", "what PXE firmware loads: a path in the folder")
      .option("--uefi-boot-file <file>", "what UEFI PXE firmware loads instead")
      .option("--ipxe-boot-file <file>", "what iPXE loads instead: a path or a URL")
      .option(
        "--root-path <uri>",
        "the disk to boot from, e.g. iscsi:10.0.0.1:::1:iqn.2024-01.com.example:disk",
      )
      .option("--initiator <iqn>", "the initiator's name for iPXE")
      .option("--pool <first-last>", "the addresses to give out; default: the interface's whole subnet")
      .option("--router <address>", "the router to tell clients")
      .option("--dns <address>", "a name server to tell clients; repeatable", collect)
      .option("--proxy", "leave addresses to another DHCP server and tell PXE firmware its boot file only")
      .option("--ra", "advertise an IPv6 prefix, so that firmware does not wait for a router")
      .option("--http-port <port>", "the port for HTTP", "80")
      .option("--yes", "serve even on the interface of the default route")
      .option("--json", "events, one JSON object a line")
      .addHelpText(
        "after",
        "\nExample:\n  sanlab netboot serve /srv/tftp --interface tap0 --boot-file pxelinux.0\n\nNeeds root, or a namespace made by `unshare -rn`.",
      )
      .action(async (folder: string, options: NetbootServeOptions) => {
        const { serve } = await import("../netboot-serve.ts");
        await serve(folder, options);
      }),
  );
  return netboot;
}

const collect = (value: string, before: readonly string[] = []) => [...before, value];

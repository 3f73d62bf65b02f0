import { Command } from "commander";
import { withIscsiOptions } from "../iscsi-options.ts";
import type { NbdServeOptions } from "../nbd-serve.ts";

export function command(): Command {
  const nbd = new Command("nbd").description(
    "disks over NBD, for QEMU, nbdcopy and everything that speaks it",
  );
  nbd.addCommand(
    withIscsiOptions(
      new Command("serve").description("serve an iSCSI disk as an NBD export until interrupted"),
    )
      .argument("<url>", "an iSCSI URL; an NBD URL or an image file works as well")
      .option("--socket <path>", "listen on this unix socket, which only its owner may use")
      .option(
        "--listen <host:port>",
        "listen on a TCP port instead, e.g. 127.0.0.1:10809; anybody may connect there",
      )
      .option("--name <export>", "the export's name; clients without one find it too", "")
      .option("--read-only", "refuse writes")
      .addHelpText(
        "after",
        "\nExample:\n  sanlab nbd serve iscsi://192.0.2.1/iqn.2001-04.com.example:disk/0 --socket /tmp/disk.sock" +
          "\n  nbdinfo 'nbd+unix:///?socket=/tmp/disk.sock'" +
          "\n\nHere --timeout is for logging in, and --json prints events, one JSON object a line.",
      )
      .action(async (url: string, options: NbdServeOptions) => {
        const { serve } = await import("../nbd-serve.ts");
        await serve(url, options);
      }),
  );
  return nbd;
}

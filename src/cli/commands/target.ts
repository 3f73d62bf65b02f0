import { Command } from "commander";
import type { ServeOptions } from "../target-serve.ts";

export function command(): Command {
  const target = new Command("target").description(
    "an iSCSI target for images, memory disks and trouble on purpose",
  );
  target.addCommand(
    new Command("serve")
      .description("serve images as logical units 0, 1, 2, … of one target until interrupted")
      .argument("[image...]", "images of any format, iSCSI URLs, NBD URLs; an .iso file becomes a CD-ROM")
      .option("--listen <host:port>", "where to listen; [::1]:3260 for IPv6", "127.0.0.1:3260")
      .option("--iqn <iqn>", "the target's name", "iqn.2026-01.org.sanlab:target")
      .option("--read-only", "refuse writes")
      .option("--overlay", "keep writes in memory and forget them at the end")
      .option("--memory <size>", "one more logical unit, in memory: 64M, 2G")
      .option(
        "--chap-file <file>",
        "YAML with `users: { name: secret }` and, for mutual CHAP, `mutual: { user, secret }`",
      )
      .option("--faults <file>", "a fault plan; SIGHUP reads it again")
      .option("--param <key=value>", "what to want of a key of RFC 7143, repeatable", collect, [])
      .option("--grace <seconds>", "how long to wait for initiators to log out when stopped", "2")
      .option("--json", "events, one JSON object a line")
      .addHelpText(
        "after",
        "\nExample:\n  sanlab target serve disk.img --overlay --param HeaderDigest=CRC32C,None\n\nBy default only this machine can reach it. The secret for iscsi://user@… is in SANLAB_CHAP_SECRET.",
      )
      .action(async (images: readonly string[], options: ServeOptions) => {
        const { serve } = await import("../target-serve.ts");
        await serve(images, options);
      }),
  );
  return target;
}

const collect = (value: string, before: readonly string[]) => [...before, value];

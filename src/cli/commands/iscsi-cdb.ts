import { readFile } from "node:fs/promises";
import { Command } from "commander";
import { UsageError } from "#core";
import { cdbTitle, formatSense, scsiStatusName } from "#scsi";
import { count, withIscsiOptions, type IscsiOptions } from "../iscsi-options.ts";
import { withSession } from "../iscsi-session.ts";
import { printJson } from "../output.ts";

interface CdbOptions extends IscsiOptions {
  readonly in?: number;
  readonly out?: string;
}

export function cdbCommand(): Command {
  return withIscsiOptions(new Command("cdb").description("send any SCSI command and show what comes back"))
    .argument("<url>", "iscsi://host[:port]/target[/lun]")
    .argument("<hex>", "6 to 260 bytes of CDB")
    .option("--in <n>", "bytes to expect from the target", count)
    .option("--out <file>", "data for the target")
    .addHelpText(
      "after",
      "\nExample:\n  sanlab iscsi cdb iscsi://192.0.2.1/iqn.2001-04.com.example:disk/0 12000000ff00 --in 255\n\nExit status 1 where the SCSI status is not GOOD.",
    )
    .action((url: string, hex: string, options: CdbOptions) =>
      withSession(url, options, async ({ session, lun, signal }) => {
        const cdb = readCdb(hex);
        const readInto = options.in === undefined ? undefined : Buffer.alloc(options.in);
        const write = options.out === undefined ? undefined : await readFile(options.out);
        const result = await session.execute({
          lun,
          cdb,
          signal,
          ...(readInto && { readInto }),
          ...(write && { write }),
        });
        const data = readInto?.subarray(0, result.read);
        const { status, sense, residual } = result;
        if (options.json) {
          printJson({
            command: cdbTitle(cdb),
            status,
            statusName: scsiStatusName(status),
            sense: sense ?? null,
            residual,
            data: data?.toString("hex") ?? null,
          });
        } else {
          process.stderr.write(
            `${cdbTitle(cdb)}: ${scsiStatusName(status)}${sense === undefined ? "" : `, ${formatSense(sense)}`}\n`,
          );
          process.stdout.write(hexDump(data ?? Buffer.alloc(0)));
        }
        process.exitCode = status === 0 ? 0 : 1;
      }),
    );
}

function readCdb(hex: string): Buffer {
  const digits = hex.replaceAll(/[\s:_-]/g, "");
  if (/^(?:[0-9a-fA-F]{2}){6,260}$/.test(digits)) return Buffer.from(digits, "hex");
  throw new UsageError(
    "BAD_CDB",
    `${JSON.stringify(hex.slice(0, 40))}: a CDB is 6 to 260 bytes in hexadecimal, as 12000000ff00`,
  );
}

function hexDump(data: Buffer): string {
  let text = "";
  for (let at = 0; at < data.length; at += 16) {
    const row = data.subarray(at, at + 16);
    const digits = [...row].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = [...row]
      .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCodePoint(byte) : "."))
      .join("");
    text += `${at.toString(16).padStart(6, "0")}  ${digits.padEnd(47)}  ${letters}\n`;
  }
  return text;
}

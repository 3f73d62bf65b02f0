import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { Command } from "commander";
import { UsageError } from "#core";
import { count, withIscsiOptions, type IscsiOptions } from "../iscsi-options.ts";
import { withSession } from "../iscsi-session.ts";
import { printJson } from "../output.ts";

interface ReadOptions extends IscsiOptions {
  readonly lba: number;
  readonly blocks: number;
  readonly out?: string;
}

export function readCommand(): Command {
  return withIscsiOptions(new Command("read").description("read blocks to a file, or to standard output"))
    .argument("<url>", "iscsi://host[:port]/target[/lun]")
    .requiredOption("--lba <n>", "first block", count)
    .requiredOption("--blocks <n>", "how many", count)
    .option("--out <file>", "where to; standard output unless told")
    .addHelpText(
      "after",
      "\nExample:\n  sanlab iscsi read iscsi://192.0.2.1/iqn.2001-04.com.example:disk/0 --lba 0 --blocks 1 --out mbr.bin",
    )
    .action((url: string, options: ReadOptions) =>
      withSession(url, options, async ({ session, lun, signal }) => {
        const disk = await session.disk(lun, { signal });
        const { lba, blocks, out, json } = options;
        checkExtent(lba, blocks, disk);
        const data = Buffer.alloc(blocks * disk.blockSize);
        await disk.read(lba * disk.blockSize, data, { signal });
        if (out !== undefined) await writeFile(out, data);
        else if (!json) process.stdout.write(data);
        if (json)
          printJson({
            lba,
            blocks,
            blockSize: disk.blockSize,
            sha256: sha256(data),
            ...(out === undefined && { data: data.toString("base64") }),
          });
      }),
    );
}

export function writeCommand(): Command {
  return withIscsiOptions(new Command("write").description("write a file's bytes to blocks, and flush"))
    .argument("<url>", "iscsi://host[:port]/target[/lun]")
    .requiredOption("--lba <n>", "first block", count)
    .requiredOption("--in <file>", "what to write; its size must be whole blocks")
    .addHelpText(
      "after",
      "\nExample:\n  sanlab iscsi write iscsi://192.0.2.1/iqn.2001-04.com.example:disk/0 --lba 0 --in mbr.bin",
    )
    .action(async (url: string, options: IscsiOptions & { readonly lba: number; readonly in: string }) => {
      const data = await readFile(options.in);
      await withSession(url, options, async ({ session, lun, signal }) => {
        const disk = await session.disk(lun, { signal });
        if (data.length === 0 || data.length % disk.blockSize !== 0) {
          throw new UsageError(
            "NOT_WHOLE_BLOCKS",
            `${options.in}: ${data.length} bytes are not whole blocks of ${disk.blockSize}`,
          );
        }
        const blocks = data.length / disk.blockSize;
        checkExtent(options.lba, blocks, disk);
        await disk.write(options.lba * disk.blockSize, data, { signal });
        await disk.flush({ signal });
        if (options.json)
          printJson({ lba: options.lba, blocks, blockSize: disk.blockSize, sha256: sha256(data) });
      });
    });
}

function checkExtent(
  lba: number,
  blocks: number,
  disk: { readonly size: number; readonly blockSize: number },
): void {
  const last = disk.size / disk.blockSize;
  if (blocks > 0 && lba + blocks <= last) return;
  throw new UsageError(
    "OUT_OF_RANGE",
    `blocks ${lba} to ${lba + blocks - 1}: the disk has ${last} blocks, from 0 on`,
  );
}

const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");

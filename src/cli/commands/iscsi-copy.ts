import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { Command } from "commander";
import { FileDevice, isZero, type BlockDevice } from "#block";
import { SanlabError, UsageError } from "#core";
import { withIscsiOptions, type IscsiOptions } from "../iscsi-options.ts";
import { bounded } from "../iscsi-session.ts";
import { isUrl, openDevice, type OpenDeviceOptions } from "../open-device.ts";
import { printJson, say } from "../output.ts";

const pieceSize = 1024 * 1024;
const piecesAtOnce = 8;

type CopyOptions = IscsiOptions & { readonly verify?: true };

export function copyCommand(): Command {
  return withIscsiOptions(
    new Command("copy").description(
      "copy a disk between iSCSI URLs, NBD URLs and image files, holes left out",
    ),
  )
    .argument("<source>", "an iSCSI URL, an NBD URL or an image file")
    .argument("<destination>", "one of these at least as large, or a new file")
    .option("--verify", "read both sides again and compare")
    .addHelpText(
      "after",
      "\nExamples:\n  sanlab iscsi copy iscsi://192.0.2.1/iqn.2001-04.com.example:disk/0 disk.img --verify" +
        "\n  sanlab iscsi copy disk.qcow2 nbd://192.0.2.1/export" +
        "\n\nA big disk needs a --timeout that lets it finish.",
    )
    .action((source: string, destination: string, options: CopyOptions) =>
      bounded(options, async (signal, trace) => {
        await using resources = new AsyncDisposableStack();
        const open = { iscsi: options, signal, trace };
        const from = await openDevice(source, { ...open, readOnly: true }, resources);
        const to = checked(destination, from, await openDestination(destination, from, open, resources));
        const copied = await copy(from, to, signal);
        await to.flush({ signal });
        if (options.verify) await verify(from, to, signal);
        if (options.json) printJson({ bytes: from.size, copied, verified: options.verify === true });
        else say(`${from.size} bytes, ${copied} of them data${options.verify ? ", verified" : ""}`);
      }),
    );
}

async function openDestination(
  text: string,
  from: BlockDevice,
  options: OpenDeviceOptions,
  resources: AsyncDisposableStack,
): Promise<BlockDevice> {
  const exists = isUrl(text) || (await stat(text).then(Boolean, () => false));
  if (exists) return await openDevice(text, options, resources);
  const format = /\.(qcow2|vhdx|vmdk|vdi)$/i.exec(text)?.[1]?.toLowerCase();
  if (format === undefined) return resources.use(await FileDevice.create(text, from.size));
  throw new UsageError(
    "NOT_RAW",
    `${text}: a new file is a raw image; make it first: qemu-img create -f ${format} ${text} ${from.size}`,
  );
}

function checked(name: string, from: BlockDevice, to: BlockDevice): BlockDevice {
  if (to.size >= from.size && from.size % to.blockSize === 0) return to;
  throw new UsageError("TOO_SMALL", `${name}: ${to.size} bytes do not hold the source's ${from.size}`);
}

/** Copies what is data and lets go of the rest; gives the bytes copied. */
async function copy(from: BlockDevice, to: BlockDevice, signal: AbortSignal): Promise<number> {
  const io = { signal };
  const progress = new Progress("copied", from.size);
  let copied = 0;
  for await (const { offset, length, allocated } of from.extents(0, from.size, io)) {
    if (!allocated) {
      await to.trim(offset, length, io);
      progress.add(length);
      continue;
    }
    await inPieces(offset, length, async (at, buffer) => {
      await from.read(at, buffer, io);
      // Not every source knows its holes.
      if (isZero(buffer)) await to.trim(at, buffer.length, io);
      else {
        await to.write(at, buffer, io);
        copied += buffer.length;
      }
      progress.add(buffer.length);
    });
  }
  progress.end();
  return copied;
}

async function verify(from: BlockDevice, to: BlockDevice, signal: AbortSignal): Promise<void> {
  const io = { signal };
  const progress = new Progress("verified", from.size);
  await inPieces(0, from.size, async (at, buffer) => {
    const other = Buffer.alloc(buffer.length);
    await Promise.all([from.read(at, buffer, io), to.read(at, other, io)]);
    if (!digest(buffer).equals(digest(other))) {
      throw new SanlabError(
        "VERIFY_FAILED",
        `the copy differs from its source in the ${buffer.length} bytes at ${at}`,
      );
    }
    progress.add(buffer.length);
  });
  progress.end();
}

async function inPieces(
  offset: number,
  length: number,
  work: (at: number, buffer: Buffer) => Promise<void>,
): Promise<void> {
  let next = offset;
  const worker = async () => {
    const buffer = Buffer.allocUnsafeSlow(pieceSize);
    while (next < offset + length) {
      const at = next;
      const size = Math.min(pieceSize, offset + length - at);
      next += size;
      await work(at, buffer.subarray(0, size));
    }
  };
  await Promise.all(Array.from({ length: piecesAtOnce }, worker));
}

/** One line that rewrites itself, only where somebody can see it. */
class Progress {
  readonly #what: string;
  readonly #total: number;
  #done = 0;
  #shown = -1;

  constructor(what: string, total: number) {
    this.#what = what;
    this.#total = total;
  }

  add(bytes: number): void {
    this.#done += bytes;
    const percent = Math.floor((this.#done / this.#total) * 100);
    if (!process.stderr.isTTY || percent === this.#shown) return;
    this.#shown = percent;
    const bar = "#".repeat(Math.floor(percent / 4)).padEnd(25, ".");
    process.stderr.write(`\r${this.#what} [${bar}] ${percent} %`);
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write("\n");
  }
}

const digest = (data: Uint8Array) => createHash("sha256").update(data).digest();

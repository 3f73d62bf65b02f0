import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { Command } from "commander";
import { FileDevice, type BlockDevice } from "#block";
import { SanlabError, UsageError } from "#core";
import { withIscsiOptions, type IscsiOptions } from "../iscsi-options.ts";
import { withSession } from "../iscsi-session.ts";
import { printJson, say } from "../output.ts";

const pieceSize = 1024 * 1024;
const piecesAtOnce = 8;

type CopyOptions = IscsiOptions & { readonly verify?: true };
type Use = (device: BlockDevice, signal: AbortSignal | undefined) => Promise<void>;

export function copyCommand(): Command {
  return withIscsiOptions(
    new Command("copy").description("copy a disk between iSCSI URLs and raw image files, holes left out"),
  )
    .argument("<source>", "an iSCSI URL or a raw image file")
    .argument("<destination>", "an iSCSI URL, an image file at least as large, or a new file")
    .option("--verify", "read both sides again and compare")
    .addHelpText(
      "after",
      "\nExample:\n  sanlab iscsi copy iscsi://192.0.2.1/iqn.2001-04.com.example:disk/0 disk.img --verify\n\nA big disk needs a --timeout that lets it finish.",
    )
    .action((source: string, destination: string, options: CopyOptions) =>
      withSource(source, options, (from, signal) =>
        withDestination(destination, from, options, async (to) => {
          const copied = await copy(from, to, signal);
          await to.flush(signal && { signal });
          if (options.verify) await verify(from, to, signal);
          if (options.json) printJson({ bytes: from.size, copied, verified: options.verify === true });
          else say(`${from.size} bytes, ${copied} of them data${options.verify ? ", verified" : ""}`);
        }),
      ),
    );
}

async function withSource(text: string, options: CopyOptions, use: Use): Promise<void> {
  if (isUrl(text)) {
    await withSession(text, options, async ({ session, lun, signal }) =>
      use(await session.disk(lun, { signal }), signal),
    );
    return;
  }
  await using device = await FileDevice.open(text, { readOnly: true });
  await use(device, undefined);
}

async function withDestination(
  text: string,
  from: BlockDevice,
  options: CopyOptions,
  use: (to: BlockDevice) => Promise<void>,
): Promise<void> {
  if (isUrl(text)) {
    await withSession(text, options, async ({ session, lun, signal }) =>
      use(checked(text, from, await session.disk(lun, { signal }))),
    );
    return;
  }
  const exists = await stat(text).then(
    () => true,
    () => false,
  );
  await using device = exists ? await FileDevice.open(text) : await FileDevice.create(text, from.size);
  await use(checked(text, from, device));
}

function checked(name: string, from: BlockDevice, to: BlockDevice): BlockDevice {
  if (to.size >= from.size && from.size % to.blockSize === 0) return to;
  throw new UsageError("TOO_SMALL", `${name}: ${to.size} bytes do not hold the source's ${from.size}`);
}

/** Copies what is allocated and lets go of the rest; gives the bytes copied. */
async function copy(from: BlockDevice, to: BlockDevice, signal: AbortSignal | undefined): Promise<number> {
  const io = signal && { signal };
  const progress = new Progress("copied", from.size);
  let copied = 0;
  for await (const { offset, length, allocated } of from.extents(0, from.size, io)) {
    if (!allocated) await to.trim(offset, length, io);
    else {
      await inPieces(offset, length, async (at, buffer) => {
        await from.read(at, buffer, io);
        await to.write(at, buffer, io);
        progress.add(buffer.length);
      });
      copied += length;
    }
    if (!allocated) progress.add(length);
  }
  progress.end();
  return copied;
}

async function verify(from: BlockDevice, to: BlockDevice, signal: AbortSignal | undefined): Promise<void> {
  const io = signal && { signal };
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

function isUrl(text: string): boolean {
  if (/^nbd(?:\+unix)?:/.test(text)) {
    throw new UsageError(
      "NBD_UNSUPPORTED",
      `${text}: NBD URLs cannot be copied yet; use nbdcopy for that side`,
    );
  }
  return text.startsWith("iscsi:");
}

const digest = (data: Uint8Array) => createHash("sha256").update(data).digest();

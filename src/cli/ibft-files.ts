import { readFile, writeFile } from "node:fs/promises";
import { UsageError } from "#core";
import { parseIbftSpec, writeIbft } from "#ibft";
import { isFolder, readSysfs } from "./ibft-own.ts";

/** The bytes of a file, or of standard input for `-`. */
export async function readBytes(file: string): Promise<Buffer> {
  if (file !== "-") return readFile(file);
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}

/** A file with a table, or a folder like /sys/firmware/ibft. Throws a UsageError for anything else. */
export async function readTable(file: string): Promise<Uint8Array> {
  if (file !== "-" && (await isFolder(file))) return await readSysfs(file);
  const bytes = await readBytes(file);
  if (!isTable(bytes)) {
    throw new UsageError(
      "NOT_AN_IBFT",
      `${file}: no iBFT: it does not begin with the signature; \`sanlab ibft find\` searches memory images`,
    );
  }
  return bytes;
}

/** A table as it is, or made from a specification in YAML. */
export async function readTableOrSpec(file: string): Promise<Uint8Array> {
  const bytes = await readBytes(file);
  return isTable(bytes) ? bytes : writeIbft(parseIbftSpec(bytes.toString("utf8"), file));
}

/** Writes a file that may hold secrets: only its owner can read it. `-` is standard output. */
export async function writeOut(file: string, bytes: Uint8Array): Promise<void> {
  if (file === "-") process.stdout.write(bytes);
  else await writeFile(file, bytes, { mode: 0o600 });
}

function isTable(bytes: Buffer): boolean {
  return ["iBFT", "IBFT", "BIFT"].includes(bytes.toString("latin1", 0, 4));
}

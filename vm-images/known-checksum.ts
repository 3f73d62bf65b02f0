import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { readJson, writeWhole } from "./whole-file.ts";

const recordSchema = z.object({
  formatVersion: z.literal(1),
  sha256: z.string(),
  bytes: z.number(),
  /** Modification time at which `sha256` was right; a decimal, since it does not fit a double. */
  mtimeNs: z.string(),
});

/**
 * The recorded checksum of a file, undefined where it holds no longer. It is believed while size and modification time
 * are the recorded ones, and computed again otherwise.
 */
export async function verifiedChecksum(file: string, record: string): Promise<string | undefined> {
  const known = await readJson(record, recordSchema);
  const found = await stat(file, { bigint: true }).catch(() => undefined);
  if (known === undefined || found === undefined || BigInt(known.bytes) !== found.size) return undefined;
  if (known.mtimeNs === found.mtimeNs.toString()) return known.sha256;
  if ((await sha256Of(file)) !== known.sha256) return undefined;
  await writeRecord(record, { ...known, mtimeNs: found.mtimeNs.toString() });
  return known.sha256;
}

/** Computes a file's checksum and records it. */
export async function recordChecksum(file: string, record: string): Promise<string> {
  const { size, mtimeNs } = await stat(file, { bigint: true });
  const sha256 = await sha256Of(file);
  await writeRecord(record, { formatVersion: 1, sha256, bytes: Number(size), mtimeNs: mtimeNs.toString() });
  return sha256;
}

function writeRecord(record: string, data: z.infer<typeof recordSchema>): Promise<void> {
  return writeWhole(record, `${JSON.stringify(data, null, 2)}\n`);
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

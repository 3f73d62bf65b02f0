import { rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { wrapDiskErrors } from "./disk-space.ts";

export interface WriteJsonOptions {
  /** Version of the file's meaning; the first key of the document. Default 1. */
  readonly formatVersion?: number;
  /** Permission bits. Default 0o600: what a lab writes may tell more than its folder's name does. */
  readonly mode?: number;
}

/**
 * Writes an object as a JSON document that begins with its `formatVersion`. A reader sees the old file or the new one,
 * never half of either.
 *
 * @throws LabError `DISK_FULL`
 */
export async function writeJson(file: string, data: object, options: WriteJsonOptions = {}): Promise<void> {
  const text = `${JSON.stringify({ formatVersion: options.formatVersion ?? 1, ...data }, undefined, 2)}\n`;
  const folder = path.dirname(file);
  const unfinished = path.join(folder, `.${path.basename(file)}.${process.pid}`);
  await wrapDiskErrors(folder, async () => {
    try {
      await writeFile(unfinished, text, { mode: options.mode ?? 0o600, flush: true });
      await rename(unfinished, file);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  });
}

import { readdir } from "node:fs/promises";
import path from "node:path";
import { LabError } from "#core";

/** The path of the one entry of `folder` (or of the first of its subfolders `under` that has one) with such a name. */
export async function findOne(
  folder: string,
  name: RegExp,
  under: readonly string[] = ["."],
): Promise<string> {
  for (const subfolder of under) {
    const names = await readdir(path.join(folder, subfolder)).catch(() => []);
    const found = names.find((candidate) => name.test(candidate));
    if (found !== undefined) return path.join(folder, subfolder, found);
  }
  throw new LabError("GUEST_PACKAGES", `the guest's Debian packages hold no file ${name.source}`);
}

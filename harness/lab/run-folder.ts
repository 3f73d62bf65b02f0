import { chmod, mkdir, open, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { LabError, UsageError, errorCode, errorMessage } from "#core";
import { diskError } from "./disk-space.ts";

export interface RunFolderOptions {
  /** Name of what is run; becomes the end of the folder's name. */
  readonly scenario: string;
  /** Where runs are kept. Default `runs` in the current folder. */
  readonly runs?: string;
  /** Take exactly this folder instead; the evidence of a run that was there before is removed. */
  readonly out?: string;
  /** Default: now. */
  readonly time?: Date;
}

/** What a run leaves in its folder, and the next one into the same folder may remove. */
const EVIDENCE =
  /^(?:events\.jsonl|(?:plan|verdict)\.json|(?:serial|qemu|target)[\w-]*\.log|[\w-]+\.pcap(?:ng)?|ibft[\w-]*\.bin|screen[\w-]*\.(?:png|txt)|report\.\w+)$/;

/**
 * Makes the folder of a run, for its owner only (mode 0700): `runs/20250131T102030.123Z-<scenario>`, whose names sort by
 * time, with a number at the end where two runs begin in the same millisecond.
 *
 * @returns its absolute path
 * @throws UsageError `OUT_NOT_EMPTY` where `out` has files in it but no run; LabError `RUN_FOLDER`,
 *   `DISK_FULL`
 */
export async function openRunFolder(options: RunFolderOptions): Promise<string> {
  const wanted = path.resolve(options.out ?? path.join(options.runs ?? "runs", folderName(options)));
  try {
    return options.out === undefined ? await freshFolder(wanted) : await givenFolder(wanted);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const full = diskError(error, wanted);
    if (full) throw full;
    throw new LabError(
      "RUN_FOLDER",
      `cannot make the run folder ${wanted} (${errorCode(error) || errorMessage(error)}): choose another with --out`,
      { cause: error },
    );
  }
}

function folderName({ scenario, time = new Date() }: RunFolderOptions): string {
  const stamp = time.toISOString().replaceAll(/[-:]/g, "");
  const slug = scenario
    .toLowerCase()
    .replaceAll(/[^a-z0-9._]+/g, "-")
    .replaceAll(/^[-.]+|[-.]+$/g, "")
    .slice(0, 60);
  return `${stamp}-${slug || "run"}`;
}

async function freshFolder(wanted: string): Promise<string> {
  await mkdir(path.dirname(wanted), { recursive: true });
  for (let number = 1; ; number++) {
    const folder = number === 1 ? wanted : `${wanted}-${number}`;
    try {
      await mkdir(folder, { mode: 0o700 });
      return folder;
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
  }
}

async function givenFolder(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const present = await readdir(folder);
  if (present.length > 0 && !(await isRun(folder))) {
    throw new UsageError(
      "OUT_NOT_EMPTY",
      `${folder} holds other files than those of a run: choose another with --out`,
    );
  }
  for (const name of present.filter((name) => EVIDENCE.test(name)))
    await rm(path.join(folder, name), { force: true });
  await chmod(folder, 0o700);
  return folder;
}

/** Whether there is a timeline in the folder, by its first words. */
async function isRun(folder: string): Promise<boolean> {
  const opening = Buffer.from('{"formatVersion":');
  try {
    await using file = await open(path.join(folder, "events.jsonl"), "r");
    const { buffer } = await file.read(Buffer.alloc(opening.length), 0, opening.length, 0);
    return buffer.equals(opening);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

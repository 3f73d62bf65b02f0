import { statfs } from "node:fs/promises";
import { LabError, errorCode } from "#core";

const MEBIBYTE = 1 << 20;

/**
 * Makes sure that the file system under `folder` has room before anything is begun that would run out of it later.
 *
 * @throws LabError `DISK_FULL`
 */
export async function requireDiskSpace(folder: string, bytes: number): Promise<void> {
  const free = await freeBytes(folder);
  if (free >= bytes) return;
  throw new LabError(
    "DISK_FULL",
    `${folder}: ${toMebibytes(free)} MiB free, ${toMebibytes(bytes)} needed: free some space, or choose another folder with --out`,
    { details: { folder, freeBytes: free, neededBytes: bytes } },
  );
}

/** What an unprivileged user may still write to the file system under `folder`, in bytes. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** Does `work`; where the disk is full or a quota reached, that becomes one line which names the place and the cure. */
export async function wrapDiskErrors<T>(folder: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw diskError(error, folder) ?? error;
  }
}

/** The LabError `DISK_FULL` for an error that says so, however deep inside it; undefined for any other. */
export function diskError(error: unknown, folder: string): LabError | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const code = errorCode(at);
    if (code === "DISK_FULL") return undefined;
    if (code === "ENOSPC" || code === "EDQUOT") {
      const what = code === "ENOSPC" ? "the disk is full" : "the disk quota is used up";
      const file = "path" in at && typeof at.path === "string" ? at.path : folder;
      return new LabError(
        "DISK_FULL",
        `${file}: ${what}: free some space, or choose another folder with --out`,
        {
          cause: error,
          details: { folder },
        },
      );
    }
  }
  return undefined;
}

function toMebibytes(bytes: number): number {
  return Math.floor(bytes / MEBIBYTE);
}

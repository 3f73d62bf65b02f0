import { LabError, UsageError, errorMessage, type SanlabError } from "#core";

/** Turns what the file system said about `file` into an error that names the file and the cure. */
export function fileError(
  file: string,
  doing: "open" | "create" | "read" | "write",
  cause: unknown,
): SanlabError {
  switch (errorCode(cause)) {
    case "ENOENT":
      return doing === "create"
        ? new UsageError("NO_SUCH_FOLDER", `${file}: the folder does not exist; make it first`, { cause })
        : new UsageError("IMAGE_MISSING", `${file}: no such file; check the path`, { cause });
    case "EACCES":
    case "EPERM":
      return new UsageError(
        "NO_PERMISSION",
        `${file}: no permission to ${doing} it; check its owner and mode`,
        { cause },
      );
    case "EROFS":
      return new UsageError("NO_PERMISSION", `${file}: its file system is read-only; open it read-only`, {
        cause,
      });
    case "EEXIST":
      return new UsageError("FILE_EXISTS", `${file}: exists already; remove it or choose another name`, {
        cause,
      });
    case "ENOSPC":
    case "EDQUOT":
      return new LabError(
        "DISK_FULL",
        `${file}: no space left to ${doing} it; free some or use another folder`,
        { cause },
      );
    case "EFBIG":
      return new LabError(
        "DISK_FULL",
        `${file}: too large for its file system or for the process's file-size limit`,
        {
          cause,
        },
      );
    case "EIO":
      return new LabError(
        "STORAGE_BROKEN",
        `${file}: the disk below it failed to ${doing}; see the kernel's log`,
        {
          cause,
        },
      );
    default:
      return new LabError("FILE_FAILED", `${file}: cannot ${doing} it: ${errorMessage(cause)}`, { cause });
  }
}

function errorCode(cause: unknown): string {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
}

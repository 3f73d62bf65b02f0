import { LabError } from "#core";
import { execa, ExecaError, type Options } from "execa";

/** The Debian package of each program that building images needs. */
const packageOf: Readonly<Record<string, string>> = {
  "apt-cache": "apt",
  "apt-get": "apt",
  "dpkg-deb": "dpkg",
  tar: "tar",
  xz: "xz-utils",
  depmod: "kmod",
  "grub-mkimage": "grub-common",
  mformat: "mtools",
  mcopy: "mtools",
  mmd: "mtools",
  "mkfs.ext4": "e2fsprogs",
  debugfs: "e2fsprogs",
  nasm: "nasm",
  "qemu-img": "qemu-utils",
};

export interface ToolOptions {
  readonly signal?: AbortSignal | undefined;
  readonly cwd?: string;
  /** Where the tool writes, for the message when that place is full. */
  readonly writes?: string;
}

/**
 * Runs a program of this machine to its end and gives its standard output.
 *
 * @throws LabError `TOOL_MISSING`, `DISK_FULL` or `TOOL_FAILED`; the signal's reason when that aborts.
 */
export async function runTool(
  tool: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<string> {
  try {
    // Inferring the result from the options themselves would take the compiler seconds.
    const settings: Options = execaOptions(options);
    const { stdout } = await execa(tool, args, settings);
    return typeof stdout === "string" ? stdout : "";
  } catch (error) {
    throw explain(tool, error, options);
  }
}

/** Unpacks the files of a Debian package, except those whose path matches a pattern of `without`. */
export async function unpack(
  archive: string,
  into: string,
  without: readonly string[],
  options: ToolOptions = {},
): Promise<void> {
  const settings = execaOptions({ ...options, cwd: into });
  try {
    await execa("dpkg-deb", ["--fsys-tarfile", archive], {
      ...settings,
      buffer: false,
      encoding: "buffer",
    }).pipe("tar", ["-x", "--no-same-owner", ...without.map((pattern) => `--exclude=${pattern}`)], settings);
  } catch (error) {
    throw explain("dpkg-deb | tar", error, { writes: into, ...options });
  }
}

interface Settings {
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: "ignore";
  readonly cwd?: string;
  readonly cancelSignal?: AbortSignal;
  readonly forceKillAfterDelay: number;
}

function execaOptions(options: ToolOptions): Settings {
  return {
    // A user's PATH on Debian lacks the folders of mkfs.ext4 and depmod.
    env: { PATH: `${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin:/sbin`, LC_ALL: "C" },
    stdin: "ignore",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    forceKillAfterDelay: 2000,
  };
}

function explain(tool: string, error: unknown, options: ToolOptions): unknown {
  options.signal?.throwIfAborted();
  if (!(error instanceof ExecaError)) return error;
  if (error.code === "ENOENT") {
    const debian = packageOf[tool] ?? tool;
    return new LabError("TOOL_MISSING", `${tool} is missing: sudo apt-get install ${debian}`, {
      cause: error,
    });
  }
  const said = typeof error.stderr === "string" ? error.stderr : error.shortMessage;
  if (/No space left on device|\bENOSPC\b|Could not write block|no free space/iu.test(said)) {
    return diskFull(options.writes ?? options.cwd ?? ".", error);
  }
  const line = said.trim().split("\n").at(-1) ?? "";
  return new LabError("TOOL_FAILED", `${tool} failed: ${line || error.shortMessage}`, { cause: error });
}

/** The errno name of a file system error, where it is one. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** What to tell when the file system under `place` is full. */
export function diskFull(place: string, cause: unknown): LabError {
  return new LabError(
    "DISK_FULL",
    `the disk is full at ${place}: make room (an image needs some 200 MB while it is built) or set SANLAB_CACHE to another folder`,
    { cause },
  );
}

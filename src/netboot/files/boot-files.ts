import { constants } from "node:fs";
import { open, readlink, realpath, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { LabError, UsageError, errorCode } from "#core";

export interface BootFilesOptions {
  /** The folder whose files are served; none where left out. */
  readonly root?: string;
  /** Files held in memory, by name. They win over those of the folder. */
  readonly entries?: Readonly<Record<string, string | Uint8Array>>;
}

/** A file while it is being sent. Its content is what it was when it was opened, as far as the file system keeps it. */
export interface OpenBootFile extends AsyncDisposable {
  readonly size: number;
  readonly modified: Date;
  /** Changes when the content does. */
  readonly version: string;
  /** Fills `into` from `offset` on; fewer bytes only at the end of the file. */
  read(offset: number, into: Uint8Array): Promise<number>;
}

/**
 * The files that TFTP and HTTP clients may read: a folder, and entries in memory that may be changed while the servers
 * run. Nothing outside the folder is ever served, neither by `..` nor by a symbolic link that leads out of it, and
 * nothing but regular files.
 */
export class BootFiles {
  readonly #root: string | undefined;
  readonly #entries = new Map<string, MemoryFile>();

  private constructor(root: string | undefined) {
    this.#root = root;
  }

  /** @throws UsageError where the folder does not exist or an entry has no proper name */
  static async open({ root, entries = {} }: BootFilesOptions = {}): Promise<BootFiles> {
    const real = root === undefined ? undefined : await realFolder(root);
    const files = new BootFiles(real);
    for (const [name, content] of Object.entries(entries)) files.set(name, content);
    return files;
  }

  /** Puts a file in memory, in place of one of that name. Transfers that have begun go on with the old content. */
  set(name: string, content: string | Uint8Array): void {
    const normal = normalizeName(name);
    if (normal === undefined) throw new UsageError("BAD_NAME", `"${name}" is no name for a file to serve`);
    this.#entries.set(normal, new MemoryFile(Buffer.from(content)));
  }

  delete(name: string): boolean {
    return this.#entries.delete(normalizeName(name) ?? "");
  }

  /**
   * Opens the file that a client named; leading slashes do not matter. Undefined where there is none, which includes
   * all that must not be served: the client is not told the difference.
   */
  async find(name: string): Promise<OpenBootFile | undefined> {
    const normal = normalizeName(name);
    if (normal === undefined) return undefined;
    const entry = this.#entries.get(normal);
    if (entry || this.#root === undefined) return entry;
    try {
      return await openBelow(this.#root, normal);
    } catch (error) {
      if (ABSENT.has(errorCode(error))) return undefined;
      throw error;
    }
  }
}

/** Errors that mean no more than "no such file for you". */
const ABSENT = new Set(["ENOENT", "ENOTDIR", "EISDIR", "EACCES", "EPERM", "ELOOP", "ENAMETOOLONG", "ENXIO"]);

/** `/a//b/./c` is `a/b/c`; undefined where a component leads upwards or no file system would take the name. */
function normalizeName(name: string): string | undefined {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.length === 0 || parts.includes("..") || name.includes("\0") || name.length > 4096)
    return undefined;
  return parts.join("/");
}

async function realFolder(folder: string): Promise<string> {
  try {
    // The trailing slash makes the kernel refuse what is no folder.
    return await realpath(`${folder}/`);
  } catch (error) {
    throw new UsageError(
      "NO_FOLDER",
      `cannot serve the folder ${folder} (${errorCode(error)}); name one that exists`,
      {
        cause: error,
      },
    );
  }
}

async function openBelow(root: string, name: string): Promise<OpenBootFile | undefined> {
  const real = await realpath(path.join(root, name));
  if (!isBelow(root, real)) return undefined;
  // O_NONBLOCK: a FIFO must not hold the server up. O_NOFOLLOW: the path has been resolved already.
  const handle = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    // A folder of the path could have become a link since; the kernel knows what was really opened.
    const opened = process.platform === "linux" ? await readlink(`/proc/self/fd/${handle.fd}`) : real;
    const stat = await handle.stat({ bigint: true });
    if (stat.isFile() && isBelow(root, opened)) {
      const version = `${stat.mtimeNs.toString(36)}-${stat.size.toString(36)}`;
      return new DiskFile(handle, Number(stat.size), new Date(Number(stat.mtimeMs)), version);
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

function isBelow(root: string, file: string): boolean {
  return file.startsWith(root.endsWith("/") ? root : `${root}/`);
}

class DiskFile implements OpenBootFile {
  readonly #handle: FileHandle;
  readonly size: number;
  readonly modified: Date;
  readonly version: string;

  constructor(handle: FileHandle, size: number, modified: Date, version: string) {
    this.#handle = handle;
    this.size = size;
    this.modified = modified;
    this.version = version;
  }

  async read(offset: number, into: Uint8Array): Promise<number> {
    const wanted = Math.max(0, Math.min(into.length, this.size - offset));
    let done = 0;
    while (done < wanted) {
      const { bytesRead } = await this.#handle.read(into, done, wanted - done, offset + done);
      if (bytesRead === 0) throw new LabError("FILE_SHRANK", "a file became shorter while it was being sent");
      done += bytesRead;
    }
    return done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

class MemoryFile implements OpenBootFile {
  readonly #content: Uint8Array;
  readonly modified = new Date();
  readonly version: string;
  static #count = 0;

  constructor(content: Uint8Array) {
    this.#content = content;
    this.version = `m${(++MemoryFile.#count).toString(36)}-${this.modified.getTime().toString(36)}`;
  }

  get size(): number {
    return this.#content.length;
  }

  read(offset: number, into: Uint8Array): Promise<number> {
    const piece = this.#content.subarray(offset, offset + into.length);
    into.set(piece);
    return Promise.resolve(piece.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

import { writeFile } from "node:fs/promises";
import path from "node:path";
import { SanlabError } from "#core";
import { diskError, requireDiskSpace, wrapDiskErrors } from "./disk-space.ts";
import { openRunFolder, type RunFolderOptions } from "./run-folder.ts";
import { writeJson, type WriteJsonOptions } from "./write-json.ts";

export interface LabOptions extends RunFolderOptions {
  /** Room in bytes that the run's file system must have to begin. Default 256 MiB. */
  readonly minimumFreeBytes?: number;
  readonly signal?: AbortSignal;
}

const DEFAULT_MINIMUM_FREE = 256 << 20;

/**
 * One run's place and possessions: its folder, and everything that has to be taken down when it ends. Disposal goes in
 * reverse order of `own` and `defer`, goes on when one of them fails, and waits for each.
 */
export class Lab implements AsyncDisposable {
  /** Absolute path of the run folder. */
  readonly folder: string;
  readonly #stack = new AsyncDisposableStack();
  readonly #stopped = new AbortController();
  /** Aborts when the run is to stop: the caller's signal did, or the lab is being taken down. */
  readonly signal: AbortSignal;

  /**
   * Makes the run folder, once it is sure that there is room for a run.
   *
   * @throws what `openRunFolder` throws; LabError `DISK_FULL`; the signal's reason
   */
  static async open(options: LabOptions): Promise<Lab> {
    options.signal?.throwIfAborted();
    const folder = await openRunFolder(options);
    await requireDiskSpace(folder, options.minimumFreeBytes ?? DEFAULT_MINIMUM_FREE);
    return new Lab(folder, options.signal);
  }

  /**
   * Goes on in a run folder that is there already, as the program inside a private namespace does in the one that was
   * made outside.
   */
  static async adopt(folder: string, options: { readonly signal?: AbortSignal } = {}): Promise<Lab> {
    options.signal?.throwIfAborted();
    await requireDiskSpace(folder, DEFAULT_MINIMUM_FREE);
    return new Lab(path.resolve(folder), options.signal);
  }

  private constructor(folder: string, signal: AbortSignal | undefined) {
    this.folder = folder;
    this.signal = signal ? AbortSignal.any([signal, this.#stopped.signal]) : this.#stopped.signal;
  }

  /** Path of a file in the run folder. */
  path(name: string): string {
    return path.join(this.folder, name);
  }

  /** Takes a resource over, to be disposed of with the lab. */
  own<T extends Disposable | AsyncDisposable>(resource: T): T {
    this.#stack.use(resource);
    return resource;
  }

  /** Something to be done when the lab is taken down. */
  defer(work: () => void | Promise<void>): void {
    this.#stack.defer(work);
  }

  /** Writes a JSON document with a `formatVersion` into the run folder, for its owner only. */
  async writeJson(name: string, data: object, options: WriteJsonOptions = {}): Promise<void> {
    await writeJson(this.path(name), data, options);
  }

  /** Writes a file into the run folder, for its owner only. */
  async write(name: string, content: string | Uint8Array): Promise<void> {
    await wrapDiskErrors(this.folder, () => writeFile(this.path(name), content, { mode: 0o600 }));
  }

  /**
   * Does the run's work; what goes wrong in it because the disk is full is told as that.
   *
   * @throws what `work` throws, LabError `DISK_FULL`
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    return await wrapDiskErrors(this.folder, work);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new SanlabError("LAB_CLOSED", "the run is over"));
    try {
      await this.#stack.disposeAsync();
    } catch (error) {
      throw diskError(error, this.folder) ?? error;
    }
  }
}

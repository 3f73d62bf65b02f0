import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { Report } from "#core";
import { errnoOf } from "./host-tool.ts";
import { recordChecksum, verifiedChecksum } from "./known-checksum.ts";

export interface CachedImage {
  readonly image: string;
  readonly sha256: string;
}

/**
 * Finished images, each in a folder named by all that it was made from. A folder appears whole or not at all, and an
 * image is believed only as long as its size and time are the recorded ones or its checksum still is.
 */
export class ImageCache {
  readonly #folder: string;
  readonly #report: Report | undefined;

  constructor(cache: string, report?: Report) {
    this.#folder = path.join(cache, "images");
    this.#report = report;
  }

  /** The image, or undefined where it was never made or is damaged; a damaged one is told of and removed. */
  async find(key: string): Promise<CachedImage | undefined> {
    const folder = path.join(this.#folder, key);
    const { image, record } = filesIn(folder);
    const sha256 = await verifiedChecksum(image, record);
    if (sha256 !== undefined) return { image, sha256 };
    if (existsSync(folder)) {
      this.#report?.("guest-image", { step: "damaged", image });
      await this.#discard(folder);
    }
    return undefined;
  }

  /** Makes the image by `build`, which creates the file that it is given the path of and may fill the scratch folder. */
  async make(key: string, build: (image: string, scratch: string) => Promise<void>): Promise<CachedImage> {
    await mkdir(this.#folder, { recursive: true });
    await this.#sweep();
    const fresh = path.join(this.#folder, `.build-${randomUUID()}`);
    const scratch = `${fresh}-scratch`;
    try {
      await mkdir(fresh);
      await mkdir(scratch);
      const { image, record } = filesIn(fresh);
      await build(image, scratch);
      await chmod(image, 0o444);
      await recordChecksum(image, record);
      // Where another sanlab has finished the same image meanwhile, its one stays: somebody may be reading it.
      await rename(fresh, path.join(this.#folder, key)).catch((error: unknown) => {
        if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
      });
    } finally {
      await rm(fresh, { recursive: true, force: true });
      await rm(scratch, { recursive: true, force: true });
    }
    const made = await this.find(key);
    if (made === undefined) throw new Error(`the image ${key} vanished from ${this.#folder}`);
    return made;
  }

  /** Takes the folder away in one step, so that nobody meets half of it. */
  async #discard(folder: string): Promise<void> {
    const gone = path.join(this.#folder, `.build-${randomUUID()}`);
    await rename(folder, gone).catch(() => undefined);
    await rm(gone, { recursive: true, force: true });
  }

  /** Removes what killed builds left; a build takes seconds, so nothing that still runs is an hour old. */
  async #sweep(): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      if (!name.startsWith(".build-")) continue;
      const place = path.join(this.#folder, name);
      const found = await stat(place).catch(() => undefined);
      if (found !== undefined && Date.now() - found.mtimeMs > 3_600_000) {
        await rm(place, { recursive: true, force: true });
      }
    }
  }
}

function filesIn(folder: string): { readonly image: string; readonly record: string } {
  return { image: path.join(folder, "disk.raw"), record: path.join(folder, "image.json") };
}

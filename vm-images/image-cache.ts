import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { errnoOf } from "./host-tool.ts";
import { readJson, writeWhole } from "./whole-file.ts";

/** Where sanlab keeps what it can make again: `$SANLAB_CACHE`, else `$XDG_CACHE_HOME/sanlab`, else `~/.cache/sanlab`. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const { SANLAB_CACHE: own, XDG_CACHE_HOME: user = "" } = env;
  if (own) return path.resolve(own);
  return path.join(path.isAbsolute(user) ? user : path.join(homedir(), ".cache"), "sanlab");
}

export interface CachedImage {
  readonly image: string;
  readonly sha256: string;
}

const recordSchema = z.object({
  formatVersion: z.literal(1),
  sha256: z.string(),
  bytes: z.number(),
  /** Modification time when `sha256` was last known to hold; a decimal, since it does not fit a double. */
  mtimeNs: z.string(),
});

/**
 * Finished images, each in a folder named by all that it was made from. A folder appears whole or not at all, and an
 * image is believed only as long as its size and time are the recorded ones or its checksum still is.
 */
export class ImageCache {
  readonly #folder: string;

  constructor(cache: string) {
    this.#folder = path.join(cache, "images");
  }

  /** The image, or undefined where it was never made or is damaged; a damaged one is removed. */
  async find(key: string): Promise<CachedImage | undefined> {
    const folder = path.join(this.#folder, key);
    const image = path.join(folder, "disk.raw");
    const record = await readJson(path.join(folder, "image.json"), recordSchema);
    const found = await stat(image, { bigint: true }).catch(() => undefined);
    if (record !== undefined && found !== undefined && found.size === BigInt(record.bytes)) {
      if (found.mtimeNs.toString() === record.mtimeNs) return { image, sha256: record.sha256 };
      if ((await sha256Of(image)) === record.sha256) {
        await writeRecord(folder, record.sha256);
        return { image, sha256: record.sha256 };
      }
    }
    await this.#discard(folder);
    return undefined;
  }

  /** Makes the image by `build`, which fills the file it is given the path of (and may use the folder around it). */
  async make(key: string, build: (image: string, scratch: string) => Promise<void>): Promise<CachedImage> {
    await mkdir(this.#folder, { recursive: true });
    await this.#sweep();
    const fresh = path.join(this.#folder, `.build-${randomUUID()}`);
    const scratch = `${fresh}-scratch`;
    try {
      await mkdir(fresh);
      await mkdir(scratch);
      await build(path.join(fresh, "disk.raw"), scratch);
      await chmod(path.join(fresh, "disk.raw"), 0o444);
      await writeRecord(fresh, await sha256Of(path.join(fresh, "disk.raw")));
      const folder = path.join(this.#folder, key);
      // Where another sanlab has finished the same image meanwhile, its one stays: somebody may be reading it.
      await rename(fresh, folder).catch((error: unknown) => {
        if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
      });
    } finally {
      await rm(fresh, { recursive: true, force: true });
      await rm(scratch, { recursive: true, force: true });
    }
    const made = await this.find(key);
    if (made === undefined)
      throw new Error(`the image ${key} vanished from ${this.#folder} while it was finished`);
    return made;
  }

  /** Takes the folder away in one step, so that nobody meets half of it. */
  async #discard(folder: string): Promise<void> {
    const gone = path.join(this.#folder, `.build-${randomUUID()}`);
    await rename(folder, gone).catch(() => undefined);
    await rm(gone, { recursive: true, force: true });
  }

  /** Removes what builds left that were killed; a build takes seconds, so an hour is far beyond any that still runs. */
  async #sweep(): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      const place = path.join(this.#folder, name);
      const found = name.startsWith(".build-") ? await stat(place).catch(() => undefined) : undefined;
      if (found !== undefined && Date.now() - found.mtimeMs > 3_600_000)
        await rm(place, { recursive: true, force: true });
    }
  }
}

async function writeRecord(folder: string, sha256: string): Promise<void> {
  const { size, mtimeNs } = await stat(path.join(folder, "disk.raw"), { bigint: true });
  const record: z.infer<typeof recordSchema> = {
    formatVersion: 1,
    sha256,
    bytes: Number(size),
    mtimeNs: mtimeNs.toString(),
  };
  await writeWhole(path.join(folder, "image.json"), `${JSON.stringify(record, null, 2)}\n`);
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

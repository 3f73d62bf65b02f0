import { createHash } from "node:crypto";
import { access, constants, readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { cacheFolder, LabError, UsageError, type Report } from "#core";
import { downloadPackages, resolvePackages } from "./debian-packages.ts";
import { buildDebianMini } from "./debian-mini/recipe.ts";
import { guestFolder } from "./guest-folder.ts";
import { diskFull, errnoOf } from "./host-tool.ts";
import { ImageCache } from "./image-cache.ts";
import { recordChecksum, verifiedChecksum } from "./known-checksum.ts";
import type { GuestManifest, RecipeSource } from "./manifest.ts";

export interface PrepareOptions {
  readonly signal?: AbortSignal;
  /** Told `guest-packages` (update, download) and `guest-image` (damaged, build, ready) with their figures. */
  readonly report?: Report;
  /** Where images and packages are kept; `SANLAB_CACHE` and the user's cache folder by default. */
  readonly cache?: string;
}

export interface PreparedGuest {
  /** Path of the disk image, which must not be written to. */
  readonly image: string;
  readonly sha256: string;
  readonly format: "raw";
  /** True where the image was made by this call, false where it was there. */
  readonly built: boolean;
}

/**
 * The guest's disk: taken from the cache or made now, by programs of this machine and without root. Any number of
 * calls may run side by side, and one that is interrupted leaves nothing behind.
 *
 * @throws LabError `APT_UNREACHABLE`, `GUEST_PACKAGES`, `TOOL_MISSING`, `TOOL_FAILED`, `DISK_FULL`; UsageError
 *   `GUEST_IMAGE` where the user's own image cannot be read or has another checksum than its manifest says.
 */
export async function prepareGuest(
  manifest: GuestManifest,
  options: PrepareOptions = {},
): Promise<PreparedGuest> {
  const { source } = manifest;
  const cache = options.cache ?? cacheFolder();
  try {
    if (source.kind === "file") return await checkFile(source.path, source.sha256, cache);
    return await fromRecipe(manifest, source, { ...options, cache });
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOSPC" || code === "EDQUOT") throw diskFull(cache, error);
    if (["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST"].includes(code ?? "")) {
      throw new LabError(
        "CACHE_UNWRITABLE",
        `cannot write to ${cache}: set SANLAB_CACHE to a folder of yours`,
        {
          cause: error,
        },
      );
    }
    throw error;
  }
}

async function fromRecipe(
  manifest: GuestManifest,
  source: RecipeSource,
  options: PrepareOptions & { readonly cache: string },
): Promise<PreparedGuest> {
  const { cache, signal, report } = options;
  const packages = await resolvePackages(source.packages, { cache, signal, report });
  const recipe = await folderDigest(path.join(guestFolder, source.recipe));
  const inputs = JSON.stringify([recipe, source.nicDrivers, manifest.diskMiB, packages]);
  const digest = createHash("sha256").update(inputs).digest("hex");
  const key = `${manifest.name}-${digest.slice(0, 24)}`;
  const images = new ImageCache(cache, report);

  const found = await images.find(key);
  if (found !== undefined) return { ...found, format: "raw", built: false };
  const started = performance.now();
  const archives = await downloadPackages(packages, { cache, signal, report });
  report?.("guest-image", { step: "build", guest: manifest.name });
  const made = await images.make(key, (image, scratch) =>
    buildDebianMini({
      image,
      scratch,
      archives: [...archives.values()],
      nicDrivers: source.nicDrivers,
      diskMiB: manifest.diskMiB ?? 96,
      id: digest,
      signal,
    }),
  );
  const seconds = Math.round(performance.now() - started) / 1000;
  report?.("guest-image", { step: "ready", guest: manifest.name, image: made.image, seconds });
  return { ...made, format: "raw", built: true };
}

/** One digest over all files of the recipe, its code among them. */
async function folderDigest(folder: string): Promise<string> {
  const hash = createHash("sha256");
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const file = path.join(folder, name);
    if ((await stat(file)).isFile()) hash.update(`${name}\0`).update(await readFile(file));
  }
  return hash.digest("hex");
}

/** A user's image may be large: its checksum is computed once for each state of the file. */
async function checkFile(image: string, expected: string | undefined, cache: string): Promise<PreparedGuest> {
  await access(image, constants.R_OK).catch((error: unknown) => {
    throw new UsageError("GUEST_IMAGE", `cannot read the disk image ${image}`, { cause: error });
  });
  const name = createHash("sha256").update(path.resolve(image)).digest("hex");
  const record = path.join(cache, "checksums", `${name}.json`);
  const sha256 = (await verifiedChecksum(image, record)) ?? (await recordChecksum(image, record));
  if (expected !== undefined && sha256 !== expected) {
    throw new UsageError("GUEST_IMAGE", `${image} has sha256 ${sha256}, its guest.yaml says ${expected}`);
  }
  return { image, sha256, format: "raw", built: false };
}

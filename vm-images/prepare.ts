import { createHash } from "node:crypto";
import { readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { cacheFolder, LabError, UsageError, type Report } from "#core";
import { buildDumper } from "#option-rom";
import { downloadPackages, resolvePackages } from "./debian-packages.ts";
import { buildDebianMini } from "./debian-mini/recipe.ts";
import { guestFolder } from "./guest-folder.ts";
import { diskFull, errnoOf } from "./host-tool.ts";
import { ImageCache } from "./image-cache.ts";
import { buildKdProbe } from "./kd-probe/disk.ts";
import type { GuestManifest, ProgramSource, RecipeSource } from "./manifest.ts";
import { openUserImage } from "./user-image.ts";

export interface PrepareOptions {
  readonly signal?: AbortSignal;
  /** Told `guest-packages` (update, download) and `guest-image` (damaged, build, convert, ready) with their figures. */
  readonly report?: Report;
  /** The user's own image, in place of the one that the manifest names. */
  readonly image?: string | undefined;
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
  if (options.image !== undefined && (source.kind === "recipe" || source.kind === "program")) {
    throw new UsageError(
      "GUEST_IMAGE",
      `the guest ${manifest.name} is made by sanlab itself; boot ${options.image} by its path, or as a guest that takes an image, such as windows`,
    );
  }
  try {
    if (source.kind === "program") return await fromProgram(manifest, source, { ...options, cache });
    if (source.kind !== "recipe") return await userImage(manifest, options, cache);
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

/** The image that the manifest names or, for a guest that nobody may hand on, the user. */
async function userImage(
  { name, source }: GuestManifest,
  { image, signal, report }: PrepareOptions,
  cache: string,
): Promise<PreparedGuest> {
  const given = image ?? (source.kind === "file" ? source.path : undefined);
  if (given === undefined) {
    const what = source.kind === "provided" ? source.what : "a disk image";
    throw new UsageError(
      "GUEST_IMAGE",
      `the guest ${name} needs an image of yours, ${what}: name it by --image FILE or by image: in the scenario`,
    );
  }
  const expected = image === undefined && source.kind === "file" ? source.sha256 : undefined;
  return { ...(await openUserImage(given, { cache, expected, signal, report })), format: "raw" };
}

async function fromProgram(
  { name, diskMiB = 0 }: GuestManifest,
  source: ProgramSource,
  { cache, signal, report }: PrepareOptions & { readonly cache: string },
): Promise<PreparedGuest> {
  const disk = source.program === "kd-probe" ? await buildKdProbe(source, { signal }) : buildDumper();
  const size = Math.max(disk.length, diskMiB << 20);
  const digest = createHash("sha256").update(`${size}\n`).update(disk).digest("hex");
  const key = `${name}-${digest.slice(0, 24)}`;
  const images = new ImageCache(cache, report);
  const found = await images.find(key);
  const made =
    found ??
    (await images.make(key, async (image) => {
      await writeFile(image, disk);
      await truncate(image, size);
    }));
  return { ...made, format: "raw", built: found === undefined };
}

async function fromRecipe(
  manifest: GuestManifest,
  source: RecipeSource,
  options: PrepareOptions & { readonly cache: string },
): Promise<PreparedGuest> {
  const { cache, signal, report } = options;
  const packages = await resolvePackages(source.packages, { cache, signal, report });
  const recipe = await folderDigest(path.join(guestFolder, source.recipe));
  const inputs = JSON.stringify([recipe, source.nicDrivers, source.network, manifest.diskMiB, packages]);
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
      network: source.network,
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

import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { LabError } from "#core";
import { z } from "zod";
import { Apt, unreachable, type AptOptions } from "./apt.ts";
import { readJson, writeWhole } from "./whole-file.ts";

/** One package as this machine's apt would download it. */
export type DebianPackage = Readonly<z.infer<typeof packageSchema>>;

const packageSchema = z.object({
  name: z.string(),
  /** File name, which holds the version. */
  file: z.string(),
  bytes: z.number(),
  sha256: z.string(),
});
/** Of all that the packages depend on an image needs libraries and kernels; it brings no package manager along. */
const brought = /^(?:lib|zlib|linux-image-)/u;
const memoSchema = z.object({ state: z.string(), packages: z.array(packageSchema) });

/**
 * The packages named in `roots`, with the libraries they need and, for a kernel's meta package, the kernel itself, as
 * this machine's apt would install them. The answer is kept until apt's package lists change.
 *
 * @throws LabError `APT_UNREACHABLE` where apt knows no such package and cannot fetch its lists.
 */
export async function resolvePackages(
  roots: readonly string[],
  options: AptOptions,
): Promise<readonly DebianPackage[]> {
  let apt = await Apt.newest(options);
  const memo = path.join(options.cache, "packages", `${sha256([brought.source, ...roots].join(" "))}.json`);
  const known = await readJson(memo, memoSchema);
  if (known?.state === (await apt.state())) return known.packages;

  let packages = await candidates(roots, apt, options);
  if (packages === undefined) {
    try {
      apt = await apt.refreshed();
    } catch (error) {
      // Without a network the last answer serves as well: what it names may all be in the cache.
      if (known !== undefined && !options.signal?.aborted) return known.packages;
      throw error;
    }
    packages = await candidates(roots, apt, options);
  }
  if (packages === undefined) {
    throw new LabError(
      "GUEST_PACKAGES",
      `apt knows no package ${roots.join(" or ")}: the guest is built from Debian's; add a Debian source to /etc/apt`,
    );
  }
  await writeWhole(memo, JSON.stringify({ state: await apt.state(), packages }));
  return packages;
}

/**
 * The packages' archives in the cache; those that are missing or damaged are downloaded.
 *
 * @returns the path of each archive, by package name.
 * @throws LabError `APT_UNREACHABLE`, `DISK_FULL`.
 */
export async function downloadPackages(
  packages: readonly DebianPackage[],
  options: AptOptions,
): Promise<ReadonlyMap<string, string>> {
  const folder = path.join(options.cache, "debs");
  const place = (item: DebianPackage) => path.join(folder, item.file);
  const present = await Promise.all(packages.map((item) => isWhole(place(item), item)));
  const missing = packages.filter((_, i) => present[i] !== true);
  if (missing.length > 0) {
    await mkdir(folder, { recursive: true });
    const bytes = missing.reduce((sum, item) => sum + item.bytes, 0);
    options.report?.("guest-packages", {
      step: "download",
      packages: missing.map((item) => item.file),
      bytes,
    });
    const scratch = await mkdtemp(path.join(folder, ".download-"));
    try {
      await download(missing, scratch, options);
      for (const item of missing) await rename(path.join(scratch, item.file), place(item));
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }
  return new Map(packages.map((item) => [item.name, place(item)]));
}

/** apt checks what it downloads against its signed lists; ours is checked once more against what was resolved. */
async function download(missing: readonly DebianPackage[], into: string, options: AptOptions): Promise<void> {
  const names = missing.map((item) => item.name);
  const apt = await Apt.newest(options);
  await apt.get(["download", "-qq", ...names], into).catch((error: unknown) => {
    options.signal?.throwIfAborted();
    throw error instanceof LabError && error.code !== "TOOL_FAILED" ? error : unreachable(error);
  });
  for (const item of missing) {
    if (!(await isWhole(path.join(into, item.file), item))) {
      throw unreachable(new Error(`${item.file} is not what the package lists promise`));
    }
  }
}

async function isWhole(file: string, item: DebianPackage): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  return found?.size === item.bytes && sha256(await readFile(file)) === item.sha256;
}

/** Undefined where apt's lists do not hold one of the packages. */
async function candidates(
  roots: readonly string[],
  apt: Apt,
  { signal, cache }: AptOptions,
): Promise<readonly DebianPackage[] | undefined> {
  await mkdir(cache, { recursive: true });
  try {
    const graph = parseDepends(await apt.cache(["depends", "--recurse", ...onlyDepends, ...roots]));
    const names = closure(roots, graph);
    const found = parseUris(await apt.get(["download", "--print-uris", "-qq", ...names], cache));
    return found.length === names.length ? found : undefined;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof LabError && error.code === "TOOL_FAILED") return undefined;
    throw error;
  }
}

const onlyDepends = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"].map(
  (kind) => `--no-${kind}`,
);

/** `apt-cache depends`: a package in column 0, what it needs two columns in; `|` says that the next line is an alternative. */
export function parseDepends(text: string): ReadonlyMap<string, readonly string[]> {
  const graph = new Map<string, string[]>();
  let needs: string[] = [];
  let alternative = false;
  for (const line of text.split("\n")) {
    const dependency = /^ ( |\|)(?:Pre)?Depends: (\S+)/u.exec(line);
    if (dependency !== null) {
      if (!alternative) needs.push(dependency[2] ?? "");
      alternative = dependency[1] === "|";
    } else if (/^\S/u.test(line)) {
      needs = [];
      graph.set(line.trim(), needs);
    }
  }
  return graph;
}

/** The packages with those that they need, directly or not, and that are worth bringing into an image. */
export function closure(
  roots: readonly string[],
  graph: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const names = new Set(roots);
  for (const name of names) {
    for (const need of graph.get(name) ?? []) if (brought.test(need)) names.add(need);
  }
  return [...names].sort();
}

/** `apt-get download --print-uris`: `'URL' FILE BYTES SHA256:HEX`. */
export function parseUris(text: string): readonly DebianPackage[] {
  return [...text.matchAll(/^'[^']*' (\S+) (\d+) SHA256:([0-9a-f]{64})$/gmu)].map((match) => {
    const [, file = "", bytes = "0", hash = ""] = match;
    return { name: file.split("_", 1)[0] ?? "", file, bytes: Number(bytes), sha256: hash };
  });
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

import { createHash } from "node:crypto";
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { cacheFolder } from "#core";
import { ImageCache } from "../../vm-images/image-cache.ts";

const content = Buffer.from("a disk, in a manner of speaking");
const build = (image: string) => writeFile(image, content);

interface Kept {
  readonly folder: string;
  readonly cache: ImageCache;
  readonly damaged: string[];
}

async function emptyCache(t: ExecutionContext): Promise<Kept> {
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-cache-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const damaged: string[] = [];
  const cache = new ImageCache(folder, (kind, data) => damaged.push(`${kind} ${String(data["step"])}`));
  return { folder, cache, damaged };
}

test("an image is found again, with its checksum, and is read-only", async (t) => {
  const { cache, damaged } = await emptyCache(t);
  t.is(await cache.find("guest-1"), undefined);
  const made = await cache.make("guest-1", build);
  t.is(made.sha256, createHash("sha256").update(content).digest("hex"));
  t.deepEqual(await readFile(made.image), content);
  t.is((await stat(made.image)).mode & 0o222, 0);
  t.deepEqual(await cache.find("guest-1"), made);
  t.is(await cache.find("guest-2"), undefined);
  t.deepEqual(damaged, []);
});

const damages = test.macro({
  title: (_, what: string) => `an image with ${what} is told of and taken away`,
  exec: async (t: ExecutionContext, _: string, damage: (image: string) => Promise<void>) => {
    const { cache, damaged, folder } = await emptyCache(t);
    const made = await cache.make("guest-1", build);
    await damage(made.image);
    t.is(await cache.find("guest-1"), undefined);
    t.deepEqual(damaged, ["guest-image damaged"]);
    t.deepEqual(await readdir(path.join(folder, "images")), []);
    t.deepEqual(await cache.make("guest-1", build), made);
  },
});
test(damages, "a changed byte", async (image) => {
  await rm(image);
  await writeFile(image, Buffer.from(content).fill(0, 3, 4));
});
test(damages, "a missing end", async (image) => {
  await rm(image);
  await writeFile(image, content.subarray(0, 10));
});
test(damages, "no file", (image) => rm(image));
test(damages, "no record", (image) => rm(path.join(path.dirname(image), "image.json")));
test(damages, "half a record", (image) =>
  writeFile(path.join(path.dirname(image), "image.json"), '{"formatVersion":1'),
);

test("a touched but whole image is still good, and known to be so from then on", async (t) => {
  const { cache, damaged } = await emptyCache(t);
  const made = await cache.make("guest-1", build);
  const touched = new Date("2020-02-02T02:02:02Z");
  await utimes(made.image, touched, touched);
  t.deepEqual(await cache.find("guest-1"), made);
  t.deepEqual(damaged, []);
  const record: unknown = JSON.parse(
    await readFile(path.join(path.dirname(made.image), "image.json"), "utf8"),
  );
  t.like(record, { formatVersion: 1, mtimeNs: `${touched.getTime()}000000` });
});

const failing = async (image: string, scratch: string) => {
  await writeFile(image, content);
  await writeFile(path.join(scratch, "left"), content);
  throw new Error("interrupted");
};

test("a build that fails leaves nothing behind", async (t) => {
  const { cache, folder } = await emptyCache(t);
  await t.throwsAsync(cache.make("guest-1", failing), { message: "interrupted" });
  t.deepEqual(await readdir(path.join(folder, "images")), []);
  t.is(await cache.find("guest-1"), undefined);
});

test("two builds of one image side by side end with the same one", async (t) => {
  const { cache, folder } = await emptyCache(t);
  const { promise: bothAreBuilding, resolve: go } = Promise.withResolvers<void>();
  let building = 0;
  const slow = async (image: string) => {
    building++;
    if (building === 2) go();
    await bothAreBuilding;
    await build(image);
  };
  const [one, other] = await Promise.all([cache.make("guest-1", slow), cache.make("guest-1", slow)]);
  t.is(building, 2);
  t.deepEqual(one, other);
  t.deepEqual(await readdir(path.join(folder, "images")), ["guest-1"]);
});

test("what a killed build left is swept away, what may still be building is not", async (t) => {
  const { cache, folder } = await emptyCache(t);
  const images = path.join(folder, "images");
  for (const name of [".build-old", ".build-young"])
    await mkdir(path.join(images, name), { recursive: true });
  const longAgo = new Date(Date.now() - 2 * 3_600_000);
  await utimes(path.join(images, ".build-old"), longAgo, longAgo);
  await cache.make("guest-1", build);
  t.deepEqual((await readdir(images)).sort(), [".build-young", "guest-1"]);
});

test("a reader keeps its image while a damaged copy is replaced", async (t) => {
  const { cache } = await emptyCache(t);
  const made = await cache.make("guest-1", build);
  await using reader = await open(made.image);
  await rm(path.join(path.dirname(made.image), "image.json"));
  t.is(await cache.find("guest-1"), undefined);
  t.deepEqual(await reader.readFile(), content);
});

const places = test.macro((t: ExecutionContext, env: NodeJS.ProcessEnv, place: RegExp) => {
  t.regex(cacheFolder(env), place);
});
test(
  "the cache is where SANLAB_CACHE says",
  places,
  { SANLAB_CACHE: "/a/b", XDG_CACHE_HOME: "/c" },
  /^\/a\/b$/u,
);
test("else below XDG_CACHE_HOME", places, { SANLAB_CACHE: "", XDG_CACHE_HOME: "/c" }, /^\/c\/sanlab$/u);
test("else below the home folder", places, { XDG_CACHE_HOME: "relative" }, /\/\.cache\/sanlab$/u);

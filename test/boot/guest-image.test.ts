import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { zstdDecompressSync } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import { execa } from "execa";
import { cacheFolder } from "#core";
import { loadGuest, prepareGuest } from "#vm-images";

/** A cache without images, but with the packages that were downloaded before. */
async function cacheWithoutImages(t: ExecutionContext): Promise<string> {
  const cache = await mkdtemp(path.join(tmpdir(), "sanlab-guests-"));
  t.teardown(() => rm(cache, { recursive: true, force: true }));
  await mkdir(path.join(cacheFolder(), "debs"), { recursive: true });
  await symlink(path.join(cacheFolder(), "debs"), path.join(cache, "debs"));
  return cache;
}

/** The kernel modules in the initramfs of an image. */
async function modulesIn(image: string, scratch: string): Promise<ReadonlySet<string>> {
  const file = path.join(scratch, "initrd");
  const root = `${image}?offset=${5 << 20}`;
  const env = { PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
  await execa("debugfs", ["-R", `dump /boot/initrd ${file}`, root], { env });
  const archive = zstdDecompressSync(await readFile(file));
  const { stdout } = await execa("busybox", ["cpio", "-t"], { input: archive });
  return new Set([...stdout.matchAll(/([^/]+)\.ko$/gmu)].map(([, name]) => name ?? ""));
}

test.serial(
  "a killed build leaves no image, and two at a time after it end with one and the same",
  async (t) => {
    const cache = await cacheWithoutImages(t);
    const script = path.join(cache, "prepare.ts");
    const index = path.resolve(import.meta.dirname, "../../vm-images/index.ts");
    await writeFile(
      script,
      `const { loadGuest, prepareGuest } = await import(${JSON.stringify(index)});
    const report = (kind, data) => console.log(kind, data.step);
    await prepareGuest(await loadGuest("debian-mini"), { cache: ${JSON.stringify(cache)}, report });`,
    );
    const killed = execa(process.execPath, ["--conditions=source", script], { reject: false });
    for await (const line of killed) if (line === "guest-image build") killed.kill("SIGKILL");
    t.is((await killed).signal, "SIGKILL");
    const left = await readdir(path.join(cache, "images")).catch(() => []);
    t.true(
      left.every((name) => name.startsWith(".build-")),
      left.join(" "),
    );

    const guest = await loadGuest("debian-mini");
    const [one, other] = await Promise.all([prepareGuest(guest, { cache }), prepareGuest(guest, { cache })]);
    t.deepEqual(one, other);
    t.true(one.built);
    t.deepEqual(await prepareGuest(guest, { cache }), { ...one, built: false });

    const modules = await modulesIn(one.image, cache);
    const drivers = guest.source.kind === "recipe" ? guest.source.nicDrivers : [];
    t.deepEqual(
      [...drivers, "iscsi_ibft", "iscsi_tcp", "libiscsi", "sd_mod", "ext4", "jbd2"].filter(
        (name) => !modules.has(name),
      ),
      [],
    );
  },
);

test.serial("the twin has all but the network drivers", async (t) => {
  const cache = await cacheWithoutImages(t);
  const twin = await prepareGuest(await loadGuest("debian-mini-no-nic"), { cache });
  const modules = await modulesIn(twin.image, cache);
  const guest = await loadGuest("debian-mini");
  const drivers = guest.source.kind === "recipe" ? guest.source.nicDrivers : [];
  t.deepEqual(
    drivers.filter((name) => modules.has(name)),
    [],
  );
  t.true(modules.has("iscsi_ibft"));
  t.true(modules.has("iscsi_tcp"));
});

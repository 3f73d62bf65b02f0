import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { cacheFolder } from "#core";
import { zstdCompressSync } from "node:zlib";
import { downloadPackages, resolvePackages } from "../debian-packages.ts";
import { writeCpio } from "../debian-mini/cpio.ts";
import { filesOf } from "../debian-mini/file-tree.ts";
import { findOne } from "../debian-mini/find-one.ts";
import { selectModules } from "../debian-mini/kernel-modules.ts";
import { busybox } from "../debian-mini/programs.ts";
import { guestFolder } from "../guest-folder.ts";
import { unpack } from "../host-tool.ts";
import { ImageCache } from "../image-cache.ts";
import type { PrepareOptions } from "../prepare.ts";

/** What `-kernel` and `-initrd` take. */
export interface LioFiles {
  readonly kernel: string;
  readonly initramfs: string;
}

const packages = ["linux-image-amd64", "busybox-static"];
const modules = [
  "virtio_pci",
  "virtio_net",
  "crc32c_generic",
  "crc32c_intel",
  "configfs",
  "target_core_mod",
  "iscsi_target_mod",
];

/**
 * A machine without a disk that serves RAM disks by Linux's own iSCSI target at 10.0.2.15:3260, the address that
 * QEMU's user-mode network forwards to. Names and parameters stand in `initramfs/init`.
 *
 * @throws as `prepareGuest` does for a guest that is built from packages.
 */
export async function prepareLio(options: PrepareOptions = {}): Promise<LioFiles> {
  const { signal, report, cache = cacheFolder() } = options;
  const apt = { cache, signal, report };
  const resolved = await resolvePackages(packages, apt);
  const recipe = path.join(guestFolder, "lio");
  const init = await readFile(path.join(recipe, "initramfs/init"));
  const digest = createHash("sha256")
    .update(JSON.stringify([resolved, modules]))
    .update(init)
    .digest("hex");
  const key = `lio-${digest.slice(0, 24)}`;
  const images = new ImageCache(cache, report);
  const found = await images.find(key);
  if (found !== undefined) return filesBeside(found.image);
  const archives = await downloadPackages(resolved, apt);
  report?.("guest-image", { step: "build", guest: "lio" });
  const { image } = await images.make(key, async (initramfs, scratch) => {
    const unpacked = path.join(scratch, "packages");
    await mkdir(unpacked);
    for (const archive of archives.values())
      await unpack(archive, unpacked, [...unwanted, "*/usr/share"], { signal });
    const entries = [
      ...(await busybox(unpacked, signal)),
      ...(await selectModules({ packages: unpacked, scratch, names: modules, signal })),
      ...(await filesOf(path.join(recipe, "initramfs"), "")),
      { kind: "device", path: "dev/console", mode: 0o600, major: 5, minor: 1 } as const,
      ...["proc", "run", "sys", "tmp"].map(
        (place) => ({ kind: "folder", path: place, mode: 0o755 }) as const,
      ),
    ];
    await writeFile(initramfs, zstdCompressSync(writeCpio(entries)));
    const kernel = await findOne(path.join(unpacked, "boot"), /^vmlinuz-/u);
    await copyFile(kernel, filesBeside(initramfs).kernel);
  });
  return filesBeside(image);
}

const unwanted = ["gpu", "media", "iio", "staging", "infiniband"].map((name) => `*/kernel/drivers/${name}`);

/** The kernel lies in the initramfs's own folder of the cache, which appears whole or not at all. */
function filesBeside(initramfs: string): LioFiles {
  return { initramfs, kernel: path.join(path.dirname(initramfs), "vmlinuz") };
}

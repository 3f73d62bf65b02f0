import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { zstdCompressSync } from "node:zlib";
import { guestFolder } from "../guest-folder.ts";
import { unpack } from "../host-tool.ts";
import { writeCpio } from "./cpio.ts";
import { makeDisk } from "./disk.ts";
import { fileEntry, filesOf, type TreeEntry } from "./file-tree.ts";
import { findOne } from "./find-one.ts";
import { selectModules } from "./kernel-modules.ts";
import { busybox, dynamicPrograms } from "./programs.ts";

export interface DebianMiniBuild {
  /** The file to make. */
  readonly image: string;
  /** An empty folder for intermediate files. */
  readonly scratch: string;
  /** The packages' .deb files. */
  readonly archives: readonly string[];
  readonly nicDrivers: readonly string[];
  /** Whose ways the network set-up has on the wire: the init's own, or a file of `initramfs/etc/network`. */
  readonly network: "linux" | "windows";
  readonly diskMiB: number;
  /** Hexadecimal digits that name this build; the root file system's UUID is made of them. */
  readonly id: string;
  readonly signal?: AbortSignal | undefined;
}

/** Two thirds of a kernel package: drivers of what no machine of ours has. */
const unwanted = [
  "drivers/gpu",
  "drivers/media",
  "drivers/iio",
  "drivers/staging",
  "drivers/infiniband",
  "sound",
];

const bootModules = [
  "qemu_fw_cfg",
  "iscsi_ibft",
  "iscsi_tcp",
  "sd_mod",
  "ext4",
  "crc32c_generic",
  "crc32c_intel",
  "8021q",
];

/**
 * Builds the guest's disk: a kernel, an initramfs that knows iSCSI and the given network drivers, and a small root.
 * Needs neither root nor a loop device; `makeDisk` tells the layout.
 */
export async function buildDebianMini(build: DebianMiniBuild): Promise<void> {
  const { scratch, signal } = build;
  const packages = path.join(scratch, "packages");
  await mkdir(packages);
  for (const archive of build.archives) {
    await unpack(archive, packages, [...unwanted.map((folder) => `*/kernel/${folder}`), "*/usr/share"], {
      signal,
    });
  }
  const rootUuid = uuidOf(build.id);
  const recipe = path.join(guestFolder, "debian-mini");
  const common = [...(await busybox(packages, signal)), ...(await filesOf(path.join(recipe, "common"), ""))];
  const initramfs = writeCpio([
    ...common,
    ...(await dynamicPrograms(packages, ["iscsistart"], signal)),
    ...(await selectModules({ packages, scratch, names: [...bootModules, ...build.nicDrivers], signal })),
    ...(await filesOf(path.join(recipe, "initramfs"), "")),
    fileEntry("etc/image.conf", `ROOT_UUID=${rootUuid}\nNETWORK=${build.network}\n`),
    { kind: "device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    ...folders(["proc", "run", "sys", "tmp", "var/lib"]),
  ]);
  const kernel = await findOne(path.join(packages, "boot"), /^vmlinuz-/u);
  const root = [
    ...common,
    ...(await filesOf(path.join(recipe, "root"), "")),
    fileEntry("boot/vmlinuz", await readFile(kernel)),
    fileEntry("boot/initrd", zstdCompressSync(initramfs)),
    fileEntry("boot/grub/grub.cfg", await readFile(path.join(recipe, "grub.cfg"))),
    ...folders(["dev", "mnt", "proc", "root", "run", "sys", "tmp"]),
  ];
  await makeDisk({ image: build.image, scratch, root, rootUuid, diskMiB: build.diskMiB, signal });
}

function folders(paths: readonly string[]): readonly TreeEntry[] {
  return paths.map((place) => ({ kind: "folder", path: place, mode: 0o755 }));
}

/** A UUID of version 8 (RFC 9562 section 5.8) out of the first digits of a digest. */
function uuidOf(digest: string): string {
  const d = digest.padEnd(32, "0");
  return `${d.slice(0, 8)}-${d.slice(8, 12)}-8${d.slice(13, 16)}-8${d.slice(17, 20)}-${d.slice(20, 32)}`;
}

import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { LabError } from "#core";
import { runTool } from "../host-tool.ts";
import { completeTree, writeTree, type TreeEntry } from "./file-tree.ts";

const sector = 512;
const mib = 1 << 20;
const espMiB = 4;
const grubFolder = "/usr/lib/grub";
const grubModules = [
  "part_msdos",
  "ext2",
  "normal",
  "configfile",
  "echo",
  "test",
  "linux",
  "serial",
  "terminal",
];

export interface DiskPlan {
  readonly image: string;
  readonly scratch: string;
  readonly root: readonly TreeEntry[];
  readonly rootUuid: string;
  readonly diskMiB: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * One raw disk that boots on BIOS and on UEFI:
 *
 * | from      | what |
 * |-----------|------|
 * | sector 0  | GRUB's boot.img with the partition table |
 * | sector 1  | GRUB's core.img for BIOS, which boot.img loads |
 * | 1 MiB     | partition 1, type EF: FAT with /EFI/BOOT/BOOTX64.EFI (GRUB for UEFI) |
 * | 5 MiB     | partition 2, type 83: ext4, the root, with /boot |
 *
 * Both GRUBs look for their configuration in partition 2 of the disk that they were started from.
 */
export async function makeDisk(plan: DiskPlan): Promise<void> {
  const { image, scratch, signal } = plan;
  const rootAt = (1 + espMiB) * mib;
  const file = await open(image, "wx");
  try {
    await file.truncate(plan.diskMiB * mib);
    const core = path.join(scratch, "core.img");
    await grub("i386-pc", [...grubModules, "biosdisk", "linux16"], core, signal);
    await file.write(await bootSector(plan.diskMiB), 0, sector, 0);
    await file.write(await coreImage(core), 0, undefined, sector);
    await file.write(await systemPartition(scratch, signal), 0, undefined, mib);
  } finally {
    await file.close();
  }
  const folder = path.join(scratch, "root");
  await mkdir(folder);
  await writeTree(plan.root, folder);
  const size = `${plan.diskMiB - 1 - espMiB}M`;
  const args = ["-q", "-F", "-m", "0", "-L", "debian-mini", "-U", plan.rootUuid];
  // GRUB 2.06 does not read a file system with either of the two newer features.
  args.push("-O", "^metadata_csum_seed,^orphan_file");
  args.push("-E", `offset=${rootAt},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0`);
  await runTool("mkfs.ext4", [...args, "-d", folder, image, size], { signal, writes: image });
  if (process.getuid?.() !== 0) await giveToRoot(plan, `${image}?offset=${rootAt}`);
}

/** mkfs.ext4 copies the owner of each file; where that is not root (nothing here runs as root) it is set afterwards. */
async function giveToRoot(plan: DiskPlan, fileSystem: string): Promise<void> {
  const commands = completeTree(plan.root).flatMap((entry) => [
    `set_inode_field "/${entry.path}" uid 0`,
    `set_inode_field "/${entry.path}" gid 0`,
  ]);
  const script = path.join(plan.scratch, "owners");
  await writeFile(script, `${commands.join("\n")}\n`);
  await runTool("debugfs", ["-w", "-f", script, fileSystem], { signal: plan.signal, writes: plan.image });
}

async function grub(
  platform: "i386-pc" | "x86_64-efi",
  modules: readonly string[],
  into: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const args = ["-O", platform, "-p", "(,msdos2)/boot/grub", "-o", into, ...modules];
  await runTool("grub-mkimage", args, { signal, writes: into });
}

/** GRUB's boot.img is code for sector 0 with room for the table of four partitions at 446 and the signature at 510. */
async function bootSector(diskMiB: number): Promise<Uint8Array> {
  const code = await readFile(path.join(grubFolder, "i386-pc/boot.img")).catch((error: unknown) => {
    throw new LabError("TOOL_MISSING", "GRUB for BIOS is missing: sudo apt-get install grub-pc-bin", {
      cause: error,
    });
  });
  const out = Buffer.alloc(sector);
  code.copy(out, 0, 0, 440);
  const partition = (slot: number, type: number, fromMiB: number, sizeMiB: number, active: boolean) => {
    const at = 446 + slot * 16;
    out[at] = active ? 0x80 : 0;
    // Cylinder, head and sector of both ends: the value that means "see the sector numbers".
    out.set([0xfe, 0xff, 0xff, type, 0xfe, 0xff, 0xff], at + 1);
    out.writeUInt32LE((fromMiB * mib) / sector, at + 8);
    out.writeUInt32LE((sizeMiB * mib) / sector, at + 12);
  };
  partition(0, 0xef, 1, espMiB, false);
  partition(1, 0x83, 1 + espMiB, diskMiB - 1 - espMiB, true);
  out.writeUInt16BE(0x55aa, 510);
  return out;
}

async function coreImage(file: string): Promise<Uint8Array> {
  const core = await readFile(file);
  if (core.length > mib - sector) {
    throw new LabError(
      "TOOL_FAILED",
      `grub-mkimage made ${core.length} bytes, too many for the gap before the first partition`,
    );
  }
  return core;
}

async function systemPartition(scratch: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const loader = path.join(scratch, "BOOTX64.EFI");
  const image = path.join(scratch, "esp.img");
  await grub("x86_64-efi", [...grubModules, "efi_gop"], loader, signal);
  await writeFile(image, new Uint8Array(espMiB * mib));
  await runTool("mformat", ["-i", image, "-v", "ESP", "::"], { signal, writes: image });
  await runTool("mmd", ["-i", image, "::/EFI", "::/EFI/BOOT"], { signal, writes: image });
  await runTool("mcopy", ["-i", image, loader, "::/EFI/BOOT/BOOTX64.EFI"], { signal, writes: image });
  return readFile(image);
}

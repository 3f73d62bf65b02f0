import { execFile } from "node:child_process";
import { mkdtemp, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import test from "ava";
import { loadScenario } from "#harness/scenario";
import { checkDisk, loadGuest, prepareGuest, type GuestManifest } from "#vm-images";

const windows = await loadGuest("windows");
const reactos = await loadGuest("reactos");
const run = promisify(execFile);
let folder: string;
test.before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sanlab-images-"));
});
test.after.always(() => rm(folder, { recursive: true }));

let count = 0;
const prepare = (image: string, cache = path.join(folder, "cache")) =>
  prepareGuest(windows, { image: path.join(folder, image), cache });

interface PartitionFields {
  readonly start: number;
  readonly type: number;
  readonly active?: boolean;
  readonly filesystem?: "NTFS    " | "FAT32   ";
  readonly bytesPerSector?: number;
}

/** A disk whose boot sector, partition table and boot sectors of file systems are laid out by hand. */
function mbrDisk(...partitions: readonly PartitionFields[]): Buffer {
  const disk = Buffer.alloc(4 << 20);
  disk.writeUInt16LE(0xaa55, 510);
  for (const [index, { start, type, active, filesystem, bytesPerSector = 512 }] of partitions.entries()) {
    const entry = 446 + 16 * index;
    disk.writeUInt8(active === true ? 0x80 : 0, entry);
    disk.writeUInt8(type, entry + 4);
    disk.writeUInt32LE(start, entry + 8);
    disk.writeUInt32LE(1024, entry + 12);
    if (filesystem === undefined) continue;
    disk.write(filesystem, start * 512 + (filesystem === "FAT32   " ? 82 : 3), "latin1");
    disk.writeUInt16LE(bytesPerSector, start * 512 + 11);
  }
  return disk;
}
const ntfs = { start: 2048, type: 7, active: true, filesystem: "NTFS    " } as const;

async function diskFile(content: Buffer): Promise<string> {
  const file = path.join(folder, `${++count}.raw`);
  await writeFile(file, content);
  return file;
}

const converts = test.macro(async (t, format: string, options: readonly string[] = []) => {
  const raw = await diskFile(mbrDisk(ntfs));
  const image = `${format}-${++count}.image`;
  await run("qemu-img", ["convert", "-f", "raw", "-O", format, ...options, raw, path.join(folder, image)]);
  const first = await prepare(image);
  t.true(first.built);
  const made = await readFile(first.image);
  t.true(made.subarray(0, 4 << 20).equals(await readFile(raw)));
  t.is((await stat(first.image)).mode & 0o222, 0);
  const again = await prepare(image);
  t.deepEqual(again, { ...first, built: false });
  await t.notThrowsAsync(checkDisk(windows, first.image, "bios"));
});
test("a qcow2 image becomes a raw one, once", converts, "qcow2");
test("a VHDX image becomes a raw one, once", converts, "vhdx");
test("a VMDK image becomes a raw one, once", converts, "vmdk", ["-o", "subformat=monolithicSparse"]);
test("a VHD image becomes a raw one, once", converts, "vpc", ["-o", "subformat=dynamic,force_size=on"]);
test("a VDI image becomes a raw one, once", converts, "vdi");

test("a raw image is used where it is", async (t) => {
  const file = await diskFile(mbrDisk(ntfs));
  t.like(await prepare(path.basename(file)), { image: file, built: false, format: "raw" });
});

const refused = test.macro(async (t, make: () => Promise<string>, message: RegExp) => {
  const image = await make();
  const error = await t.throwsAsync(prepare(image), { code: "GUEST_IMAGE" });
  t.regex(error.message, message);
  t.false(error.message.includes("\n"));
});
test(
  "an image that is not there",
  refused,
  async () => "nowhere.qcow2",
  /nowhere\.qcow2: there is no such file$/,
);
test(
  "a folder is no image",
  refused,
  async () => {
    await mkdir(path.join(folder, "disks"));
    return "disks";
  },
  /it is a folder/,
);
test(
  "an image with a backing file is refused, wherever that lies",
  refused,
  async () => {
    await run("qemu-img", ["create", "-q", "-f", "raw", path.join(folder, "base.raw"), "1M"]);
    await run("qemu-img", [
      "create",
      "-q",
      "-f",
      "qcow2",
      "-F",
      "raw",
      "-b",
      path.join(folder, "base.raw"),
      path.join(folder, "top.qcow2"),
    ]);
    return "top.qcow2";
  },
  /part of it lies in .*base\.raw; make one file of them: qemu-img convert -f qcow2/,
);
test(
  "an image whose data lies in another file is refused",
  refused,
  async () => {
    const data = path.join(folder, "data.raw");
    await run("qemu-img", [
      "create",
      "-q",
      "-f",
      "qcow2",
      "-o",
      `data_file=${data},data_file_raw=on`,
      path.join(folder, "split.qcow2"),
      "1M",
    ]);
    return "split.qcow2";
  },
  /part of it lies in .*data\.raw/,
);
test(
  "a VMDK that only names other files is refused",
  refused,
  async () => {
    await run("qemu-img", [
      "create",
      "-q",
      "-f",
      "vmdk",
      "-o",
      "subformat=monolithicFlat",
      path.join(folder, "flat.vmdk"),
      "1M",
    ]);
    return "flat.vmdk";
  },
  /it only names other files/,
);

test("a guest that everybody brings themselves says what is wanted and how it is named", async (t) => {
  const error = await t.throwsAsync(prepareGuest(windows, { cache: folder }), { code: "GUEST_IMAGE" });
  t.regex(
    error.message,
    /^the guest windows needs an image of yours, .*: name it by --image FILE or by image:/,
  );
});
test("a guest that sanlab makes takes no image", async (t) => {
  const guest = await loadGuest("debian-mini");
  const error = await t.throwsAsync(prepareGuest(guest, { image: "/x.raw" }), { code: "GUEST_IMAGE" });
  t.regex(error.message, /debian-mini is made by sanlab itself/);
});

const checks = test.macro(
  async (
    t,
    disk: () => Buffer,
    firmware: "bios" | "uefi",
    message: RegExp | undefined,
    guest: GuestManifest = windows,
  ) => {
    const file = await diskFile(disk());
    if (message === undefined) return t.notThrowsAsync(checkDisk(guest, file, firmware));
    const error = await t.throwsAsync(checkDisk(guest, file, firmware), { code: "IMAGE_NOT_BOOTABLE" });
    return t.regex(error.message, message);
  },
);
const esp = { start: 4096, type: 0xef, filesystem: "FAT32   " } as const;
test("an active NTFS partition is what a BIOS boots", checks, () => mbrDisk(ntfs), "bios", undefined);
test("UEFI boots from an EFI system partition", checks, () => mbrDisk(ntfs, esp), "uefi", undefined);
test(
  "a disk for a BIOS under UEFI",
  checks,
  () => mbrDisk(ntfs),
  "uefi",
  /no EFI system partition.*set uefi: false/,
);
test(
  "a disk for UEFI on a BIOS",
  checks,
  () => mbrDisk({ ...ntfs, active: false }, esp),
  "bios",
  /no partition is marked active.*set uefi: true/,
);
test(
  "no active partition at all",
  checks,
  () => mbrDisk({ ...ntfs, active: false }),
  "bios",
  /sfdisk --activate/,
);
test("a partition instead of a disk", checks, () => Buffer.alloc(1 << 20, "x"), "bios", /not of a partition/);
test("an empty file", checks, () => Buffer.alloc(0), "bios", /no boot signature/);
test("an empty partition table", checks, () => mbrDisk(), "bios", /partition table is empty/);
test(
  "no file system that Windows has",
  checks,
  () => mbrDisk({ ...ntfs, filesystem: "FAT32   " }),
  "bios",
  /no partition has NTFS; .*BitLocker/,
);
test(
  "ReactOS may lie on FAT",
  checks,
  () => mbrDisk({ ...ntfs, filesystem: "FAT32   " }),
  "bios",
  undefined,
  reactos,
);
test(
  "a file system with sectors of 4096 bytes",
  checks,
  () => mbrDisk({ ...ntfs, bytesPerSector: 4096 }),
  "bios",
  /sectors of 4096 bytes/,
);
test(
  "a partition table for sectors of 4096 bytes",
  checks,
  () => {
    const disk = mbrDisk({ start: 1, type: 0xee });
    disk.write("EFI PART", 4096, "latin1");
    return disk;
  },
  "uefi",
  /the disk has sectors of 4096 bytes/,
);

/** Partitioned by sfdisk, so that the GPT is not of our own making. */
const gpt = test.macro(async (t, layout: string, firmware: "bios" | "uefi", message: RegExp | undefined) => {
  const file = await diskFile(Buffer.alloc(32 << 20));
  const sfdisk = execFile("/usr/sbin/sfdisk", ["-q", file]);
  sfdisk.stdin?.end(layout);
  const status = await new Promise((resolve) => sfdisk.on("exit", resolve));
  t.is(status, 0);
  const disk = await readFile(file);
  disk.write("NTFS    ", (16 << 20) + 3, "latin1");
  disk.writeUInt16LE(512, (16 << 20) + 11);
  await writeFile(file, disk);
  if (message === undefined) return t.notThrowsAsync(checkDisk(windows, file, firmware));
  const error = await t.throwsAsync(checkDisk(windows, file, firmware), { code: "IMAGE_NOT_BOOTABLE" });
  return t.regex(error.message, message);
});
const basicData = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";
const uefiDisk = `label: gpt\nstart=2048,size=16384,type=U\nstart=32768,size=8192,type=${basicData}\n`;
test("a GPT disk with an EFI system partition boots by UEFI", gpt, uefiDisk, "uefi", undefined);
test(
  "and not on a BIOS",
  gpt,
  uefiDisk,
  "bios",
  /is a GPT, from which Windows boots by UEFI only; set uefi: true/,
);
test(
  "a GPT disk without an EFI system partition",
  gpt,
  `label: gpt\nstart=32768,size=8192,type=${basicData}\n`,
  "uefi",
  /no EFI system partition/,
);

for (const guest of [windows, reactos])
  test(`the scenario of ${guest.name} to copy names its guest and an image`, async (t) => {
    const file = path.join(import.meta.dirname, "../../vm-images", guest.name, "scenario.yaml");
    const scenario = await loadScenario(file);
    t.is(scenario.guest, guest.name);
    t.regex(scenario.image ?? "", /^\w+\.qcow2$/);
  });

test("windows has its debugger on COM1 and its emergency console on COM2", (t) => {
  t.deepEqual(windows.serials, ["kd", "ems"]);
  t.deepEqual(windows.login.signals, [
    ["processes"],
    ["ems"],
    ["tcp"],
    ["marker"],
    ["modules", "settled", "screen"],
  ]);
});

import { mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { execa } from "execa";
import { writeCpio } from "../../vm-images/debian-mini/cpio.ts";
import { makeDisk } from "../../vm-images/debian-mini/disk.ts";
import { completeTree, fileEntry, type TreeEntry } from "../../vm-images/debian-mini/file-tree.ts";
import { dependencies } from "../../vm-images/debian-mini/kernel-modules.ts";

const mib = 1 << 20;
const uuid = "01234567-89ab-8def-8123-456789abcdef";
const env = { PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
const tree: readonly TreeEntry[] = [
  fileEntry("bin/tool", "#!/bin/sh\n", true),
  fileEntry("etc/odd", "odd"),
  { kind: "link", path: "etc/alias", target: "odd" },
  { kind: "folder", path: "proc", mode: 0o755 },
];

async function folder(t: ExecutionContext): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), "sanlab-disk-"));
  t.teardown(() => rm(made, { recursive: true, force: true }));
  return made;
}

test("an archive for the kernel is one that busybox unpacks to the same files", async (t) => {
  const into = await folder(t);
  const archive = writeCpio(tree);
  await execa("busybox", ["cpio", "-idm"], { cwd: into, input: archive });
  t.is(await readFile(path.join(into, "etc/alias"), "utf8"), "odd");
  t.is((await stat(path.join(into, "bin/tool"))).mode & 0o7777, 0o755);
  t.true((await stat(path.join(into, "proc"))).isDirectory());
});

test("an archive holds device nodes, and all of it belongs to root", async (t) => {
  const console: TreeEntry = { kind: "device", path: "dev/console", mode: 0o600, major: 5, minor: 1 };
  const archive = Buffer.from(writeCpio([console]));
  const { stdout } = await execa("busybox", ["cpio", "-tv"], { input: archive });
  t.regex(stdout, /^crw------- +0\/0 .* dev\/console$/mu);
  // The device's numbers are the 10th and 11th field of eight hexadecimal digits after the magic number.
  const header = archive.lastIndexOf("070701", archive.indexOf("dev/console"));
  t.is(archive.toString("latin1", header + 6 + 9 * 8, header + 6 + 11 * 8), "0000000500000001");
});

test("a tree names each folder before what is in it, and the last of two files wins", (t) => {
  const entries = completeTree([fileEntry("a/b/c", "1"), fileEntry("a/b/c", "2")]);
  t.deepEqual(
    entries.map((entry) => entry.path),
    ["a", "a/b", "a/b/c"],
  );
  t.like(entries[2], { data: Buffer.from("2") });
});

const needs = test.macro((t: ExecutionContext, text: string, expected: readonly string[]) => {
  t.deepEqual(dependencies(Buffer.from(`\0license=GPL\0${text}\0name=x\0`, "latin1")), expected);
});
test("a module names what it depends on", needs, "depends=libiscsi,mii", ["libiscsi", "mii"]);
test("a module may depend on nothing", needs, "depends=", []);
test("a string that only ends like it is none", needs, "softdepends=x", []);

test("the disk has the boot code, the partitions and the file systems that firmware and GRUB look for", async (t) => {
  const scratch = await folder(t);
  const image = path.join(scratch, "disk.raw");
  await makeDisk({ image, scratch, root: tree, rootUuid: uuid, diskMiB: 32 });
  const disk = await readFile(image);
  t.is(disk.length, 32 * mib);
  t.is(disk.readUInt16BE(510), 0x55aa);
  const entry = (slot: number) => disk.subarray(446 + slot * 16, 462 + slot * 16);
  const sectors = (slot: number) => [entry(slot).readUInt32LE(8), entry(slot).readUInt32LE(12)];
  t.deepEqual([entry(0)[4], ...sectors(0)], [0xef, 2048, 8192], "EFI system partition");
  t.deepEqual([entry(1)[0], entry(1)[4], ...sectors(1)], [0x80, 0x83, 10_240, 65_536 - 10_240], "root");
  t.deepEqual([...entry(2), ...entry(3)], Array<number>(32).fill(0));

  const boot = await readFile("/usr/lib/grub/i386-pc/boot.img");
  t.deepEqual(disk.subarray(0, 440), boot.subarray(0, 440), "GRUB's own boot code");
  t.is(disk.readBigUInt64LE(0x5c), 1n, "which reads the next stage from sector 1");
  // GRUB's diskboot.img ends with the list of what else to read: start sector, count of sectors.
  const [from, count] = [disk.readBigUInt64LE(512 + 0x1f4), disk.readUInt16LE(512 + 0x1fc)];
  t.is(from, 2n);
  t.true(count * 512 < mib - 1024);
  t.true(disk.subarray(1024, 1024 + count * 512).some((byte) => byte !== 0));

  const listed = await execa("mdir", ["-b", "-i", `${image}@@1M`, "::/EFI/BOOT"]);
  t.is(listed.stdout.trim(), "::/EFI/BOOT/BOOTX64.EFI");
  await execa("mcopy", ["-i", `${image}@@1M`, "::/EFI/BOOT/BOOTX64.EFI", path.join(scratch, "copy")]);
  t.is((await readFile(path.join(scratch, "copy"))).toString("latin1", 0, 2), "MZ");

  const root = `${image}?offset=${5 * mib}`;
  const { stdout } = await execa("e2fsck", ["-fn", root], { env });
  t.regex(stdout, /files/u);
  const ask = async (request: string) => (await execa("debugfs", ["-R", request, root], { env })).stdout;
  t.regex(await ask("stat /etc/odd"), /User: +0 +Group: +0/u);
  t.is(await ask("cat /etc/odd"), "odd");
  t.regex(await ask("stats"), new RegExp(`Filesystem UUID: +${uuid}`, "u"));
  t.notRegex(await ask("features"), /metadata_csum_seed|orphan_file/u);
});

test("the disk's root belongs to root whoever built it", async (t) => {
  const scratch = await folder(t);
  const script = path.join(scratch, "build.ts");
  const module = path.resolve(import.meta.dirname, "../../vm-images/debian-mini/disk.ts");
  await writeFile(
    script,
    `const { makeDisk } = await import(${JSON.stringify(module)});
    const root = [{ kind: "file", path: "etc/odd", mode: 0o644, data: Buffer.from("odd") }];
    const plan = { image: "disk.raw", scratch: ".", root, rootUuid: ${JSON.stringify(uuid)}, diskMiB: 16 };
    await makeDisk(plan);`,
  );
  const build = [process.execPath, "--conditions=source", script];
  // Under another number in a namespace, so that the files stay readable wherever they lie.
  const asSomebody = ["unshare", "--user", "--map-user=1000", "--map-group=1000", ...build];
  const argv = process.getuid?.() === 0 ? asSomebody : build;
  await execa(argv[0]!, argv.slice(1), { cwd: scratch });
  const root = `${path.join(scratch, "disk.raw")}?offset=${5 * mib}`;
  const { stdout } = await execa("debugfs", ["-R", "stat /etc/odd", root], { env });
  t.regex(stdout, /User: +0 +Group: +0/u);
});

test("a full disk is named as such", async (t) => {
  const scratch = await folder(t);
  const place = path.join(scratch, "small");
  await mkdir(place);
  const module = path.resolve(import.meta.dirname, "../../vm-images/debian-mini/disk.ts");
  const script = path.join(scratch, "build.ts");
  await writeFile(
    script,
    `const { makeDisk } = await import(${JSON.stringify(module)});
    const data = new Uint8Array(8 << 20).fill(7);
    const root = [{ kind: "file", path: "big", mode: 0o644, data }];
    const plan = { image: "small/disk.raw", scratch: ".", root, rootUuid: ${JSON.stringify(uuid)}, diskMiB: 32 };
    await makeDisk(plan).then(() => console.log("made"), (error) => console.log(error.code + " " + error.message));`,
  );
  const node = `exec ${process.execPath} --conditions=source ${script}`;
  const run = `mount -t tmpfs -o size=6m tmpfs small && ${node}`;
  const { stdout } = await execa("unshare", ["-r", "--mount", "sh", "-c", run], { cwd: scratch });
  t.regex(stdout, /^DISK_FULL the disk is full at small\/disk\.raw: make room/u);
});

test("the image is sparse", async (t) => {
  const scratch = await folder(t);
  const image = path.join(scratch, "disk.raw");
  await makeDisk({ image, scratch, root: [], rootUuid: uuid, diskMiB: 64 });
  await using file = await open(image);
  const { size, blocks } = await file.stat();
  t.is(size, 64 * mib);
  t.true(blocks * 512 < 24 * mib, `${blocks * 512} bytes in use`);
});

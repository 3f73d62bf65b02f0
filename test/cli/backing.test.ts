import { once } from "node:events";
import { readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { MemoryDevice } from "#block";
import { SeededRandom } from "#core";
import { serveNbd } from "#nbd";
import test from "ava";
import { execute, sanlab } from "./sanlab.ts";
import { folderOf, startTarget } from "./serving.ts";

const miB = 1024 * 1024;

/** Carries out commands on a disk with QEMU's iSCSI driver, which is libiscsi. */
async function qemuIo(url: string, ...commands: readonly string[]): Promise<string> {
  const options = ["-f", "raw", "-t", "none", "-d", "unmap"];
  const script = commands.flatMap((command) => ["-c", command]);
  const { status, stdout, stderr } = await execute("qemu-io", [...options, ...script, url]);
  if (status !== 0 || /failed/.test(stdout)) throw new Error(stdout + stderr);
  return stdout;
}

const allocated = async (file: string) => (await stat(file)).blocks * 512;

test("UNMAP and WRITE SAME punch holes into the image, and GET LBA STATUS tells them", async (t) => {
  const image = path.join(await folderOf(t), "disk.img");
  await writeFile(image, Buffer.alloc(8 * miB, 0x5a));
  const { url } = await startTarget(t, [image]);
  t.is(await allocated(image), 8 * miB);
  await qemuIo(url, "discard 1M 2M", "flush");
  t.is(await allocated(image), 6 * miB);
  await qemuIo(url, "write -z -u 4M 1M", "flush");
  t.is(await allocated(image), 5 * miB);
  const map = await execute("qemu-img", ["map", "--output=json", url]);
  t.deepEqual(
    JSON.parse(map.stdout).map(({ start, data }: { start: number; data: boolean }) => [start, data]),
    [
      [0, true],
      [miB, false],
      [3 * miB, true],
      [4 * miB, false],
      [5 * miB, true],
    ],
  );
  const expected = Buffer.alloc(8 * miB, 0x5a)
    .fill(0, miB, 3 * miB)
    .fill(0, 4 * miB, 5 * miB);
  t.true((await readFile(image)).equals(expected));
});

const crash = test.macro(async (t, format: string) => {
  const image = path.join(await folderOf(t), "disk.img");
  await execute("qemu-img", ["create", "-q", "-f", format, image, "8M"]);
  const { child, url } = await startTarget(t, [image]);
  await qemuIo(url, "write -P 0x11 0 1M", "write -P 0x22 4M 64k", "flush");
  await qemuIo(url, "write -f -P 0x33 6M 512");
  child.kill("SIGKILL");
  await once(child, "exit");
  const reads = ["read -P 0x11 0 1M", "read -P 0x22 4M 64k", "read -P 0x33 6M 512", "read -P 0 2M 1M"];
  const script = reads.flatMap((read) => ["-c", read]);
  // A qemu-nbd below keeps its lock on the image until it has closed it.
  const check = () => execute("qemu-io", ["-f", format, "-r", ...script, image]);
  let { stdout, stderr } = await check();
  while (/lock/.test(stderr)) ({ stdout, stderr } = await check());
  t.is(stdout.match(/bytes at offset/g)?.length, 4, stdout + stderr);
  t.notRegex(stdout + stderr, /failed|verification/i);
});
test("a target killed after a flush has lost nothing of a raw image", crash, "raw");
test("a target killed after a flush has lost nothing of a qcow2", crash, "qcow2");

for (const format of ["qcow2", "vhdx", "vmdk"]) {
  test(`a ${format} image is a logical unit, and another under a layer of its own`, async (t) => {
    const folder = await folderOf(t);
    const raw = path.join(folder, "disk.raw");
    const image = path.join(folder, `disk.${format}`);
    const bytes = Buffer.alloc(8 * miB);
    bytes.set(new SeededRandom(6).bytes(miB), 2 * miB);
    await writeFile(raw, bytes);
    await execute("qemu-img", ["convert", "-f", "raw", "-O", format, raw, image]);
    const { child, url } = await startTarget(t, [image, "--overlay"]);
    // iscsi-ls takes the last block's number for the number of blocks.
    t.regex((await execute("iscsi-ls", ["-s", url.replace(/\/iqn.*/, "/")])).stdout, /Lun:0 .*Size:7M/);
    t.regex((await execute("qemu-img", ["compare", "-f", "raw", "-F", "raw", raw, url])).stdout, /identical/);
    await qemuIo(url, "write -P 1 0 1M", "read -P 1 0 1M", "discard 2M 1M", "read -P 0 2M 1M");
    child.kill("SIGTERM");
    t.deepEqual(await once(child, "exit"), [0, null]);
    t.regex(
      (await execute("qemu-img", ["compare", "-f", "raw", "-F", format, raw, image])).stdout,
      /identical/,
    );
  });
}

test("an NBD export is a logical unit", async (t) => {
  const folder = await folderOf(t);
  const device = new MemoryDevice(8 * miB);
  await using server = await serveNbd({
    listen: { path: path.join(folder, "nbd.sock") },
    exports: [{ name: "", device }],
  });
  const { url } = await startTarget(t, [server.url("")]);
  await qemuIo(url, "write -P 7 1M 1M", "discard 1M 64k", "write -f -P 8 4M 512", "flush");
  const bytes = Buffer.alloc(8 * miB);
  await device.read(0, bytes);
  t.true(
    bytes.equals(
      Buffer.alloc(8 * miB)
        .fill(7, miB + 65_536, 2 * miB)
        .fill(8, 4 * miB, 4 * miB + 512),
    ),
  );
  const inquiry = await execute("iscsi-readcapacity16", [url]);
  t.regex(inquiry.stdout, /Total size:8388608/);
});

test("another target's disk is a logical unit, its secret from the environment", async (t) => {
  const folder = await folderOf(t);
  const image = path.join(folder, "disk.img");
  const secrets = path.join(folder, "chap.yaml");
  await writeFile(image, Buffer.alloc(4 * miB, 3));
  await writeFile(secrets, "users: { alice: a-secret-of-hers }", { mode: 0o600 });
  const inner = await startTarget(t, [
    image,
    "--iqn",
    "iqn.2001-04.com.example:inner",
    "--chap-file",
    secrets,
  ]);
  const source = inner.url.replace("iscsi://", "iscsi://alice@");
  const none = await sanlab(["target", "serve", source], { env: { ...process.env, SANLAB_CHAP_SECRET: "" } });
  t.is(none.status, 2);
  t.regex(none.stderr, /SANLAB_CHAP_SECRET/);
  const outer = await startTarget(t, [source], { SANLAB_CHAP_SECRET: "a-secret-of-hers" });
  await qemuIo(outer.url, "read -P 3 0 4M", "write -P 4 1M 1M", "flush");
  t.true((await readFile(image)).equals(Buffer.alloc(4 * miB, 3).fill(4, miB, 2 * miB)));
  outer.child.kill("SIGTERM");
  t.deepEqual(await once(outer.child, "exit"), [0, null]);
});

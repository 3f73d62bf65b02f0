import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { MemoryDevice } from "#block";
import { Target } from "#target";
import { client, iqn, url } from "./clients.ts";

const mebibyte = 1024 * 1024;

test("libiscsi's tools find the target, its unit, its identity and its size", async (t) => {
  await using device = new MemoryDevice(10 * mebibyte);
  await using target = await Target.listen({ iqn, luns: [{ lun: 1, device }] });
  const { host, port } = target.address;
  const list = await client("iscsi-ls", ["-s", `iscsi://${host}:${port}`]);
  t.regex(list.stdout, new RegExp(`Target:${iqn} Portal:${host}:${port},1`));
  t.regex(list.stdout, /Lun:1 +Type:DIRECT_ACCESS/);
  const inquiry = await client("iscsi-inq", [url(target.address)]);
  t.regex(inquiry.stdout, /Vendor:SANLAB/);
  t.regex(inquiry.stdout, /Version Descriptor:04c0 SBC-3/);
  const pages = await client("iscsi-inq", ["-e", "1", "-c", "0", url(target.address)]);
  t.regex(pages.stdout, /0xb0 BLOCK_LIMITS[^]*0xb2 LOGICAL_BLOCK_PROVISIONING/);
  const capacity = await client("iscsi-readcapacity16", [url(target.address)]);
  t.regex(capacity.stdout, /RETURNED LOGICAL BLOCK ADDRESS:20479\n/);
});

test("QEMU's driver writes and reads a disk back unchanged, with and without digests, in 512 and 4096 byte blocks", async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-target-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const content = randomBytes(9 * mebibyte);
  const [source, copy] = [path.join(folder, "source"), path.join(folder, "copy")];
  await writeFile(source, content);
  for (const [blockSize, digest] of [
    [512, "none"],
    [512, "crc32c"],
    [4096, "crc32c"],
  ] as const) {
    await using device = new MemoryDevice(content.length, { blockSize });
    await using target = await Target.listen({ iqn, luns: [{ lun: 0, device }] });
    const { host, port } = target.address;
    const disk = `driver=raw,file.driver=iscsi,file.transport=tcp,file.portal=${host}:${port},file.target=${iqn},file.lun=0,file.header-digest=${digest}`;
    const write = await client("qemu-img", [
      "convert",
      "-n",
      "-f",
      "raw",
      "--target-image-opts",
      source,
      disk,
    ]);
    t.is(write.stderr, "");
    const held = Buffer.alloc(content.length);
    await device.read(0, held);
    t.true(held.equals(content), `written with ${blockSize} byte blocks, digest ${digest}`);
    const read = await client("qemu-img", ["convert", "--image-opts", disk, "-O", "raw", copy]);
    t.is(read.stderr, "");
    t.true((await readFile(copy)).equals(content), `read with ${blockSize} byte blocks, digest ${digest}`);
  }
});

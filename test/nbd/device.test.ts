import { readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { BlockDevice, Extent } from "#block";
import { SeededRandom } from "#core";
import { NbdDevice, formatNbdUrl, parseNbdUrl } from "#nbd";
import { execa } from "execa";
import test from "ava";
import { withNbdkit, withQemuNbd } from "./peers.ts";
import { contentOf, inFolder, miB, serving } from "./serving.ts";

async function listExtents(device: BlockDevice, offset = 0, length = device.size) {
  const extents: Extent[] = [];
  for await (const extent of device.extents(offset, length)) extents.push(extent);
  return extents;
}

/** Random writes, trims and reads, many at a time, against an array of bytes. */
async function agrees(device: BlockDevice, seed: number): Promise<boolean> {
  const random = new SeededRandom(seed);
  const model = await contentOf(device);
  for (let round = 0; round < 20; round++) {
    const slots = Array.from({ length: 16 }, (_, slot) => slot * (device.size / 16));
    await Promise.all(
      slots.map(async (slot) => {
        const offset = slot + random.below(64) * 512;
        const length = (1 + random.below(128)) * 512;
        const kind = random.below(4);
        if (kind === 0) {
          model.fill(0, offset, offset + length);
          await device.trim(offset, length);
        } else {
          const bytes = random.bytes(length);
          model.set(bytes, offset);
          await device.write(offset, bytes, { fua: kind === 1 });
        }
      }),
    );
  }
  await device.flush();
  return (await contentOf(device)).equals(model);
}

const nbdkits: Readonly<Record<string, readonly string[]>> = {
  "nbdkit with everything": ["memory", "size=8M"],
  "nbdkit without structured replies": ["--no-sr", "memory", "size=8M"],
  "nbdkit without zeroing": ["memory", "size=8M", "--filter=nozero"],
  "nbdkit without extents": ["memory", "size=8M", "--filter=noextents"],
  "nbdkit that speaks the old protocol": ["--mask-handshake=0", "memory", "size=8M"],
  "nbdkit with blocks of 4096 bytes": [
    "memory",
    "size=8M",
    "--filter=blocksize-policy",
    "blocksize-minimum=4096",
    "blocksize-maximum=64k",
    "blocksize-error-policy=error",
  ],
};

for (const [name, args] of Object.entries(nbdkits)) {
  test(`${name}: what is written, trimmed and read agrees`, (t) =>
    withNbdkit(args, async (url) => {
      await using device = await NbdDevice.connect(url);
      t.is(device.size, 8 * miB);
      const random = new SeededRandom(11);
      if (device.blockSize === 512) t.true(await agrees(device, 11));
      const bytes = random.bytes(miB);
      await device.write(miB, bytes, { fua: true });
      await device.trim(miB + 4096, 4096);
      const expected = Buffer.from(bytes).fill(0, 4096, 8192);
      const read = Buffer.alloc(miB);
      await device.read(miB, read);
      t.true(read.equals(expected));
      t.is(
        (await listExtents(device)).reduce((sum, { length }) => sum + length, 0),
        8 * miB,
      );
    }));
}

test("qemu-nbd's export of a qcow2: content, holes, and what QEMU reads afterwards", (t) =>
  inFolder(async (folder) => {
    const image = path.join(folder, "disk.qcow2");
    await execa("qemu-img", ["create", "-q", "-f", "qcow2", image, "8M"]);
    await withQemuNbd(["-f", "qcow2", "--discard=unmap", image], async (url) => {
      await using device = await NbdDevice.connect(url);
      t.true(await agrees(device, 12));
      await device.trim(0, device.size);
      t.deepEqual(await listExtents(device), [{ offset: 0, length: 8 * miB, allocated: false }]);
      await device.write(3 * miB, Buffer.alloc(64 * 1024, 0x77), { fua: true });
      t.deepEqual(
        (await listExtents(device, miB, 6 * miB)).map(({ offset, length, allocated }) => [
          offset,
          length,
          allocated,
        ]),
        [
          [miB, 2 * miB, false],
          [3 * miB, 64 * 1024, true],
          [3 * miB + 64 * 1024, 4 * miB - 64 * 1024, false],
        ],
      );
    });
    const { stdout } = await execa("qemu-io", ["-f", "qcow2", "-r", "-c", "read -P 0x77 3M 64k", image]);
    t.notRegex(stdout, /failed/);
  }));

test("requests longer than the server's longest payload are cut, on both sides of our own", (t) =>
  serving(async ({ url }) => {
    await using device = await NbdDevice.connect(url);
    t.true(await agrees(device, 13));
    const bytes = new SeededRandom(14).bytes(8 * miB);
    await device.write(0, bytes);
    t.true((await contentOf(device)).equals(bytes));
  }));

test("forced unit access is a flush where the server has none of its own", (t) =>
  inFolder(async (folder) => {
    const file = path.join(folder, "disk.img");
    const log = path.join(folder, "log");
    await writeFile(file, Buffer.alloc(miB));
    await writeFile(log, "");
    const script = [
      "get_size=echo 1048576",
      `pread=dd status=none if=${file} iflag=skip_bytes,count_bytes skip=$4 count=$3`,
      `pwrite=dd status=none of=${file} oflag=seek_bytes conv=notrunc seek=$4`,
      "can_write=exit 0",
      "can_flush=exit 0",
      "can_fua=echo none",
      `flush=echo flush >> ${log}`,
    ];
    await withNbdkit(["eval", ...script], async (url) => {
      await using device = await NbdDevice.connect(url);
      await device.write(4096, Buffer.alloc(4096, 8));
      t.is(await readFile(log, "utf8"), "");
      await device.write(8192, Buffer.alloc(4096, 9), { fua: true });
      t.is(await readFile(log, "utf8"), "flush\n");
    });
    t.deepEqual((await readFile(file)).subarray(4096, 12_288), Buffer.alloc(8192, 8).fill(9, 4096));
  }));

test("a read of 80 MiB from nbdkit comes in pieces", (t) =>
  withNbdkit(["pattern", "size=80M"], async (url) => {
    await using device = await NbdDevice.connect(url, { readOnly: true });
    const bytes = await contentOf(device);
    // The pattern is each 8 bytes' own offset.
    for (const at of [0, 32 * miB - 8, 32 * miB, 80 * miB - 8]) t.is(bytes.readBigUInt64BE(at), BigInt(at));
    await t.throwsAsync(device.write(0, Buffer.alloc(512)), { code: "READ_ONLY" });
  }));

test("an export that the server has read-only is that, whatever is asked", (t) =>
  withNbdkit(["-r", "memory", "size=1M"], async (url) => {
    await using device = await NbdDevice.connect(url);
    t.true(device.readOnly);
  }));

test("errors of the server come with its name and ours", (t) =>
  withNbdkit(
    ["memory", "size=1M", "--filter=error", "error-pwrite=ENOSPC", "error-pread=EIO", "error-rate=100%"],
    async (url) => {
      await using device = await NbdDevice.connect(url);
      await t.throwsAsync(device.read(512, Buffer.alloc(512)), {
        code: "NBD_ERROR",
        message: /EIO to a request of 512 bytes at 512/,
      });
      await t.throwsAsync(device.write(0, Buffer.alloc(512)), { code: "DISK_FULL" });
    },
  ));

test("a server that dies fails what is open and what comes later, cleanly", (t) =>
  withNbdkit(["memory", "size=1M", "--filter=delay", "rdelay=600"], async (url, _folder, stop) => {
    const device = await NbdDevice.connect(url);
    const open = [device.read(0, Buffer.alloc(512)), device.read(512, Buffer.alloc(512))];
    const failures = Promise.allSettled(open);
    await device.write(0, Buffer.alloc(512));
    await stop();
    for (const result of await failures)
      t.is(result.status === "rejected" && (result.reason as { code?: string }).code, "NBD_LOST");
    await t.throwsAsync(device.write(0, Buffer.alloc(512)), { code: "NBD_LOST" });
    await device[Symbol.asyncDispose]();
  }));

test("an aborted request rejects at once, and its late answer disturbs nobody", (t) =>
  withNbdkit(["pattern", "size=1M", "--filter=delay", "rdelay=300ms"], async (url) => {
    await using device = await NbdDevice.connect(url);
    const controller = new AbortController();
    const into = Buffer.alloc(512, 0xee);
    const read = device.read(512, into, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await t.throwsAsync(read, { message: "enough" });
    const later = Buffer.alloc(512);
    await device.read(1024, later);
    t.is(later.readBigUInt64BE(0), 1024n);
    t.deepEqual(into, Buffer.alloc(512, 0xee));
    await t.throwsAsync(device.read(0, into, { signal: controller.signal }), { message: "enough" });
  }));

test("no server, no export, a server of something else, and a size that is no disk's", async (t) => {
  await t.throwsAsync(NbdDevice.connect(`nbd+unix:///?socket=${tmpdir()}/no-such.sock`), {
    code: "NBD_UNREACHABLE",
    message: /no-such\.sock: no NBD server there/,
  });
  await serving(async ({ server }) => {
    await t.throwsAsync(NbdDevice.connect(server.url("other")), {
      code: "NBD_REFUSED",
      message: /export "other": the server has no such export/,
    });
  });
  await withNbdkit(["memory", "size=1000"], async (url) => {
    await t.throwsAsync(NbdDevice.connect(url), { code: "NBD_GEOMETRY", message: /1000 bytes/ });
  });
});

test("all of sanlab's disk goes through nbdkit's own NBD client and back", (t) =>
  serving(async ({ url, device }) => {
    const [, socket = ""] = /socket=(.*)/.exec(url) ?? [];
    await withNbdkit(["nbd", `socket=${socket}`, "export=disk"], async (through) => {
      await using disk = await NbdDevice.connect(through);
      t.true(await agrees(disk, 15));
      t.true((await contentOf(disk)).equals(await contentOf(device)));
    });
  }));

test("a file's holes are seen through two servers", (t) =>
  inFolder(async (folder) => {
    const file = path.join(folder, "disk.img");
    await writeFile(file, Buffer.alloc(4 * miB, 1));
    await withNbdkit(["file", file], async (url) => {
      await using device = await NbdDevice.connect(url);
      await device.trim(miB, 2 * miB);
      await device.flush();
      t.deepEqual(
        (await listExtents(device)).map(({ length, allocated }) => [length, allocated]),
        [
          [miB, true],
          [2 * miB, false],
          [miB, true],
        ],
      );
      t.is((await stat(file)).blocks * 512, 2 * miB);
    });
  }));

const urls: readonly (readonly [text: string, url: ReturnType<typeof parseNbdUrl>])[] = [
  ["nbd://example.com/disk", { address: { host: "example.com", port: 10_809 }, exportName: "disk" }],
  ["nbd://example.com", { address: { host: "example.com", port: 10_809 }, exportName: "" }],
  ["nbd://example.com//disk", { address: { host: "example.com", port: 10_809 }, exportName: "/disk" }],
  [
    "nbd://[2001:db8::1]:99/hello%20world",
    { address: { host: "2001:db8::1", port: 99 }, exportName: "hello world" },
  ],
  ["nbd+unix:///disk?socket=/run/a%20b+c", { address: { path: "/run/a b+c" }, exportName: "disk" }],
  ["NBD+UNIX:///?x-other=1&socket=/s", { address: { path: "/s" }, exportName: "" }],
];
test("URLs are read as NBD's own document has them, and written so", (t) => {
  for (const [text, url] of urls) {
    t.deepEqual(parseNbdUrl(text), url, text);
    t.deepEqual(parseNbdUrl(formatNbdUrl(url)), url, text);
  }
  t.throws(() => parseNbdUrl("nbds://host/"), { code: "NBD_TLS" });
  for (const bad of [
    "nbd:host",
    "nbd://",
    "nbd://h:0/",
    "nbd+unix:///x",
    "nbd+unix:///x?socket=",
    "nbd+unix://h/x?socket=/s",
    "nbd://h/%zz",
  ])
    t.throws(() => parseNbdUrl(bad), { code: "BAD_URL" }, bad);
});

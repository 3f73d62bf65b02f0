import { stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { FileDevice, type BlockDevice, type Extent } from "#block";
import { execa } from "execa";
import test from "ava";
import { inFolder } from "./in-folder.ts";

const kiB = 1024;
const miB = 1024 * kiB;

/** Bytes that the file system has given to a file. */
const allocated = async (file: string) => (await stat(file)).blocks * 512;

async function listExtents(device: BlockDevice, offset = 0, length = device.size) {
  const extents: Extent[] = [];
  for await (const extent of device.extents(offset, length)) extents.push(extent);
  return extents;
}

test("a trim gives the file system its blocks back, and the range reads as zero", (t) =>
  inFolder(async (folder) => {
    const file = path.join(folder, "disk.img");
    await writeFile(file, Buffer.alloc(4 * miB, 0x5a));
    t.is(await allocated(file), 4 * miB);
    await using device = await FileDevice.open(file);
    await device.trim(miB, 2 * miB);
    await device.flush();
    t.is(await allocated(file), 2 * miB);
    t.is((await stat(file)).size, 4 * miB);
    const bytes = Buffer.alloc(4 * miB, 0xee);
    await device.read(0, bytes);
    const expected = Buffer.alloc(4 * miB, 0x5a).fill(0, miB, 3 * miB);
    t.true(bytes.equals(expected));
    t.deepEqual(await listExtents(device), [
      { offset: 0, length: miB, allocated: true },
      { offset: miB, length: 2 * miB, allocated: false },
      { offset: 3 * miB, length: miB, allocated: true },
    ]);
  }));

test("a trim of less than the file system's block leaves zeroes and its neighbours", (t) =>
  inFolder(async (folder) => {
    const file = path.join(folder, "disk.img");
    await writeFile(file, Buffer.alloc(64 * kiB, 0x5a));
    await using device = await FileDevice.open(file);
    await device.trim(512, 1024);
    const bytes = Buffer.alloc(64 * kiB);
    await device.read(0, bytes);
    t.true(bytes.equals(Buffer.alloc(64 * kiB, 0x5a).fill(0, 512, 1536)));
    t.deepEqual(await listExtents(device), [{ offset: 0, length: 64 * kiB, allocated: true }]);
  }));

test("extents are the file system's own, as qemu-img sees them, also from and to anywhere", (t) =>
  inFolder(async (folder) => {
    const file = path.join(folder, "disk.img");
    await using device = await FileDevice.create(file, 16 * miB);
    for (const at of [64 * kiB, 5 * miB, 5 * miB + 128 * kiB])
      await device.write(at, Buffer.alloc(64 * kiB, 1));
    // Zeroes that were written are data all the same.
    await device.write(12 * miB, Buffer.alloc(64 * kiB));
    await device.flush();
    const { stdout } = await execa("qemu-img", ["map", "-f", "raw", "-U", "--output=json", file]);
    const map = JSON.parse(stdout) as readonly { start: number; length: number; data: boolean }[];
    t.deepEqual(
      await listExtents(device),
      map.map(({ start, length, data }) => ({ offset: start, length, allocated: data })),
    );
    t.deepEqual(await listExtents(device, 96 * kiB, 5 * miB), [
      { offset: 96 * kiB, length: 32 * kiB, allocated: true },
      { offset: 128 * kiB, length: 5 * miB - 128 * kiB, allocated: false },
      { offset: 5 * miB, length: 64 * kiB, allocated: true },
      { offset: 5 * miB + 64 * kiB, length: 32 * kiB, allocated: false },
    ]);
    t.deepEqual(await listExtents(device, 6 * miB, miB), [
      { offset: 6 * miB, length: miB, allocated: false },
    ]);
    t.deepEqual(await listExtents(device, 0, 0), []);
  }));

test("blocks of 4096 bytes are data where any part of them is", (t) =>
  inFolder(async (folder) => {
    const file = path.join(folder, "disk.img");
    await (await FileDevice.create(file, 64 * kiB))[Symbol.asyncDispose]();
    await using device = await FileDevice.open(file, { blockSize: 4096 });
    await device.write(8192, Buffer.alloc(4096, 1));
    for (const { offset, length } of await listExtents(device)) t.is((offset | length) % 4096, 0);
  }));

test("a device that is closed in the middle of trims finishes those first", (t) =>
  inFolder(async (folder) => {
    const file = path.join(folder, "disk.img");
    await writeFile(file, Buffer.alloc(4 * miB, 0x5a));
    const device = await FileDevice.open(file);
    const trims = [0, 1, 2, 3].map((n) => device.trim(n * miB, miB / 2));
    await device[Symbol.asyncDispose]();
    await t.notThrowsAsync(Promise.all(trims));
    t.is(await allocated(file), 2 * miB);
  }));

const fallback = test.macro(async (t, prepare: string, load: string) => {
  await inFolder(async (folder) => {
    const script = `
      ${load}
      const { FileDevice } = await import("#block");
      await using device = await FileDevice.create(process.argv[1] + "/disk.img", 1024 * 1024);
      await device.write(0, Buffer.alloc(1024 * 1024, 7));
      await device.trim(4096, 65536);
      const bytes = Buffer.alloc(1024 * 1024);
      await device.read(0, bytes);
      const extents = [];
      for await (const extent of device.extents(0, 1024 * 1024)) extents.push(extent);
      console.log(JSON.stringify({ good: bytes.equals(Buffer.alloc(1024 * 1024, 7).fill(0, 4096, 69632)), extents }));
    `;
    const inside = ["-rm", "sh", "-c", `${prepare} && exec "$@"`, folder, process.execPath];
    const { stdout } = await execa("unshare", [
      ...inside,
      "--conditions=source",
      "--input-type=module",
      "-e",
      script,
      folder,
    ]);
    const { good, extents } = JSON.parse(stdout) as { good: boolean; extents: readonly Extent[] };
    t.true(good);
    t.is(
      extents.reduce((sum, { length }) => sum + length, 0),
      miB,
    );
    if (load !== "") t.deepEqual(extents[1], { offset: 4096, length: 65_536, allocated: false });
  });
});

test("where the file system punches no holes, zeroes are written", fallback, 'mount -t ramfs none "$0"', "");
test(
  "where koffi does not load, zeroes are written and looked for",
  fallback,
  "true",
  `const { registerHooks } = await import("node:module");
   registerHooks({ resolve: (name, context, next) => {
     if (name === "koffi") throw new Error("not here");
     return next(name, context);
   } });`,
);

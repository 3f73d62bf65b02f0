import { stat } from "node:fs/promises";
import path from "node:path";
import { FileDevice, MemoryDevice, OverlayDevice, type BlockDevice, type Extent } from "#block";
import { SeededRandom } from "#core";
import test from "ava";
import { inFolder } from "./in-folder.ts";

const size = 1024 * 1024 + 512;

/** Every kind of device, each made new and all zero. */
const kinds: Readonly<Record<string, (folder: string) => Promise<BlockDevice>>> = {
  memory: async () => new MemoryDevice(size),
  file: (folder) => FileDevice.create(path.join(folder, "disk.img"), size),
  "overlay in memory": async () => new OverlayDevice(new MemoryDevice(size), new MemoryDevice(size)),
  "overlay in a file": async (folder) =>
    new OverlayDevice(
      new MemoryDevice(size),
      await FileDevice.create(path.join(folder, "overlay.img"), size),
    ),
};

const bytesOf = (i: number) => Buffer.alloc(512, (i % 251) + 1);

const readBack = async (device: BlockDevice, offset: number, length: number) => {
  const into = Buffer.alloc(length, 0xee);
  await device.read(offset, into);
  return into;
};

async function listExtents(
  device: BlockDevice,
  offset = 0,
  length = device.size,
): Promise<readonly Extent[]> {
  const extents: Extent[] = [];
  for await (const extent of device.extents(offset, length)) extents.push(extent);
  return extents;
}

for (const [name, make] of Object.entries(kinds)) {
  test(`${name}: random writes, trims and reads agree with an array of bytes`, (t) =>
    inFolder(async (folder) => {
      await using device = await make(folder);
      const random = new SeededRandom(7);
      const model = Buffer.alloc(size);
      for (let i = 0; i < 400; i++) {
        const offset = random.below(size / 512) * 512;
        const length = Math.min(random.below(40) * 512, size - offset);
        if (random.below(4) === 0) {
          await device.trim(offset, length);
          model.fill(0, offset, offset + length);
        } else if (random.below(2) === 0) {
          const bytes = random.bytes(length);
          await device.write(offset, bytes, { fua: random.below(8) === 0 });
          model.set(bytes, offset);
        } else if (
          !(await readBack(device, offset, length)).equals(model.subarray(offset, offset + length))
        ) {
          t.fail(`read ${i} at ${offset} of ${length} bytes differs`);
        }
      }
      await device.flush();
      t.true((await readBack(device, 0, size)).equals(model));
      const extents = await listExtents(device);
      t.is(
        extents.reduce((sum, extent) => (t.is(extent.offset, sum), sum + extent.length), 0),
        size,
      );
      for (const extent of extents.filter((extent) => !extent.allocated)) {
        t.true(model.subarray(extent.offset, extent.offset + extent.length).every((byte) => byte === 0));
      }
    }));

  test(`${name}: many overlapping granules written at once lose no block`, (t) =>
    inFolder(async (folder) => {
      await using device = await make(folder);
      const blocks = 256;
      await Promise.all(Array.from({ length: blocks }, (_, i) => device.write(i * 512, bytesOf(i))));
      t.deepEqual(
        await readBack(device, 0, blocks * 512),
        Buffer.concat(Array.from({ length: blocks }, (_, i) => bytesOf(i))),
      );
    }));

  test(`${name}: refuses ranges outside the device or across blocks`, (t) =>
    inFolder(async (folder) => {
      await using device = await make(folder);
      await t.throwsAsync(device.read(size, Buffer.alloc(512)), {
        instanceOf: RangeError,
        message: /past the end/,
      });
      await t.throwsAsync(device.write(size - 512, Buffer.alloc(1024)), { instanceOf: RangeError });
      await t.throwsAsync(device.read(1, Buffer.alloc(512)), {
        instanceOf: RangeError,
        message: /512-byte block/,
      });
      await t.throwsAsync(device.trim(-512, 512), { instanceOf: RangeError });
      await t.throwsAsync(listExtents(device, 0, size + 512), { instanceOf: RangeError });
      await t.notThrowsAsync(device.read(size, Buffer.alloc(0)));
    }));

  test(`${name}: an aborted signal stops an operation before it begins`, (t) =>
    inFolder(async (folder) => {
      await using device = await make(folder);
      const signal = AbortSignal.abort(new Error("enough"));
      await t.throwsAsync(device.write(0, Buffer.alloc(512, 1), { signal }), { message: "enough" });
      await t.throwsAsync(device.read(0, Buffer.alloc(512), { signal }), { message: "enough" });
      t.deepEqual(await listExtents(device), [{ offset: 0, length: size, allocated: false }]);
    }));
}

test("memory: a terabyte takes no space, and trims in the middle of chunks keep their neighbours", async (t) => {
  await using device = new MemoryDevice(2 ** 40);
  await device.write(2 ** 39, Buffer.alloc(192 * 1024, 5));
  await device.trim(2 ** 39 + 512, 191 * 1024);
  t.deepEqual(await listExtents(device), [
    { offset: 0, length: 2 ** 39, allocated: false },
    { offset: 2 ** 39, length: 64 * 1024, allocated: true },
    { offset: 2 ** 39 + 64 * 1024, length: 64 * 1024, allocated: false },
    { offset: 2 ** 39 + 128 * 1024, length: 64 * 1024, allocated: true },
    { offset: 2 ** 39 + 192 * 1024, length: 2 ** 39 - 192 * 1024, allocated: false },
  ]);
  t.is((await readBack(device, 2 ** 39, 1024)).indexOf(0), 512);
});

test("memory: a read-only device names the cure", async (t) => {
  await using device = new MemoryDevice(4096, { readOnly: true, blockSize: 4096 });
  await t.throwsAsync(device.write(0, Buffer.alloc(4096)), { code: "READ_ONLY", message: /overlay/ });
  t.throws(() => new MemoryDevice(4097), { instanceOf: RangeError });
});

test("file: trimming a hole does not allocate it", (t) =>
  inFolder(async (folder) => {
    const file = path.join(folder, "sparse.img");
    await using device = await FileDevice.create(file, 64 * 1024 * 1024);
    await device.trim(0, device.size);
    t.is((await stat(file)).blocks, 0);
    t.is((await stat(file)).mode & 0o777, 0o600);
  }));

test("overlay: the base is never written and shows through where nothing was written", async (t) => {
  const bytes = new SeededRandom(1).bytes(64 * 1024);
  const base = new MemoryDevice(64 * 1024, { readOnly: true });
  const model = Buffer.from(bytes);
  const source = new MemoryDevice(64 * 1024);
  await source.write(0, bytes);
  await using device = new OverlayDevice(source, new MemoryDevice(64 * 1024));
  await device.write(5 * 512, Buffer.alloc(512, 9));
  await device.trim(20 * 512, 512);
  model.fill(9, 5 * 512, 6 * 512).fill(0, 20 * 512, 21 * 512);
  t.deepEqual(await readBack(device, 0, 64 * 1024), model);
  t.deepEqual(await readBack(source, 0, 64 * 1024), Buffer.from(bytes));
  t.throws(() => new OverlayDevice(base, new MemoryDevice(32 * 1024)), { instanceOf: RangeError });
});

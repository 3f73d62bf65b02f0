import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { FileDevice } from "#block";
import { execa } from "execa";
import test from "ava";
import { inFolder } from "./in-folder.ts";
import { quickFile } from "../../src/block/quick-file.ts";

const size = 1024 * 1024;
const content = Buffer.from(Array.from({ length: size }, (_, at) => (at * 7 + (at >> 12)) & 0xff));

/** Runs `work` with a file on a disk, then with one in memory. */
async function onBoth(work: (file: string, kind: "disk" | "memory") => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    await writeFile(path.join(folder, "disk.img"), content);
    await work(path.join(folder, "disk.img"), "disk");
  });
  const folder = await mkdtemp("/dev/shm/sanlab-block-");
  try {
    await writeFile(path.join(folder, "disk.img"), content);
    await work(path.join(folder, "disk.img"), "memory");
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Puts what was written on the disk, and out of the page cache. */
const forget = (file: string) =>
  execa("dd", [`of=${file}`, "oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"]);

test("what lies in memory is read without a thread, and what does not is left to one", (t) =>
  onBoth(async (file, kind) => {
    await using handle = await open(file, "r+");
    const quick = await quickFile(handle.fd, file);
    const into = Buffer.alloc(4096);
    t.is(quick?.read(into, 8192), 4096, kind);
    t.deepEqual(into, content.subarray(8192, 12_288));
    t.is(quick?.read(Buffer.alloc(1024 * 1024), 0), 0, "so much is no matter of microseconds");
    t.is(quick?.write(content.subarray(0, 4096), 0), kind === "memory" ? 4096 : 0);
  }));

test("a file is read the same from the page cache, from the disk and from memory", (t) =>
  onBoth(async (file) => {
    for (const prepare of [forget, async () => undefined]) {
      await using device = await FileDevice.open(file);
      await prepare(file);
      const whole = Buffer.alloc(size);
      const reads: Promise<void>[] = [];
      for (let at = 0; at < size; at += 65_536) reads.push(device.read(at, whole.subarray(at, at + 65_536)));
      await Promise.all(reads);
      t.true(whole.equals(content));
    }
  }));

test("a write is read back whatever way either took", (t) =>
  onBoth(async (file) => {
    await using device = await FileDevice.open(file);
    const bytes = Buffer.alloc(12_288, "written");
    await device.write(4096, bytes, { fua: true });
    await forget(file);
    for (const length of [512, 12_288]) {
      const into = Buffer.alloc(length);
      await device.read(4096, into);
      t.deepEqual(into, bytes.subarray(0, length));
    }
  }));

test("a device that is closed reads no other file that got its descriptor", (t) =>
  onBoth(async (file) => {
    const device = await FileDevice.open(file);
    await device[Symbol.asyncDispose]();
    await using other = await open("/dev/zero", "r");
    t.true(other.fd > 0);
    await t.throwsAsync(device.read(0, Buffer.alloc(512)));
  }));

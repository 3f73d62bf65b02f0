import { truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { FileDevice } from "#block";
import { UsageError } from "#core";
import { execa } from "execa";
import test from "ava";
import { inFolder } from "./in-folder.ts";

const badImages: readonly {
  title: string;
  code: string;
  message: RegExp;
  make: (file: string) => Promise<unknown>;
}[] = [
  { title: "missing", code: "IMAGE_MISSING", message: /no such file/, make: async () => undefined },
  { title: "empty", code: "IMAGE_SHORT", message: /is empty/, make: (file) => writeFile(file, "") },
  {
    title: "cut off",
    code: "IMAGE_SHORT",
    message: /1000 bytes.*cut off/,
    make: (file) => writeFile(file, Buffer.alloc(1000)),
  },
  { title: "a folder", code: "NOT_AN_IMAGE", message: /is a folder/, make: (file) => execa("mkdir", [file]) },
  {
    title: "a character device",
    code: "NOT_AN_IMAGE",
    message: /neither a file/,
    make: (file) => execa("ln", ["-s", "/dev/null", file]),
  },
  ...["qcow2", "vhdx", "vmdk"].map((format) => ({
    title: `in the format ${format}`,
    code: "NOT_RAW",
    message: new RegExp(`qemu-img convert -f ${format}`),
    make: (file: string) => execa("qemu-img", ["create", "-q", "-f", format, file, "1M"]),
  })),
];

for (const { title, code, message, make } of badImages) {
  test(`an image that is ${title} is refused by name`, (t) =>
    inFolder(async (folder) => {
      const file = path.join(folder, "disk.img");
      await make(file);
      const error = await t.throwsAsync(FileDevice.open(file), { instanceOf: UsageError, code, message });
      t.true(error.message.startsWith(file));
    }));
}

test("a file is created only where none is and where a folder is", (t) =>
  inFolder(async (folder) => {
    const file = path.join(folder, "disk.img");
    await writeFile(file, "precious");
    await t.throwsAsync(FileDevice.create(file, 4096), { code: "FILE_EXISTS" });
    await t.throwsAsync(FileDevice.create(path.join(file, "..", "no", "disk.img"), 4096), {
      code: "NO_SUCH_FOLDER",
    });
  }));

test("an image that shrinks while in use is an error, not zeroes", (t) =>
  inFolder(async (folder) => {
    const file = path.join(folder, "disk.img");
    await writeFile(file, Buffer.alloc(8192, 1));
    await using device = await FileDevice.open(file, { readOnly: true });
    await truncate(file, 4096);
    await t.throwsAsync(device.read(4096, Buffer.alloc(512)), {
      code: "IMAGE_SHORT",
      message: /shorter than 8192/,
    });
  }));

test("a full file system is named in the error, with status 3", (t) =>
  inFolder(async (folder) => {
    const script = `
    import { FileDevice } from "#block";
    await using device = await FileDevice.create(process.argv[1] + "/overlay.img", 64 * 1024 * 1024);
    const failure = await device.write(0, Buffer.alloc(8 * 1024 * 1024, 1)).catch((error) => error);
    console.log(JSON.stringify({ code: failure.code, message: failure.message, exitStatus: failure.exitStatus }));
  `;
    const { stdout } = await execa("unshare", [
      "-rm",
      "sh",
      "-c",
      'mount -t tmpfs -o size=1m none "$0" && exec "$@"',
      folder,
      process.execPath,
      "--conditions=source",
      "--input-type=module",
      "-e",
      script,
      folder,
    ]);
    t.like(JSON.parse(stdout), { code: "DISK_FULL", exitStatus: 3 });
    t.regex(stdout, /overlay\.img: no space left/);
  }));

import { readdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { FileDevice } from "#block";
import { SeededRandom } from "#core";
import { openImage } from "#nbd";
import { execa } from "execa";
import test from "ava";
import { contentOf, inFolder, miB } from "./serving.ts";

const qemuImg = (...args: readonly string[]) => execa("qemu-img", args);

for (const format of ["qcow2", "vmdk", "vhdx", "vdi", "vpc"]) {
  test(`${format}: what is written is there when QEMU opens the image`, (t) =>
    inFolder(async (folder) => {
      // Named as something else: the format is in the image, not in its name.
      const image = path.join(folder, "disk.img");
      await qemuImg("create", "-q", "-f", format, image, "8M");
      const bytes = new SeededRandom(21).bytes(miB);
      {
        await using device = await openImage(image);
        t.true(device.size >= 8 * miB);
        await device.write(2 * miB, bytes);
        await device.trim(2 * miB, 64 * 1024);
        await device.flush();
      }
      const raw = path.join(folder, "raw.img");
      await qemuImg("convert", "-f", format, "-O", "raw", image, raw);
      await using device = await FileDevice.open(raw, { readOnly: true });
      const expected = Buffer.alloc(device.size);
      expected.set(bytes, 2 * miB);
      expected.fill(0, 2 * miB, 2 * miB + 64 * 1024);
      t.true((await contentOf(device)).equals(expected));
    }));
}

test("a raw image needs no child, and a qcow2's child is gone after it with everything that it made", (t) =>
  inFolder(async (folder) => {
    const raw = path.join(folder, "raw.img");
    await writeFile(raw, Buffer.alloc(miB));
    {
      await using device = await openImage(raw);
      t.true(device instanceof FileDevice);
    }
    const image = path.join(folder, "disk.qcow2");
    await qemuImg("create", "-q", "-f", "qcow2", image, "1M");
    {
      await using _device = await openImage(image, { readOnly: true });
      const { stdout } = await execa("pgrep", ["-f", `qemu-nbd.*${folder}`]);
      t.is(stdout.split("\n").length, 1);
    }
    await t.throwsAsync(execa("pgrep", ["-f", `qemu-nbd.*${folder}`]));
  }));

test("a qcow2's child ends when its parent is killed, and leaves no folder", (t) =>
  inFolder(async (folder) => {
    const image = path.join(folder, "disk.qcow2");
    await qemuImg("create", "-q", "-f", "qcow2", image, "1M");
    const script = `
      const { openImage } = await import("#nbd");
      await openImage(process.argv[1]);
      process.kill(process.pid, "SIGKILL");
    `;
    await execa(process.execPath, ["--conditions=source", "--input-type=module", "-e", script, image], {
      reject: false,
      env: { TMPDIR: folder },
    });
    while ((await execa("pgrep", ["-f", `qemu-nbd.*${folder}`], { reject: false })).exitCode === 0)
      await new Promise((resolve) => setTimeout(resolve, 20));
    t.deepEqual(await readdir(folder), ["disk.qcow2"]);
    t.regex((await qemuImg("check", image)).stdout, /No errors/);
  }));

test("an image over others in its folder is one disk, whichever formats they have", (t) =>
  inFolder(async (folder) => {
    const base = path.join(folder, "base.img");
    await writeFile(base, Buffer.alloc(2 * miB, 1));
    await qemuImg(
      "create",
      "-q",
      "-f",
      "qcow2",
      "-b",
      "base.img",
      "-F",
      "raw",
      path.join(folder, "middle.qcow2"),
    );
    const top = path.join(folder, "top.qcow2");
    await qemuImg("create", "-q", "-f", "qcow2", "-b", path.join(folder, "middle.qcow2"), "-F", "qcow2", top);
    await using device = await openImage(top);
    await device.write(miB, Buffer.alloc(miB, 2));
    t.true((await contentOf(device)).equals(Buffer.alloc(2 * miB, 1).fill(2, miB)));
    await using below = await FileDevice.open(base, { readOnly: true });
    t.true((await contentOf(below)).equals(Buffer.alloc(2 * miB, 1)));
  }));

/** Images that would show their reader a file of this machine. */
const traps: readonly (readonly [
  title: string,
  make: (image: string, secret: string) => Promise<unknown>,
])[] = [
  [
    "a backing file elsewhere",
    (image, secret) => qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", secret, "-F", "raw", image, "1M"),
  ],
  [
    "a backing file elsewhere, by a relative path",
    (image, secret) =>
      qemuImg(
        "create",
        "-q",
        "-u",
        "-f",
        "qcow2",
        "-b",
        `../${path.basename(secret)}`,
        "-F",
        "raw",
        image,
        "1M",
      ),
  ],
  [
    "a backing file elsewhere, by a symbolic link",
    async (image, secret) => {
      await symlink(secret, path.join(path.dirname(image), "link"));
      await qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", "link", "-F", "raw", image, "1M");
    },
  ],
  [
    "a backing file that is QEMU's own language",
    (image, secret) => {
      const json = `json:{"driver":"raw","file":{"driver":"file","filename":"${secret}"}}`;
      return qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", json, "-F", "raw", image, "1M");
    },
  ],
  [
    "a backing disk of the network",
    (image) =>
      qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", "nbd://127.0.0.1:1/x", "-F", "raw", image, "1M"),
  ],
  [
    "a backing file that is not there",
    (image) => qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", "gone.img", "-F", "raw", image, "1M"),
  ],
  [
    "an image that is its own backing file",
    (image) =>
      qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", path.basename(image), "-F", "qcow2", image, "1M"),
  ],
  [
    "data in another file",
    (image) => qemuImg("create", "-q", "-f", "qcow2", "-o", `data_file=${image}.raw`, image, "1M"),
  ],
  [
    "a VMDK of several files",
    (image) => qemuImg("create", "-q", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", image, "1M"),
  ],
  [
    "a VMDK that only names a file",
    (image, secret) =>
      writeFile(
        image,
        `# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n\nRW 2048 FLAT "${secret}" 0\n`,
      ),
  ],
];

for (const [title, make] of traps) {
  test(`refused: ${title}`, (t) =>
    inFolder(async (outside) => {
      const secret = path.join(outside, "secret.img");
      await writeFile(secret, Buffer.alloc(miB, "secret"));
      const image = path.join(outside, "in", "disk.img");
      await execa("mkdir", [path.dirname(image)]);
      await make(image, secret);
      const error = await t.throwsAsync(openImage(image), { code: "IMAGE_LEADS_OUT" });
      t.true(error.message.startsWith(`${image}: `));
    }));
}

test("an image that is cut off is told in QEMU's words", (t) =>
  inFolder(async (folder) => {
    const image = path.join(folder, "disk.qcow2");
    await qemuImg("create", "-q", "-f", "qcow2", image, "1M");
    await execa("truncate", ["-s", "70000", image]);
    await execa("dd", [
      "if=/dev/urandom",
      `of=${image}`,
      "bs=1",
      "seek=40",
      "count=16",
      "conv=notrunc",
      "status=none",
    ]);
    await t.throwsAsync(openImage(image), { code: "IMAGE_BROKEN", message: /disk\.qcow2: / });
  }));

test("what FileDevice refuses is refused in its words", (t) =>
  inFolder(async (folder) => {
    await t.throwsAsync(openImage(path.join(folder, "no.img")), { code: "IMAGE_MISSING" });
    await t.throwsAsync(openImage(folder), { code: "NOT_AN_IMAGE" });
    const fifo = path.join(folder, "fifo");
    await execa("mkfifo", [fifo]);
    await t.throwsAsync(openImage(fifo), { code: "NOT_AN_IMAGE" });
    await t.throwsAsync(openImage(fifo, { signal: AbortSignal.abort(new Error("enough")) }), {
      message: "enough",
    });
  }));

import { readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { FileDevice, MemoryDevice } from "#block";
import { LabError, SeededRandom } from "#core";
import { serveNbd } from "#nbd";
import { execa } from "execa";
import test from "ava";
import { contentOf, inFolder, miB, serving } from "./serving.ts";

/** Programs of libnbd and QEMU, none of which shares a line with sanlab, use the server. */
const qemuIo = (url: string, ...commands: readonly string[]) =>
  execa("qemu-io", ["-f", "raw", ...commands.flatMap((command) => ["-c", command]), url], { reject: false });

test("nbdinfo sees the export with all that it can do", (t) =>
  serving(async ({ url }) => {
    const { stdout } = await execa("nbdinfo", ["--json", url]);
    const info = JSON.parse(stdout);
    t.like(info, { protocol: "newstyle-fixed", TLS: false, structured: true });
    t.like(info.exports[0], {
      "export-name": "disk",
      description: "a test's disk",
      contexts: ["base:allocation"],
      is_rotational: false,
      is_read_only: false,
      can_cache: true,
      can_df: true,
      can_flush: true,
      can_fua: true,
      can_multi_conn: true,
      can_trim: true,
      can_zero: true,
      block_size_minimum: 512,
      block_size_preferred: 4096,
      block_size_maximum: 32 * miB,
      "export-size": 8 * miB,
    });
  }));

test("nbdinfo lists several exports, and a read-only one shows as that", (t) =>
  inFolder(async (folder) => {
    await using server = await serveNbd({
      listen: { path: path.join(folder, "nbd.sock") },
      exports: [
        { name: "one", device: new MemoryDevice(miB) },
        { name: "two ä/b", device: new MemoryDevice(2 * miB, { blockSize: 4096 }), readOnly: true },
      ],
    });
    const { stdout } = await execa("nbdinfo", ["--list", "--json", server.url("")]);
    const [one, two] = JSON.parse(stdout).exports;
    t.like(one, { "export-name": "one", is_read_only: false });
    t.like(two, { "export-name": "two ä/b", is_read_only: true, can_trim: false, block_size_minimum: 4096 });
    t.is((await execa("nbdinfo", ["--size", server.url("two ä/b")])).stdout, String(2 * miB));
    const missing = await execa("nbdinfo", [server.url("three")], { reject: false });
    t.regex(missing.stderr, /No such file or directory for export: three/);
    const write = await qemuIo(server.url("two ä/b"), "write 0 4096");
    t.regex(write.stdout + write.stderr, /Permission denied/);
  }));

test("nbdinfo --map and qemu-img map see what is data", (t) =>
  serving(async ({ url, device }) => {
    await device.write(miB, Buffer.alloc(128 * 1024, 1));
    const { stdout } = await execa("nbdinfo", ["--map", "--json", url]);
    t.deepEqual(
      JSON.parse(stdout).map(({ offset, length, type }: Record<string, number>) => [offset, length, type]),
      [
        [0, miB, 3],
        [miB, 128 * 1024, 0],
        [miB + 128 * 1024, 7 * miB - 128 * 1024, 3],
      ],
    );
    const map = await execa("qemu-img", ["map", "--output=json", url]);
    t.deepEqual(
      JSON.parse(map.stdout).map(({ start, data, zero }: Record<string, unknown>) => [start, data, zero]),
      [
        [0, false, true],
        [miB, true, false],
        [miB + 128 * 1024, false, true],
      ],
    );
  }));

test("nbdcopy carries a disk in and out over several connections, byte for byte", (t) =>
  serving(async ({ url, device, socket, events }) => {
    const file = path.join(path.dirname(socket), "disk.img");
    const bytes = Buffer.alloc(8 * miB);
    bytes.set(new SeededRandom(3).bytes(3 * miB), 2 * miB);
    await writeFile(file, bytes);
    await execa("nbdcopy", ["--connections=4", "--threads=4", "--flush", file, url]);
    t.true((await contentOf(device)).equals(bytes));
    t.true(
      new Set(events.filter(({ kind }) => kind === "negotiated").map((event) => event["connection"])).size >=
        4,
    );
    t.true(events.some(({ command }) => command === "flush"));
    const out = path.join(path.dirname(socket), "out.img");
    await execa("nbdcopy", [url, out]);
    t.true((await readFile(out)).equals(bytes));
  }));

test("qemu-img converts, compares and measures", (t) =>
  serving(async ({ url, device, socket }) => {
    const folder = path.dirname(socket);
    const file = path.join(folder, "disk.qcow2");
    await device.write(4 * miB, new SeededRandom(4).bytes(miB));
    await execa("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", url, file]);
    t.regex(
      (await execa("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", url, file])).stdout,
      /identical/,
    );
    await device.trim(0, device.size);
    await execa("qemu-img", ["convert", "-n", "-f", "qcow2", "-O", "raw", file, url]);
    t.regex(
      (await execa("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", url, file])).stdout,
      /identical/,
    );
    const bench = await execa("qemu-img", [
      "bench",
      "-w",
      "-c",
      "500",
      "-d",
      "32",
      "-f",
      "raw",
      "-t",
      "none",
      url,
    ]);
    t.regex(bench.stdout, /Run completed/);
  }));

test("qemu-io writes with FUA, zeroes with and without a hole, and discards", (t) =>
  serving(async ({ url, device, events }) => {
    const { stdout, exitCode } = await qemuIo(
      url,
      "write -P 17 0 1M",
      "write -f -P 34 1M 512",
      "write -z 64k 64k",
      "write -z -u 128k 64k",
      "discard 256k 64k",
      "flush",
      "read -P 17 0 64k",
      "read -P 0 64k 128k",
      "read -P 0 256k 64k",
    );
    t.is(exitCode, 0, stdout);
    t.notRegex(stdout, /failed/i);
    const expected = Buffer.alloc(8 * miB);
    expected
      .fill(17, 0, miB)
      .fill(34, miB, miB + 512)
      .fill(0, 64 * 1024, 192 * 1024)
      .fill(0, 256 * 1024, 320 * 1024);
    t.true((await contentOf(device)).equals(expected));
    for (const name of ["write", "write-zeroes", "trim", "flush"])
      t.true(
        events.some(({ command }) => command === name),
        name,
      );
  }));

test("zeroes without a hole are written, those with one are punched, in the file below", (t) =>
  inFolder(async (folder) => {
    const file = path.join(folder, "disk.img");
    await writeFile(file, Buffer.alloc(4 * miB, 1));
    await using device = await FileDevice.open(file);
    await using server = await serveNbd({
      listen: { host: "127.0.0.1", port: 0 },
      exports: [{ name: "", device }],
    });
    t.regex(server.url(""), /^nbd:\/\/127\.0\.0\.1:\d+\/$/);
    await qemuIo(server.url(""), "write -z 0 1M", "flush");
    t.is((await stat(file)).blocks * 512, 4 * miB);
    await qemuIo(server.url(""), "write -z -u 1M 1M", "discard 2M 1M", "flush");
    t.is((await stat(file)).blocks * 512, 2 * miB);
  }));

/** Reads fail, writes find no room. */
class BrokenDevice extends MemoryDevice {
  override async read(): Promise<void> {
    throw new Error("worn out");
  }

  override async write(): Promise<void> {
    throw new LabError("DISK_FULL", "full");
  }
}

test("what the device cannot do comes back as the error that fits", (t) =>
  serving(
    async ({ url, events }) => {
      const { stdout, stderr } = await qemuIo(url, "read 0 4k", "write 0 4k", "flush");
      t.regex(stdout + stderr, /read failed: Input\/output error/);
      t.regex(stdout + stderr, /write failed: No space left on device/);
      t.like(
        events.find(({ kind, command }) => kind === "command-failed" && command === "read"),
        { error: "EIO", message: "worn out", offset: 0, export: "disk" },
      );
    },
    { device: new BrokenDevice(8 * miB) },
  ));

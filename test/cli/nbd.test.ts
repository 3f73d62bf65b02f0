import { once } from "node:events";
import { readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { MemoryDevice } from "#block";
import { SeededRandom } from "#core";
import { serveNbd } from "#nbd";
import { Target } from "#target";
import test from "ava";
import { execute, sanlab } from "./sanlab.ts";
import { folderOf, start } from "./serving.ts";

const iqn = "iqn.2001-04.com.example:nbd";
const miB = 1024 * 1024;

async function targetOf(device: MemoryDevice, options: Partial<Parameters<typeof Target.listen>[0]> = {}) {
  const target = await Target.listen({ iqn, luns: [{ lun: 0, device }], ...options });
  const url = `iscsi://127.0.0.1:${target.address.port}/${iqn}/0`;
  return { target, url, [Symbol.asyncDispose]: () => target[Symbol.asyncDispose]() };
}

test("nbd serve gives an iSCSI disk to NBD's own tools, tells what happens, and stops when asked", async (t) => {
  const folder = await folderOf(t);
  const socket = path.join(folder, "disk.sock");
  const device = new MemoryDevice(8 * miB);
  await device.write(miB, new SeededRandom(1).bytes(miB));
  await using target = await targetOf(device);
  const { child, listening, until } = await start(t, [
    "nbd",
    "serve",
    target.url,
    "--socket",
    socket,
    "--name",
    "d",
  ]);
  t.like(listening, { path: socket, size: 8 * miB, blockSize: 512, url: `nbd+unix:///d?socket=${socket}` });
  const url = String(listening["url"]);
  const map = await execute("nbdinfo", ["--map", "--totals", url]);
  t.regex(map.stdout, /1048576 +12\.5% +0 +data/);
  const compare = await execute("qemu-img", ["compare", "-f", "raw", "-F", "raw", url, target.url]);
  t.regex(compare.stdout, /identical/, compare.stderr);
  const file = path.join(folder, "new.img");
  await writeFile(file, new SeededRandom(2).bytes(8 * miB));
  t.is((await execute("nbdcopy", [file, url])).status, 0);
  t.like(await until("command"), { connection: 1, export: "d", fenced: false });
  const bytes = Buffer.alloc(8 * miB);
  await device.read(0, bytes);
  t.true(bytes.equals(await readFile(file)));
  child.kill("SIGTERM");
  t.deepEqual(await once(child, "exit"), [0, null]);
  await t.throwsAsync(stat(socket), { code: "ENOENT" });
  t.deepEqual(target.target.sessions, []);
});

test("nbd serve authenticates with a secret from the environment, refuses writes if told, ends with 130 at SIGINT", async (t) => {
  const socket = path.join(await folderOf(t), "disk.sock");
  await using target = await targetOf(new MemoryDevice(miB), {
    auth: { users: { alice: "a-secret-of-hers" } },
  });
  const args = ["nbd", "serve", target.url, "--socket", socket];
  t.regex((await sanlab(args)).stderr, /auth/i);
  const chap = [...args, "--chap", "alice", "--read-only"];
  const { child, listening } = await start(t, chap, { SANLAB_CHAP_SECRET: "a-secret-of-hers" });
  t.regex((await execute("nbdinfo", [String(listening["url"])])).stdout, /is_read_only: true/);
  child.kill("SIGINT");
  t.deepEqual(await once(child, "exit"), [130, null]);
});

test("nbd serve ends with status 1 when the target is gone for good", async (t) => {
  const socket = path.join(await folderOf(t), "disk.sock");
  const { target, url } = await targetOf(new MemoryDevice(miB));
  const { child, until } = await start(t, ["nbd", "serve", url, "--socket", socket]);
  await target[Symbol.asyncDispose]();
  for (let step = ""; step !== "session-lost";) step = String((await until("initiator"))["step"]);
  t.deepEqual(await once(child, "exit"), [1, null]);
  await t.throwsAsync(stat(socket), { code: "ENOENT" });
});

const mistake = test.macro(async (t, args: readonly string[], status: number, message: RegExp) => {
  const ended = await sanlab(["nbd", "serve", ...args]);
  t.is(ended.status, status);
  t.regex(ended.stderr, message);
  t.notRegex(ended.stderr, /\n\s+at /);
});
test(
  "no place to listen",
  mistake,
  ["iscsi://h/iqn.2001-04.com.example:x/0"],
  2,
  /--socket PATH, or --listen/,
);
test(
  "a secret in the URL",
  mistake,
  ["iscsi://u%secret@h/iqn.2001-04.com.example:x", "--socket", "/x"],
  2,
  /SANLAB_CHAP_SECRET/,
);
test(
  "an image that is not there",
  mistake,
  ["/nowhere.img", "--socket", "/tmp/x.sock"],
  2,
  /nowhere\.img: no such file/,
);
test(
  "a server that is not there",
  mistake,
  ["nbd://127.0.0.1:1/", "--socket", "/tmp/x.sock"],
  3,
  /no NBD server there/,
);

test("copy takes NBD URLs and images of other formats on both sides", async (t) => {
  const folder = await folderOf(t);
  const source = new MemoryDevice(8 * miB);
  await source.write(3 * miB, new SeededRandom(5).bytes(miB));
  await using server = await serveNbd({
    listen: { path: path.join(folder, "nbd.sock") },
    exports: [{ name: "source", device: source }],
  });
  const qcow2 = path.join(folder, "disk.qcow2");
  const refused = await sanlab(["iscsi", "copy", server.url("source"), qcow2]);
  t.is(refused.status, 2);
  t.regex(refused.stderr, /qemu-img create -f qcow2/);
  await execute("qemu-img", ["create", "-q", "-f", "qcow2", qcow2, "8M"]);
  const there = await sanlab(["iscsi", "copy", server.url("source"), qcow2, "--verify", "--json"]);
  t.deepEqual(JSON.parse(there.stdout), { bytes: 8 * miB, copied: miB, verified: true }, there.stderr);
  const compare = await execute("qemu-img", [
    "compare",
    "-f",
    "qcow2",
    "-F",
    "raw",
    qcow2,
    server.url("source"),
  ]);
  t.regex(compare.stdout, /identical/);
  await source.write(0, Buffer.alloc(miB, 9));
  const back = await sanlab(["iscsi", "copy", qcow2, server.url("source"), "--verify"]);
  t.regex(back.stderr, /8388608 bytes, 1048576 of them data, verified/);
});

import { createHash } from "node:crypto";
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { execa } from "execa";
import { loadGuest, prepareGuest } from "#vm-images";
import { runTool } from "../../vm-images/host-tool.ts";

const hash = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");

async function folder(t: ExecutionContext): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), "sanlab-prepare-"));
  t.teardown(() => rm(made, { recursive: true, force: true }));
  return made;
}

test("a user's image is used where it is, with its checksum", async (t) => {
  const cache = await folder(t);
  const image = path.join(await folder(t), "disk.raw");
  await writeFile(image, "one");
  const guest = await loadGuest(image);
  const prepared = { image, format: "raw", built: false } as const;
  t.deepEqual(await prepareGuest(guest, { cache }), { ...prepared, sha256: hash("one") });
  await appendFile(image, "two");
  t.deepEqual(await prepareGuest(guest, { cache }), { ...prepared, sha256: hash("onetwo") });
});

test("a user's image with another checksum than promised is refused", async (t) => {
  const cache = await folder(t);
  const image = path.join(await folder(t), "disk.raw");
  await writeFile(image, "one");
  const guest = await loadGuest(image);
  const source = { kind: "file", path: image, sha256: "0".repeat(64) } as const;
  await t.throwsAsync(prepareGuest({ ...guest, source }, { cache }), {
    code: "GUEST_IMAGE",
    message: /has sha256 7692c3ad[0-9a-f]+, its guest\.yaml says 0{64}$/u,
  });
});

test("a user's image that is gone is refused", async (t) => {
  const image = path.join(await folder(t), "disk.raw");
  await writeFile(image, "one");
  const guest = await loadGuest(image);
  await rm(image);
  await t.throwsAsync(prepareGuest(guest, { cache: await folder(t) }), { code: "GUEST_IMAGE" });
});

test("without a network the message names apt and the cure, and nothing half-made stays", async (t) => {
  const cache = await folder(t);
  const index = path.resolve(import.meta.dirname, "../../vm-images/index.ts");
  const script = path.join(cache, "prepare.ts");
  await writeFile(
    script,
    `const { loadGuest, prepareGuest } = await import(${JSON.stringify(index)});
    const guest = await loadGuest("debian-mini");
    await prepareGuest(guest, { cache: ${JSON.stringify(cache)} }).catch((error) => console.log(error.code, error.exitStatus, error.message));`,
  );
  const node = [process.execPath, "--conditions=source", script];
  const { stdout } = await execa("unshare", ["-rn", ...node]);
  t.regex(stdout, /^APT_UNREACHABLE 3 apt cannot fetch .* run 'sudo apt-get update'$/u);
  const left = (await readdir(cache, { recursive: true })).filter((name) =>
    /\.deb$|download-|build-|raw$/u.test(name),
  );
  t.deepEqual(left, []);
});

test("a cache that cannot be written to is named", async (t) => {
  const file = path.join(await folder(t), "file");
  await writeFile(file, "in the way");
  const guest = await loadGuest("debian-mini");
  for (const cache of [file, path.join(file, "below")]) {
    const error = await t.throwsAsync(prepareGuest(guest, { cache }), { code: "CACHE_UNWRITABLE" });
    t.is(error.message, `cannot write to ${cache}: set SANLAB_CACHE to a folder of yours`);
  }
});

test("an aborted call rejects with the signal's reason", async (t) => {
  const reason = new Error("enough");
  const guest = await loadGuest("debian-mini");
  const options = { cache: await folder(t), signal: AbortSignal.abort(reason) };
  t.is(await t.throwsAsync(prepareGuest(guest, options)), reason);
});

test("a missing program is named with its package", async (t) => {
  await t.throwsAsync(runTool("sanlab-no-such-tool", []), {
    code: "TOOL_MISSING",
    message: /^sanlab-no-such-tool is missing: sudo apt-get install/u,
  });
});

test("a failing program is quoted with its last line", async (t) => {
  await t.throwsAsync(runTool("sh", ["-c", "echo first >&2; echo last >&2; exit 4"]), {
    code: "TOOL_FAILED",
    message: "sh failed: last",
  });
});

test("a program that meets a full disk is told of as that", async (t) => {
  await t.throwsAsync(runTool("sh", ["-c", "/bin/echo x >/dev/full"], { writes: "/some/where" }), {
    code: "DISK_FULL",
    message: /^the disk is full at \/some\/where: /u,
  });
});

test("a program ends when the signal aborts", async (t) => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const running = runTool("sleep", ["60"], { signal: controller.signal });
  controller.abort(reason);
  t.is(await t.throwsAsync(running), reason);
});

test("a guest that is a program is made at once, as a disk that firmware boots, and kept", async (t) => {
  const cache = await folder(t);
  const guest = await loadGuest("ibft-dump");
  const made = await prepareGuest(guest, { cache });
  t.true(made.built);
  const disk = await readFile(made.image);
  t.is(disk.length, 16 << 20);
  t.is(disk.readUInt16LE(510), 0xaa55);
  t.is(hash(disk), made.sha256);
  t.deepEqual(await prepareGuest(guest, { cache }), { ...made, built: false });
});

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { BootFiles } from "../../src/netboot/files/boot-files.ts";

const base = mkdtempSync(path.join(tmpdir(), "sanlab-files-"));
const root = path.join(base, "root");
mkdirSync(path.join(root, "sub"), { recursive: true });
writeFileSync(path.join(base, "secret"), "secret");
writeFileSync(path.join(root, "a.txt"), "0123456789");
writeFileSync(path.join(root, "sub", "b c.txt"), "b");
writeFileSync(path.join(root, "empty"), "");
symlinkSync("a.txt", path.join(root, "inside"));
symlinkSync("../secret", path.join(root, "outside"));
symlinkSync("..", path.join(root, "parent"));
symlinkSync("loop", path.join(root, "loop"));
execFileSync("mkfifo", [path.join(root, "fifo")]);
mkdirSync(`${root}-sibling`);
writeFileSync(path.join(`${root}-sibling`, "x"), "x");
test.after.always(() => rmSync(base, { recursive: true }));

async function content(files: BootFiles, name: string): Promise<string | undefined> {
  await using file = await files.find(name);
  if (!file) return undefined;
  const bytes = Buffer.alloc(file.size);
  const length = await file.read(0, bytes);
  return bytes.toString("utf8", 0, length);
}

for (const [name, expected] of [
  ["a.txt", "0123456789"],
  ["/a.txt", "0123456789"],
  ["//./a.txt", "0123456789"],
  ["sub/b c.txt", "b"],
  ["inside", "0123456789"],
  ["empty", ""],
] as const) {
  test(`"${name}" is served`, async (t) => {
    t.is(await content(await BootFiles.open({ root }), name), expected);
  });
}

for (const name of [
  "",
  "/",
  "sub",
  "missing",
  "a.txt/x",
  "../secret",
  "sub/../../secret",
  "sub/../a.txt",
  "../root-sibling/x",
  "outside",
  "parent/secret",
  "loop",
  "fifo",
  "a.txt\0",
  "x".repeat(300),
  "x/".repeat(5000),
]) {
  test(`"${name.slice(0, 20).replace("\0", "\\0")}" (${name.length}) is not served`, async (t) => {
    t.is(await content(await BootFiles.open({ root }), name), undefined);
  });
}

test("reads stop at the end and start anywhere", async (t) => {
  for (const files of [
    await BootFiles.open({ root }),
    await BootFiles.open({ entries: { "a.txt": "0123456789" } }),
  ]) {
    await using file = (await files.find("a.txt"))!;
    const into = Buffer.alloc(4);
    t.is(await file.read(8, into), 2);
    t.is(into.toString("utf8", 0, 2), "89");
    t.is(await file.read(10, into), 0);
    t.is(await file.read(99, into), 0);
  }
});

test("entries win over the folder, may change and go, and keep what is being sent", async (t) => {
  const files = await BootFiles.open({ root, entries: { "/a.txt": "entry" } });
  t.is(await content(files, "a.txt"), "entry");
  await using before = (await files.find("a.txt"))!;
  files.set("a.txt", Buffer.from("changed"));
  await using after = (await files.find("a.txt"))!;
  t.not(before.version, after.version);
  t.is(before.size, 5);
  t.is(after.size, 7);
  t.true(files.delete("/a.txt"));
  t.is(await content(files, "a.txt"), "0123456789");
});

test("a folder that is none, and names that are none, are the caller's error", async (t) => {
  await t.throwsAsync(BootFiles.open({ root: path.join(base, "missing") }), { code: "NO_FOLDER" });
  await t.throwsAsync(BootFiles.open({ root: path.join(base, "secret") }), { code: "NO_FOLDER" });
  await t.throwsAsync(BootFiles.open({ entries: { "../x": "" } }), { code: "BAD_NAME" });
});

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import test from "ava";

const folder = path.resolve(import.meta.dirname, "..");
const run = promisify(execFile);

test("the README's example runs and prints what the README says", async (t) => {
  const readme = await readFile(path.join(folder, "README.md"), "utf8");
  const [, code, printed] = /```ts\n(.*?)```\n\nprints\n\n```text\n(.*?)```/s.exec(readme) ?? [];
  if (code === undefined || printed === undefined) return t.fail("no example in README.md");
  const { stdout } = await run(
    process.execPath,
    ["--conditions=source", "--input-type=module-typescript", "--eval", code],
    { cwd: folder },
  );
  t.is(stdout, printed);
  return undefined;
});

test("every name that the README shows in its table is exported", async (t) => {
  const api: object = await import("../src/index.ts");
  const readme = await readFile(path.join(folder, "README.md"), "utf8");
  const table = readme.slice(readme.indexOf("## What is in it"), readme.indexOf("## Good to know"));
  const cells = [...table.matchAll(/^\| (`[^|]*) \|/gm)].map((match) => match[1] ?? "");
  const names = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)/g)].map((match) => match[1] ?? ""));
  t.true(names.length > 30);
  t.deepEqual(
    names.filter((name) => !(name in api)),
    [],
  );
});

import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { pathToFileURL } from "node:url";
import test from "ava";
import { Encoder, Opcode } from "../src/index.ts";

const folder = path.resolve(import.meta.dirname, "..");
const run = promisify(execFile);

test("the compiled package has types, needs nothing, and makes the same bytes", async (t) => {
  const out = await mkdtemp(path.join(tmpdir(), "ts-iscsi-pdu-build-"));
  t.teardown(() => rm(out, { recursive: true }));
  const compiler = path.resolve(folder, "../../node_modules/typescript/bin/tsc");
  await run(process.execPath, [
    compiler,
    "-p",
    folder,
    "--outDir",
    out,
    "--tsBuildInfoFile",
    path.join(out, "info"),
  ]);
  const files = await readdir(out, { recursive: true });
  t.true(
    files.includes("index.js") && files.includes("index.d.ts") && files.includes(path.join("pdu", "nop.js")),
  );
  for (const file of files.filter((name) => name.endsWith(".js") || name.endsWith(".d.ts"))) {
    const text = await readFile(path.join(out, file), "utf8");
    const imported = [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1] ?? "");
    t.deepEqual(
      imported.filter((name) => !name.startsWith(".") || (file.endsWith(".js") && !name.endsWith(".js"))),
      [],
      file,
    );
  }
  const built: { readonly Encoder?: typeof Encoder } = await import(
    pathToFileURL(path.join(out, "index.js")).href
  );
  const fields = { opcode: Opcode.NopOut, cmdSn: 1, expStatSn: 2, itt: 3 } as const;
  t.truthy(built.Encoder);
  if (built.Encoder === undefined) return;
  t.deepEqual(
    new built.Encoder({ headerDigest: true }).encode(fields),
    new Encoder({ headerDigest: true }).encode(fields),
  );
});

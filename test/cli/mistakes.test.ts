import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { sanlab } from "./sanlab.ts";

let folder: string;
test.before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sanlab-cli-"));
  await writeFile(path.join(folder, "typo.yaml"), "guest: debian-mini\ntargt: tgt\n");
  await writeFile(path.join(folder, "guest.yaml"), "guest: no-such-guest\n");
  await writeFile(path.join(folder, "events.jsonl"), '{"formatVersion":999}\n');
});
test.after.always(() => rm(folder, { recursive: true }));

/** `$` in an argument stands for the test's own folder. */
const told = test.macro(
  async (t, args: string, status: number, message: RegExp, env: NodeJS.ProcessEnv = {}) => {
    const words = args.split(" ").map((word) => word.replace("$", folder));
    const result = await sanlab(words, { env: { ...process.env, ...env } });
    t.is(result.status, status, result.stderr);
    t.is(result.stdout, "");
    const [first = ""] = result.stderr.split("\n");
    t.regex(first, message);
    t.notRegex(result.stderr, /^\s+at /m, "no stack trace");
  },
);

test("an unknown command", told, "frobnicate", 2, /unknown command 'frobnicate'/);
test("an unknown option", told, "boot --frobnicate", 2, /unknown option '--frobnicate'/);
test("an unknown NIC", told, "boot --nic foo", 2, /'foo' is invalid\. Known are e1000, rtl8139, virtio/);
test("a time-out that is none", told, "boot --timeout soon", 2, /number above zero/);
test("a scenario file that is not there", told, "boot $/none.yaml", 2, /none\.yaml: no such scenario file/);
test(
  "a scenario file with a typo",
  told,
  "boot $/typo.yaml",
  2,
  /typo\.yaml:2:1: unknown key "targt"; known are name, guest/,
);
test(
  "a scenario file with an unknown guest",
  told,
  "boot $/guest.yaml",
  2,
  /no-such-guest: neither a scenario file, nor a guest \(debian-mini, /,
);
test("a guest that is not there", told, "boot nothing", 2, /nothing: neither a scenario file, nor a guest/);
test(
  "a target URL without a target",
  told,
  "boot --target iscsi://127.0.0.1",
  2,
  /names no target; write iscsi:\/\//,
);
test(
  "a target that is none",
  told,
  "boot --target lio",
  2,
  /target: .*embedded, tgt, istgt or an iscsi:\/\/ URL/,
);
test("no QEMU", told, "boot", 3, /SANLAB_QEMU=\/nowhere: no such program/, { SANLAB_QEMU: "/nowhere" });
test(
  "a report of no folder",
  told,
  "report $/none",
  2,
  /events\.jsonl: no such file; name the folder of a finished run/,
);
test("a report of another version's run", told, "report $", 2, /not a timeline of format 1/);

test("errors are documents under --json", async (t) => {
  const { status, stdout } = await sanlab(["boot", `${folder}/typo.yaml`, "--json"]);
  t.is(status, 2);
  t.like(JSON.parse(stdout), { error: { code: "SCENARIO_INVALID", line: 2, column: 1 } });
});

test("so are wrong options", async (t) => {
  const { status, stdout } = await sanlab(["boot", "--json", "--frobnicate"]);
  t.is(status, 2);
  t.deepEqual(JSON.parse(stdout), { error: { code: "USAGE", message: "unknown option '--frobnicate'" } });
});

test("--debug adds the stack trace", async (t) => {
  const { stderr } = await sanlab(["boot", `${folder}/none.yaml`, "--debug"]);
  t.regex(stderr, /^\s+at .*load\.ts/m);
});

test("every command has help with an example", async (t) => {
  const { status, stdout } = await sanlab(["--help"]);
  t.is(status, 0);
  const commands = [...stdout.matchAll(/^ {2}(\w+) \[/gm)]
    .map((match) => match[1]!)
    .filter((name) => name !== "help");
  t.true(commands.length >= 3);
  for (const name of commands) {
    const help = await sanlab([name, "--help"]);
    t.is(help.status, 0, name);
    t.regex(help.stdout, /Examples?:\n {2}sanlab /, name);
  }
});

test("report renders a saved run without a machine", async (t) => {
  const run = path.join(folder, "run");
  const { mkdir, copyFile } = await import("node:fs/promises");
  await mkdir(run);
  await copyFile(
    path.join(import.meta.dirname, "../verdict/data/no-nic-driver.jsonl"),
    path.join(run, "events.jsonl"),
  );
  const text = await sanlab(["report", run]);
  t.is(text.status, 1);
  t.regex(text.stdout, /^FAIL NIC-DRIVER-ABSENT \(certain\): reached P11, not login: /);
  const json = await sanlab(["report", run, "--json"]);
  t.is(json.status, 1);
  t.like(JSON.parse(json.stdout), {
    outcome: "fail",
    reached: "P11",
    class: "NIC-DRIVER-ABSENT",
    confidence: "certain",
    run,
  });
});

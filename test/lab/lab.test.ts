import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import test, { type ExecutionContext } from "ava";
import { LabError, UsageError } from "#core";
import { freePort, Lab, openRunFolder, writeJson } from "#harness/lab";

const temporary = (t: ExecutionContext) => {
  const folder = mkdtempSync(path.join(tmpdir(), "sanlab-lab-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
};
const mode = (file: string) => statSync(file).mode & 0o777;

test("run folders are named by time and scenario, and are their owner's alone", async (t) => {
  const runs = path.join(temporary(t), "runs");
  const folder = await openRunFolder({
    scenario: "Debian mini/e1000 ",
    runs,
    time: new Date("2026-03-04T05:06:07.089Z"),
  });
  t.is(folder, path.join(runs, "20260304T050607.089Z-debian-mini-e1000"));
  t.is(mode(folder), 0o700);
});

test("names that are no file names become some", async (t) => {
  const runs = temporary(t);
  const time = new Date(0);
  for (const scenario of ["..", "", "a/../../b", "x".repeat(300), "ümläut"]) {
    const folder = await openRunFolder({ scenario, runs, time });
    t.is(path.dirname(folder), runs);
    t.regex(path.basename(folder), /^19700101T000000\.000Z-[a-z0-9][a-z0-9._-]*$/);
  }
});

test("runs that begin in the same millisecond get folders of their own, in order", async (t) => {
  const options = { scenario: "mini", runs: temporary(t), time: new Date(0) };
  const folders = await Promise.all(Array.from({ length: 5 }, () => openRunFolder(options)));
  t.is(new Set(folders).size, 5);
  t.deepEqual(readdirSync(options.runs).length, 5);
});

test("folders sort by time", async (t) => {
  const runs = temporary(t);
  const times = [9, 10, 100, 1000, 60_000, 3_600_000, 86_400_000, 31_536_000_000];
  const names = await Promise.all(
    times.map(async (ms) => path.basename(await openRunFolder({ scenario: "s", runs, time: new Date(ms) }))),
  );
  t.deepEqual(names, [...names].sort());
});

test("a given folder is taken as it is, and made its owner's alone", async (t) => {
  const out = path.join(temporary(t), "a", "b");
  t.is(await openRunFolder({ scenario: "s", out }), out);
  chmodSync(out, 0o755);
  t.is(await openRunFolder({ scenario: "s", out }), out);
  t.is(mode(out), 0o700);
});

test("the evidence of an earlier run goes, what somebody put beside it stays", async (t) => {
  const out = temporary(t);
  for (const name of [
    "events.jsonl",
    "verdict.json",
    "net-1.pcap",
    "serial.log",
    "screen.png",
    "notes.txt",
    "mine.log",
  ]) {
    writeFileSync(path.join(out, name), '{"formatVersion":1,"startedAt":"…"}\n');
  }
  await openRunFolder({ scenario: "s", out });
  t.deepEqual(readdirSync(out).sort(), ["mine.log", "notes.txt"]);
});

test("a folder with other files is not taken", async (t) => {
  const out = temporary(t);
  writeFileSync(path.join(out, "plan.json"), "{}");
  writeFileSync(path.join(out, "events.jsonl"), "somebody else's\n");
  const error = await t.throwsAsync(openRunFolder({ scenario: "s", out }), {
    instanceOf: UsageError,
    code: "OUT_NOT_EMPTY",
  });
  t.true(error.message.includes(out));
  t.is(readdirSync(out).length, 2);
});

test("where no folder can be made, the error names it and the cure", async (t) => {
  const file = path.join(temporary(t), "file");
  writeFileSync(file, "");
  const error = await t.throwsAsync(openRunFolder({ scenario: "s", out: path.join(file, "x") }), {
    instanceOf: LabError,
    code: "RUN_FOLDER",
  });
  t.regex(error.message, /ENOTDIR.*--out/);
  await t.throwsAsync(openRunFolder({ scenario: "s", runs: file }), { code: "RUN_FOLDER" });
});

test("what a lab owns goes in reverse order, all of it, also where one part fails", async (t) => {
  const lab = await Lab.open({ scenario: "s", runs: temporary(t), minimumFreeBytes: 0 });
  const gone: string[] = [];
  const resource = lab.own({ [Symbol.dispose]: () => void gone.push("first") });
  lab.own({ [Symbol.asyncDispose]: async () => void gone.push("second") });
  lab.defer(() => {
    gone.push("third");
    throw new Error("no way");
  });
  lab.defer(async () => void gone.push(lab.signal.aborted ? "fourth, stopped" : "fourth"));
  t.truthy(resource);
  await t.throwsAsync(async () => await lab[Symbol.asyncDispose](), { message: "no way" });
  t.deepEqual(gone, ["fourth, stopped", "third", "second", "first"]);
});

test("its signal aborts with the caller's and keeps the reason", async (t) => {
  const controller = new AbortController();
  await using lab = await Lab.open({
    scenario: "s",
    runs: temporary(t),
    minimumFreeBytes: 0,
    signal: controller.signal,
  });
  t.false(lab.signal.aborted);
  const reason = new Error("enough");
  controller.abort(reason);
  t.is(lab.signal.reason, reason);
});

test("an aborted signal leaves no folder behind", async (t) => {
  const runs = path.join(temporary(t), "runs");
  await t.throwsAsync(Lab.open({ scenario: "s", runs, signal: AbortSignal.abort() }), { name: "AbortError" });
  t.false(existsSync(runs));
});

test("files of a lab are their owner's alone, JSON begins with its version", async (t) => {
  await using lab = await Lab.open({ scenario: "s", runs: temporary(t), minimumFreeBytes: 0 });
  await lab.writeJson("plan.json", { seed: 7 });
  await lab.write("ibft.bin", Buffer.from("iBFT"));
  t.is(readFileSync(lab.path("plan.json"), "utf8"), '{\n  "formatVersion": 1,\n  "seed": 7\n}\n');
  t.deepEqual(
    readdirSync(lab.folder).map((name) => [name, mode(lab.path(name))]),
    [
      ["ibft.bin", 0o600],
      ["plan.json", 0o600],
    ],
  );
});

test("a JSON document that cannot be written leaves the old one and no half", async (t) => {
  const folder = temporary(t);
  const file = path.join(folder, "plan.json");
  await writeJson(file, { first: true }, { formatVersion: 2, mode: 0o644 });
  t.is(mode(file), 0o644);
  await t.throwsAsync(writeJson(file, { circular: 1n }), { instanceOf: TypeError });
  mkdirSync(path.join(folder, "taken"));
  await t.throwsAsync(writeJson(path.join(folder, "taken"), {}), { code: "EISDIR" });
  t.deepEqual(readdirSync(folder).sort(), ["plan.json", "taken"]);
  t.like(JSON.parse(readFileSync(file, "utf8")), { formatVersion: 2, first: true });
});

test("a free port can be listened on", async (t) => {
  const port = await freePort();
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  server.close();
  t.true(port > 1023);
  await t.throwsAsync(freePort("192.0.2.77"), {
    instanceOf: LabError,
    code: "NO_FREE_PORT",
    message: /192\.0\.2\.77/,
  });
});

type Results = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The cases of programs/disk.ts on a file system of 256 KiB. */
const onSmallDisk = async (t: ExecutionContext): Promise<Results> => {
  const folder = temporary(t);
  const program = path.join(import.meta.dirname, "programs", "disk.ts");
  const shell = `mount -t tmpfs -o size=256k none ${folder} && exec "$@"`;
  const child = spawn(
    "unshare",
    [
      "--map-root-user",
      "--mount",
      "sh",
      "-c",
      shell,
      "sh",
      process.execPath,
      "--conditions=source",
      program,
      folder,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const results: Results = JSON.parse(await text(child.stdout));
  return results;
};

test("a full disk is told as that in one line, wherever it is met", async (t) => {
  const results = await onSmallDisk(t);
  for (const name of ["write", "json", "insideTheRun", "whileTakingDown"]) {
    t.like(results[name], { code: "DISK_FULL", exitStatus: 3 }, name);
    t.regex(String(results[name]!["message"]), /^\/[^\n]*: the disk is full: [^\n]*--out$/, name);
  }
  t.like(results["tooSmallToBegin"], { code: "DISK_FULL", exitStatus: 3 });
  t.regex(String(results["tooSmallToBegin"]!["message"]), /: 0 MiB free, 256 needed: .*--out/);
  t.deepEqual(results["roomEnough"], {});
  t.deepEqual(results["afterJson"], { left: ["verdict.json"] });
});

const start = (t: ExecutionContext, ...args: readonly string[]) => {
  const program = path.join(import.meta.dirname, "programs", "interrupted.ts");
  const child = spawn(process.execPath, ["--conditions=source", program, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => child.kill("SIGKILL"));
  return {
    child,
    lines: createInterface({ input: child.stdout })[Symbol.asyncIterator](),
    closed: once(child, "close"),
  };
};

const interrupted = test.macro(async (t, signal: NodeJS.Signals, status: number) => {
  const { child, lines, closed } = start(t);
  t.is((await lines.next()).value, "ready");
  child.kill(signal);
  t.is((await lines.next()).value, "taking down");
  t.is((await lines.next()).value, `INTERRUPTED: interrupted by ${signal}`);
  await closed;
  t.is(child.exitCode, status);
});
test("SIGINT takes the lab down in order", interrupted, "SIGINT", 130);
test("SIGTERM does", interrupted, "SIGTERM", 143);
test("SIGHUP does", interrupted, "SIGHUP", 129);

test("a second Ctrl-C does not wait for a lab that is stuck", async (t) => {
  const { child, lines, closed } = start(t, "stuck");
  t.is((await lines.next()).value, "ready");
  child.kill("SIGINT");
  t.is((await lines.next()).value, "taking down");
  child.kill("SIGINT");
  await closed;
  t.is(child.exitCode, 130);
});

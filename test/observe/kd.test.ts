import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import test from "ava";
import { Clock } from "#core";
import { Timeline, watchKd, type Observation } from "#harness/observe";
import { judge } from "#harness/verdict";
import { moduleBody, printBody, stopBody } from "../kd/frames.ts";
import { KernelPeer } from "../kd/kernel-peer.ts";
import { openLine } from "../kd/line.ts";
import { context32, memory32, version32 } from "../kd/windows.ts";

let folder: string;
test.before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sanlab-kd-watch-"));
});
test.after.always(() => rm(folder, { recursive: true }));

let count = 0;

function debugged(processesEveryMs?: number, memory = memory32()) {
  const name = path.join(folder, `${++count}`);
  const { debuggerEnd, kernelEnd } = openLine();
  const timeline = new Timeline(`${name}.jsonl`, new Clock());
  timeline.append("run", "plan", {
    serials: ["kd"],
    login: { signals: [["processes"]], processes: ["winlogon\\.exe"], modules: [] },
  });
  const transcript = `${name}.txt`;
  const watch = watchKd(debuggerEnd, timeline, { transcript, quietMs: 20_000, processesEveryMs });
  const kernel = new KernelPeer(kernelEnd, {
    version: version32(),
    byteMs: 300,
    memory,
    context: context32(0x8059_ceba, 1),
  });
  const until = (kind: string) =>
    timeline.until(kind, (one) => one.source === "kd" && one.kind === kind, { timeoutMs: 60_000 });
  const seen = (kind: string) =>
    timeline.observations.filter((one) => one.source === "kd" && one.kind === kind);
  return { watch, timeline, kernel, kernelEnd, transcript, until, seen };
}

/** A running kernel looks for a break-in after each print. */
async function workUntilAsked(kernel: KernelPeer): Promise<void> {
  while (!kernel.breakInSeen) {
    await kernel.print(printBody("at work\n"));
    await setImmediate();
  }
}

const lines = (prints: readonly Observation[]) => prints.map(({ data }) => data["line"]);

test("prints become lines and facts; secrets stay in the transcript, which is the owner's alone", async (t) => {
  const { watch, kernel, kernelEnd, transcript, seen } = debugged();
  await kernel.print(printBody('Found iBFT at 9cfb0 OEM ID "FENSYS" OEM table ID "gPXE"\nFound iBFT '));
  await kernel.print(printBody("target 0:\n  CHAP name = joe\n"));
  await kernel.print(printBody("  CHAP secret = verysecret1\nsome other secret = hidden too\nno end"));
  await kernel.stop(moduleBody({ path: "\\SystemRoot\\a.sys" }));
  kernelEnd.end();
  await watch.finished;
  t.deepEqual(lines(seen("print")), [
    'Found iBFT at 9cfb0 OEM ID "FENSYS" OEM table ID "gPXE"',
    "Found iBFT target 0:",
    "  CHAP name = joe",
    "CHAP secret = <redacted>",
    "some other secret = <redacted>",
    "no end",
  ]);
  t.deepEqual(
    seen("fact").map(({ data }) => data["kind"]),
    ["table", "section", "field", "field", "field"],
  );
  t.like(seen("module")[0]!.data, { path: "\\SystemRoot\\a.sys", unload: false });
  t.like(seen("summary")[0]!.data, { prints: 3, modules: 1 });
  t.regex(await readFile(transcript, "utf8"), /verysecret1\n[^]*no end\nModLoad: .*a\.sys/);
  t.is((await stat(transcript)).mode & 0o777, 0o600);
  t.false(JSON.stringify(seen("fact")).includes("verysecret1"));
});

test("from win32k.sys on, processes are read in short stops, and are the login", async (t) => {
  const { watch, timeline, kernel, until, seen } = debugged(100);
  await using _ = watch;
  await kernel.stop(moduleBody({ path: "\\SystemRoot\\System32\\ntoskrnl.exe" }));
  await kernel.print(printBody("nothing yet\n"));
  t.deepEqual(seen("processes"), []);
  await kernel.stop(moduleBody({ path: "\\SystemRoot\\System32\\win32k.sys" }));
  const listed = until("processes");
  await workUntilAsked(kernel);
  await kernel.stop(stopBody(), { forever: true });
  t.deepEqual((await listed).data["names"], ["System", "smss.exe", "winlogon.exe"]);
  t.like(judge(timeline.observations), { outcome: "pass", reached: "P17" });
});

test("a process list of a form that is not known is told, and not asked for again", async (t) => {
  const memory = new Map(memory32());
  const record = Buffer.from(memory.get(0xffff_ffff_8062_0000n)!);
  record.write("Other\0\0", 0xec, "latin1");
  memory.set(0xffff_ffff_8062_0000n, record);
  const { watch, kernel, until, seen } = debugged(100, memory);
  await using _ = watch;
  await kernel.stop(moduleBody({ path: "\\SystemRoot\\System32\\win32k.sys" }));
  const told = until("misfit");
  await workUntilAsked(kernel);
  await kernel.stop(stopBody(), { forever: true });
  t.regex(String((await told).data["message"]), /build 3790 x86.*first process is not System/);
  t.deepEqual(seen("processes"), []);
});

test("a crash is told with its data from memory, and processes are not asked for any more", async (t) => {
  const { watch, kernel, kernelEnd, seen } = debugged(100, memory32([0x7b, 0xf870_aa04, 0xc000_0034, 0, 0]));
  await kernel.stop(moduleBody({ path: "\\SystemRoot\\System32\\drivers\\a.sys" }));
  const stop = stopBody({ pc: 0xffff_ffff_8059_ceban });
  kernel.context = context32(0x8059_ceba, 3);
  await kernel.stop(stop, { forever: true });
  kernelEnd.end();
  await watch.finished;
  t.like(seen("bugcheck")[0]!.data, {
    code: "0x0000007b",
    source: "memory",
    name: "INACCESSIBLE_BOOT_DEVICE",
  });
  t.deepEqual(seen("kernel")[0]!.data["processes"], ["System", "smss.exe", "winlogon.exe"]);
});

test("text on the port is told as text, and no packet is claimed", async (t) => {
  const { watch, kernelEnd, seen } = debugged();
  kernelEnd.write("0000000000000000 iiii c0000034 Windows Boot Manager\n");
  kernelEnd.end();
  await watch.finished;
  t.is(
    seen("text")
      .map(({ data }) => data["text"])
      .join("")
      .trim(),
    "0000000000000000 iiii c0000034 Windows Boot Manager",
  );
  t.like(seen("summary")[0]!.data, { packets: 0 });
});

import { appendFile, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { Clock } from "#core";
import { inOrder, readTimeline, Timeline } from "#harness/observe";

let folder: string;
test.before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sanlab-timeline-"));
});
test.after.always(() => rm(folder, { recursive: true }));

let count = 0;
function fresh(): { file: string; timeline: Timeline } {
  const file = path.join(folder, `${++count}.jsonl`);
  return { file, timeline: new Timeline(file, new Clock()) };
}

test("each observation is on disk as soon as it is made, for its owner only", async (t) => {
  const { file, timeline } = fresh();
  using _open = timeline;
  timeline.append("serial", "line", { line: "hello" }, 1.5);
  const [header, line] = (await readFile(file, "utf8")).trimEnd().split("\n");
  t.like(JSON.parse(header!), { formatVersion: 1 });
  t.deepEqual(JSON.parse(line!), { t: 1.5, source: "serial", kind: "line", data: { line: "hello" } });
  t.is((await stat(file)).mode & 0o777, 0o600);
});

test("what was written is read back in order of time", async (t) => {
  const { file, timeline } = fresh();
  timeline.append("wire", "late", {}, 3);
  timeline.append("wire", "early", {}, 1);
  timeline.append("run", "same", { n: 1 }, 2);
  timeline.append("run", "same", { n: 2 }, 2);
  timeline[Symbol.dispose]();
  const read = await readTimeline(file);
  t.deepEqual(
    read.map(({ kind, data }) => [kind, data["n"]]),
    [
      ["early", undefined],
      ["same", 1],
      ["same", 2],
      ["late", undefined],
    ],
  );
  t.deepEqual(inOrder(read), read);
});

test("a line that a crash cut short is left out", async (t) => {
  const { file, timeline } = fresh();
  timeline.append("run", "whole", {}, 1);
  timeline[Symbol.dispose]();
  await appendFile(file, '{"t":2,"source":"ru');
  t.deepEqual(
    (await readTimeline(file)).map(({ kind }) => kind),
    ["whole"],
  );
});

test("until finds what was seen before and what comes after", async (t) => {
  using timeline = fresh().timeline;
  timeline.append("run", "past");
  t.is((await timeline.until("the past", ({ kind }) => kind === "past", { timeoutMs: 10_000 })).kind, "past");
  const future = timeline.until("the future", ({ kind }) => kind === "future", { timeoutMs: 10_000 });
  timeline.append("run", "other");
  timeline.append("run", "future", { n: 1 });
  t.deepEqual((await future).data, { n: 1 });
});

test("until says what it waited for", async (t) => {
  using timeline = fresh().timeline;
  await t.throwsAsync(
    timeline.until("the kernel's first word", () => false, { timeoutMs: 1 }),
    { code: "TIMEOUT", message: /^the kernel's first word: nothing after / },
  );
});

test("until ends with its signal", async (t) => {
  using timeline = fresh().timeline;
  const controller = new AbortController();
  const waiting = timeline.until("nothing", () => false, { timeoutMs: 10_000, signal: controller.signal });
  controller.abort(new Error("stop"));
  await t.throwsAsync(waiting, { message: "stop" });
});

test("a follower sees everything once, until it is disposed", (t) => {
  using timeline = fresh().timeline;
  const seen: string[] = [];
  timeline.append("run", "a");
  const following = timeline.follow(({ kind }) => seen.push(kind));
  timeline.append("run", "b");
  following[Symbol.dispose]();
  timeline.append("run", "c");
  t.deepEqual(seen, ["a", "b"]);
});

test("a file that cannot be written breaks the timeline, not its callers", async (t) => {
  using timeline = new Timeline("/dev/full", new Clock());
  timeline.append("run", "lost");
  await t.throwsAsync(timeline.broken, { code: "ENOSPC" });
  t.deepEqual(
    timeline.observations.map(({ kind }) => kind),
    ["lost"],
  );
});

test("a reporter writes under its source", (t) => {
  using timeline = fresh().timeline;
  timeline.reporter("target")("login-done", { isid: "1" });
  t.like(timeline.observations[0], { source: "target", kind: "login-done", data: { isid: "1" } });
});

test("a file that is no timeline is refused by name", async (t) => {
  const file = path.join(folder, "none.jsonl");
  await appendFile(file, "hello\n");
  await t.throwsAsync(readTimeline(file), {
    code: "UNKNOWN_FORMAT",
    message: /none\.jsonl: not a timeline of format 1/,
  });
});

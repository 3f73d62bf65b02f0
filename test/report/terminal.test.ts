import path from "node:path";
import test from "ava";
import { readTimeline } from "#harness/observe";
import { painter, renderPhase, renderVerdict } from "#harness/report";
import { judge } from "#harness/verdict";

const recorded = async (name: string) =>
  judge(await readTimeline(path.join(import.meta.dirname, `../verdict/data/${name}.jsonl`)));
const plain = { paint: painter(false), folder: "runs/x" };

test("a good boot: sentence, phases, table, folder, and nothing to advise", async (t) => {
  const text = renderVerdict(await recorded("reaches-login"), {
    ...plain,
    ibftText: "iBFT, 562 bytes\n  NIC 0",
  });
  const lines = text.split("\n");
  t.regex(lines[0]!, /^PASS: the guest reached login after /);
  t.is(lines.filter((line) => /^ +[\d.]+ s {2}P\d/.test(line)).length, 18);
  t.true(text.includes("\n  iBFT, 562 bytes\n    NIC 0\n"));
  t.is(lines.at(-1), "run folder: runs/x");
  t.false(/advice|evidence|undefined|NaN/.test(text));
});

test("a failed boot: class and confidence first, then advice and evidence", async (t) => {
  const text = renderVerdict(await recorded("no-nic-driver"), plain);
  t.regex(text, /^FAIL NIC-DRIVER-ABSENT \(certain\): reached P11, not login: .*\nadvice: /);
  t.regex(text, /\nevidence\n +[\d.]+ s {2}serial: .*iBFT found/);
});

test("no line ends in blanks", async (t) => {
  t.notRegex(renderVerdict(await recorded("reaches-login"), plain), /[ \t]$/m);
});

test("colours only where they are wanted", (t) => {
  t.is(renderPhase("P10", 9.136, painter(false)), "   9.14 s  P10 kernel takes over");
  t.is(renderPhase("P10", 9.136, painter(true)), "   9.14 s  \u001b[1mP10\u001b[0m kernel takes over");
});

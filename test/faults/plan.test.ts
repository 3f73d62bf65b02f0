import { readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { UsageError } from "#core";
import { FaultEngine, readFaultPlan, type FaultEvent } from "#faults";

const read: FaultEvent = {
  point: "scsi",
  command: "READ(10)",
  lun: 0,
  lba: 100,
  blocks: 8,
  session: 1,
  initiator: "iqn.a:b",
};

const shots = (yaml: string, events: readonly FaultEvent[]) => {
  const engine = new FaultEngine(readFaultPlan(yaml, "faults.yaml"));
  return events.map((event) => engine.decide(event)?.rule ?? "-").join("");
};
const rule = (on: string, when = "{}") =>
  `seed: 1\nrules:\n  - { id: x, on: ${on}, when: ${when}, do: { delay: 1 } }\n`;

const eight = Array.from({ length: 8 }, () => read);
const frequency = test.macro((t, when: string, expected: string) =>
  t.is(shots(rule("{ scsi: READ }", when), eight), expected),
);
test("every match unless told", frequency, "{}", "xxxxxxxx");
test("after some", frequency, "{ after: 3 }", "---xxxxx");
test("every other", frequency, "{ every: 2 }", "x-x-x-x-");
test("a number of times", frequency, "{ times: 2 }", "xx------");
test("all together", frequency, "{ after: 1, every: 3, times: 2 }", "-x--x---");

test("the same seed gives the same shots, another seed others", (t) => {
  const many = Array.from({ length: 64 }, () => read);
  const yaml = rule("{ scsi: READ }", "{ chance: 0.5 }");
  t.is(shots(yaml, many), shots(yaml, many));
  t.not(shots(yaml, many), shots(yaml.replace("seed: 1", "seed: 2"), many));
  t.regex(shots(yaml, many), /x[^]*-|-[^]*x/);
});

const matching = test.macro((t, on: string, expected: boolean) =>
  t.is(shots(rule(on), [read]), expected ? "x" : "-"),
);
test("a command by its whole name", matching, '{ scsi: "READ(10)" }', true);
test("a command of another length", matching, '{ scsi: "READ(16)" }', false);
test("blocks that it touches", matching, "{ scsi: READ, lba: [107, 200] }", true);
test("blocks that it does not touch", matching, "{ scsi: READ, lba: [108, 200] }", false);
test("its LUN", matching, "{ scsi: READ, lun: 1 }", false);
test("its session", matching, "{ scsi: READ, session: 1 }", true);
test("an initiator by the beginning of its name", matching, '{ scsi: READ, initiator: "iqn.a:*" }', true);
test("another initiator", matching, '{ scsi: READ, initiator: "iqn.b:*" }', false);
test("a PDU is no command", matching, "{ pdu: DataIn }", false);

const dataIn = (final: number): FaultEvent => ({
  point: "pdu",
  pdu: "DataIn",
  field: (name) => (name === "final" ? final : undefined),
});

test("fields of a PDU", (t) => {
  t.is(shots(rule("{ pdu: DataIn, fields: { final: 1 } }"), [dataIn(0), dataIn(1)]), "-x");
});

const wrong = test.macro((t, yaml: string, message: RegExp) => {
  t.throws(() => readFaultPlan(yaml, "f.yaml"), { instanceOf: UsageError, message });
});
test("broken YAML", wrong, "rules: [", /^f\.yaml:1:\d+: /);
test("an unknown PDU", wrong, rule("{ pdu: DataUp }"), /^f\.yaml:3:25: rules\.0\.on\.pdu: one of NopOut/);
test(
  "an unknown field",
  wrong,
  rule("{ pdu: DataIn, fields: { colour: 1 } }"),
  /^f\.yaml:3:\d+: .*field that this PDU does not have/,
);
test("two places at once", wrong, rule("{ pdu: DataIn, scsi: READ }"), /exactly one of pdu, scsi and login/);
test(
  "two actions at once",
  wrong,
  rule("{ scsi: READ }").replace("{ delay: 1 }", "{ delay: 1, stall: true }"),
  /exactly one of delay/,
);
test(
  "a typo in an action",
  wrong,
  rule("{ scsi: READ }").replace("{ delay: 1 }", "{ dealy: 1 }"),
  /^f\.yaml:3:\d+: rules\.0\.do/,
);
test(
  "an action where it cannot be",
  wrong,
  rule("{ scsi: READ }").replace("{ delay: 1 }", "{ flip: { where: data } }"),
  /flip cannot be done to a SCSI command/,
);

test("every example of docs/faults.md is a plan", (t) => {
  const page = readFileSync(path.join(import.meta.dirname, "../../docs/faults.md"), "utf8");
  const examples = [...page.matchAll(/```yaml\n([^]*?)```/g)].map((match) => match[1]!);
  const kinds = examples.flatMap((example) =>
    readFaultPlan(example, "docs/faults.md").rules.map((rule) => rule.do.kind),
  );
  t.deepEqual([...new Set(kinds)].sort(), [
    "async",
    "close",
    "delay",
    "drop",
    "flip",
    "redirect",
    "refuse",
    "reject",
    "remove-lun",
    "reorder",
    "sense",
    "set",
    "stall",
    "status",
    "truncate",
    "window",
  ]);
});

import test from "ava";
import { parseScenario, scenarioFrom } from "#harness/scenario";

const accepted = test.macro((t, text: string, expected: object) => {
  t.like(parseScenario(text, "boots/first.yaml"), expected);
});

test("an empty file is the default scenario", accepted, "", {
  name: "first",
  guest: "debian-mini",
  nics: [{ model: "e1000" }],
  firmware: "ipxe",
  uefi: false,
  target: "embedded",
  machine: { memory: 512, cpus: 1, accel: "auto" },
  expect: { reach: "P17" },
});
test("a name in the file wins over the file's own", accepted, "name: night-7", { name: "night-7" });
test("several NICs keep their order", accepted, "nics: [{model: virtio}, {mac: '52:54:00:00:00:02'}]", {
  nics: [{ model: "virtio" }, { model: "e1000", mac: "52:54:00:00:00:02" }],
});
test("login means the login phase", accepted, "expect: {reach: login}", { expect: { reach: "P17" } });
test("any phase can be expected", accepted, "expect: {reach: P11}", { expect: { reach: "P11" } });
test("an iSCSI URL is a target", accepted, "target: iscsi://10.0.0.1/iqn.2000-01.org.example:a/1", {
  target: "iscsi://10.0.0.1/iqn.2000-01.org.example:a/1",
});

const refused = test.macro((t, text: string, message: RegExp) => {
  t.throws(() => parseScenario(text, "boots/first.yaml"), { code: "SCENARIO_INVALID", message });
});

test(
  "an unknown key is shown where it stands, with the known ones",
  refused,
  "guest: debian-mini\ntargt: tgt\n",
  /^boots\/first\.yaml:2:1: unknown key "targt"; known are name, guest, /,
);
test(
  "an unknown key deeper down",
  refused,
  "machine:\n  memry: 5\n",
  /:2:3: unknown key "memry" in machine; known are memory, cpus, accel/,
);
test(
  "an unknown key in a list",
  refused,
  "nics:\n  - model: e1000\n  - {modell: virtio}\n",
  /:3:6: unknown key "modell" in nics\.1; known are model, mac/,
);
test("a value of the wrong type", refused, "machine:\n  memory: lots\n", /:2:11: machine\.memory: /);
test("a value out of range", refused, "timeout: -1", /:1:10: timeout: /);
test(
  "an unknown NIC model lists the known ones",
  refused,
  "nics:\n  - model: e1001\n",
  /:2:12: nics\.0\.model: .*"e1000".*"virtio"/,
);
test(
  "an unknown target",
  refused,
  "target: lio\n",
  /:1:9: target: .*embedded, tgt, istgt or an iscsi:\/\/ URL/,
);
test(
  "a target URL without a target",
  refused,
  "target: iscsi://10.0.0.1",
  /:1:9: target: .*names no target; write iscsi:/,
);
test(
  "a target URL with a secret",
  refused,
  "target: iscsi://me%hidden@10.0.0.1/iqn.2000-01.org.example:a/0",
  /:1:9: target: a secret in a URL/,
);
test("an unknown phase", refused, "expect: {reach: P99}\n", /:1:17: expect\.reach: /);
test("broken YAML", refused, "nics: [\n", /:\d+:\d+: /);
test("a key twice", refused, "uefi: true\nuefi: false\n", /:2:1: .*unique/);

test("options are checked as a file is", (t) => {
  t.throws(() => scenarioFrom({ machine: { memory: 1 } }, "x"), { message: /^machine\.memory: / });
});

test("a name made from a path has no odd characters", (t) => {
  t.is(scenarioFrom({}, "my disk (1).img").name, "my-disk-1-.img");
});

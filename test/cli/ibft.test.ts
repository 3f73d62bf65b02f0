import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { sanlab as run } from "./sanlab.ts";

const folder = mkdtempSync(path.join(tmpdir(), "sanlab-ibft-"));
test.after.always(() => rmSync(folder, { recursive: true }));

const sanlab = (...args: readonly string[]) => run(args);

const SAMPLE = fileURLToPath(new URL("../ibft/data/ipxe-bios-e1000.bin", import.meta.url));
const IPXE = `
oemId: FENSYS
oemTableId: iPXE
initiator: { name: "iqn.2026-11.lab.san:vm0" }
nics:
  - ip: 10.77.0.50
    prefix: 24
    origin: dhcp
    gateway: 10.77.0.1
    dhcp: 10.77.0.1
    mac: 52:54:00:77:00:50
    pci: 00:02.0
targets:
  - { ip: 10.77.0.1, lun: 1, name: "iqn.2026-11.lab.san:disk0" }
`;

/** A file of that name in the test's folder. */
function file(name: string, content: string | Uint8Array): string {
  const at = path.join(folder, name);
  writeFileSync(at, content);
  return at;
}

test("make reproduces iPXE's table from its specification, for its owner only", async (t) => {
  const out = path.join(folder, "ipxe.ibft");
  const { status, stdout, stderr } = await sanlab(
    "ibft",
    "make",
    file("ipxe.yaml", IPXE),
    "--out",
    out,
    "--dump",
    "-",
  );
  t.is(status, 0, stderr);
  t.deepEqual(readFileSync(out), readFileSync(SAMPLE));
  t.is(statSync(out).mode & 0o777, 0o600);
  t.regex(stdout, /10\.77\.0\.50\/24 \(DHCP\)/);
});

test("dump shows fields, JSON shows the model, and secrets only on request", async (t) => {
  const chap = IPXE.replace(
    "lun: 1,",
    "lun: 1, chapType: one-way, chapName: vm0, chapSecret: open sesame 1,",
  );
  const out = path.join(folder, "chap.ibft");
  const made = await sanlab("ibft", "make", file("chap.yaml", chap), "--out", out, "--json");
  t.like(JSON.parse(made.stdout).targets[0], { chapSecret: "<redacted>", port: 3260 });
  const dumped = await sanlab("ibft", "dump", out, "--json");
  t.is(dumped.status, 0);
  t.like(JSON.parse(dumped.stdout).targets[0], { lunNumber: 1, chapType: 1, chapSecret: "<redacted>" });
  const told = await sanlab("ibft", "dump", out, "--secrets");
  t.regex(told.stdout, /open sesame 1/);
});

test("lint ends with 1 where a finding is fatal, and takes profile and network", async (t) => {
  t.is((await sanlab("ibft", "lint", SAMPLE, "--profile", "windows")).status, 0);
  const network = file("network.yaml", 'gateways: { "10.77.0.1": dead }\ninstalledOn: 52:54:00:77:00:51\n');
  const { status, stdout } = await sanlab("ibft", "lint", SAMPLE, "--network", network, "--json");
  t.is(status, 1);
  const { findings } = JSON.parse(stdout);
  t.like(
    findings.find(({ rule }: { rule: string }) => rule === "R45"),
    { severity: "fatal", field: "nic0.gateway", offset: 160 + 24 },
  );
  t.true(findings.some(({ rule }: { rule: string }) => rule === "R40"));
});

test("find leads to the table in a memory image and ends with 1 for none", async (t) => {
  const memory = Buffer.alloc(0x80000);
  readFileSync(SAMPLE).copy(memory, 0x1e620);
  const image = file("low.bin", memory);
  const found = await sanlab("ibft", "find", image, "--base", "0x80000", "--json");
  t.is(found.status, 0);
  t.like(JSON.parse(found.stdout).tables[0], { address: 0x9e620, by: "bios", valid: true });
  const elsewhere = await sanlab("ibft", "find", image, "--base", "0x40000", "--anywhere");
  t.is(elsewhere.status, 1);
  t.regex(elsewhere.stdout, /at 0x5e620, found by nobody/);
});

test("rom and acpi carry a specification or a table; diff tells two tables apart", async (t) => {
  const spec = file("carry.yaml", IPXE);
  const [rom, acpi] = [path.join(folder, "t.rom"), path.join(folder, "t.acpi")];
  t.is((await sanlab("ibft", "rom", spec, "--out", rom, "--kind", "static")).status, 0);
  t.is(readFileSync(rom).readUInt16BE(0), 0x55aa);
  t.is((await sanlab("ibft", "acpi", SAMPLE, "--out", acpi)).status, 0);
  const same = await sanlab("ibft", "diff", acpi, SAMPLE);
  t.is(same.status, 0);
  const other = path.join(folder, "other.ibft");
  await sanlab("ibft", "make", file("other.yaml", IPXE.replace("prefix: 24", "prefix: 16")), "--out", other);
  const { status, stdout } = await sanlab("ibft", "diff", other, SAMPLE);
  t.is(status, 1);
  t.regex(stdout, /nic0\.prefix: 16 \| 24/);
});

test("the examples of docs/ibft.md are what they say", async (t) => {
  const text = readFileSync(new URL("../../docs/ibft.md", import.meta.url), "utf8");
  const [spec = "", quirks = "", network = ""] = [...text.matchAll(/```yaml\n(.*?)```/gs)].map(
    ([, block]) => block ?? "",
  );
  const out = path.join(folder, "docs.ibft");
  const made = await sanlab("ibft", "make", file("docs.yaml", spec), "--out", out);
  t.is(made.status, 0, made.stderr);
  const wrong = await sanlab("ibft", "make", file("quirks.yaml", spec + quirks), "--out", `${out}.wrong`);
  t.is(wrong.status, 0, wrong.stderr);
  const lint = ["ibft", "lint", out, "--network", file("docs-network.yaml", network), "--json"];
  const { status, stdout, stderr } = await sanlab(...lint);
  t.is(status, 0, stderr);
  const rules = JSON.parse(stdout).findings.map(({ rule }: { rule: string }) => rule);
  t.deepEqual(rules, ["R41", "R70", "R68"]);
});

test("dumper writes a floppy that is bootable", async (t) => {
  const out = path.join(folder, "floppy.img");
  t.is((await sanlab("ibft", "dumper", "--out", out)).status, 0);
  const image = readFileSync(out);
  t.is(image.length, 1474560);
  t.is(image.readUInt16LE(510), 0xaa55);
});

for (const [title, yaml, message] of [
  ["a key that is none", IPXE.replace("prefix:", "prefxi:"), /bad\.yaml:7:5: nics\.0: .*prefxi/],
  [
    "an address that is none",
    IPXE.replace("10.77.0.50", "10.77.0.500"),
    /bad\.yaml:6:\d+: nics\.0\.ip: "10\.77\.0\.500" is not/,
  ],
  ["text that is no YAML", "nics: [", /bad\.yaml:1:\d+/],
  [
    "a table that cannot boot",
    IPXE.replace('name: "iqn.2026-11.lab.san:vm0"', ""),
    /initiator\.name.*R28.*quirks/,
  ],
  ["a quirk of no field", `${IPXE}quirks: { fields: { nic9.ip: 1.2.3.4 } }\n`, /no field "nic9\.ip"/],
] as const) {
  test(`make refuses ${title} with one line and status 2`, async (t) => {
    const out = path.join(folder, "never.ibft");
    const dir = mkdtempSync(path.join(folder, "bad-"));
    const spec = path.join(dir, "bad.yaml");
    writeFileSync(spec, yaml);
    const { status, stderr, stdout } = await sanlab("ibft", "make", spec, "--out", out);
    t.is(status, 2);
    t.is(stdout, "");
    t.regex(stderr, message);
    t.is(stderr.trim().split("\n").length, 1);
    t.throws(() => statSync(out));
  });
}

for (const [title, args, status, code] of [
  ["a file that is missing", ["dump", "/nonexistent.ibft"], 2, "NO_SUCH_FILE"],
  ["a file that is no table", ["dump", fileURLToPath(import.meta.url)], 2, "NOT_AN_IBFT"],
] as const) {
  test(`${title} is told as a JSON error`, async (t) => {
    const ended = await sanlab("ibft", ...args, "--json");
    t.is(ended.status, status);
    t.is(JSON.parse(ended.stdout).error.code, code);
  });
}

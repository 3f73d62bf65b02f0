import { readFileSync } from "node:fs";
import test from "ava";
import {
  contextOfMemory,
  lintIbft,
  writeIbft,
  type IbftSpec,
  type LintContext,
  type LintProfile,
  type NicSpec,
  type TargetSpec,
} from "#ibft";

const sample = readFileSync(new URL("data/ipxe-bios-e1000.bin", import.meta.url));

const NIC0: NicSpec = {
  ip: "10.77.0.50",
  prefix: 24,
  origin: 3,
  dhcp: "10.77.0.1",
  mac: "52:54:00:77:00:50",
  pci: "00:02.0",
};
const NIC1: NicSpec = { mac: "52:54:00:77:00:51", pci: "00:03.0" };
const TARGET: TargetSpec = { ip: "10.77.0.1", lun: 1, name: "iqn.2026-11.lab.san:disk0" };
const CHAP: TargetSpec = { ...TARGET, chapType: 1, chapName: "vm0", chapSecret: "twelve bytes" };
const GOOD: IbftSpec = { initiator: { name: "iqn.2026-11.lab.san:vm0" }, nics: [NIC0], targets: [TARGET] };

const nic = (change: NicSpec): IbftSpec => ({ nics: [{ ...NIC0, ...change }] });
const two = (change: NicSpec, first: NicSpec = {}): IbftSpec => ({
  nics: [
    { ...NIC0, ...first },
    { ...NIC1, ...change },
  ],
});
const target = (change: TargetSpec): IbftSpec => ({ targets: [{ ...TARGET, ...change }] });
const field = (path: string, value: number | string): IbftSpec => ({ quirks: { fields: { [path]: value } } });
const context = (context: LintContext) => ({ context });

type Case = IbftSpec & { readonly context?: LintContext; readonly profile?: LintProfile };

const rulesOf = ({ context, profile, ...spec }: Case) =>
  lintIbft(writeIbft({ quirks: {}, ...GOOD, ...spec }), {
    ...(context && { context }),
    ...(profile && { profile }),
  });

const MACHINE: LintContext = {
  nics: [
    { mac: "52:54:00:77:00:50", pci: "00:02.0", ip: "10.77.0.50" },
    { mac: "52:54:00:77:00:51", pci: "00:03.0", ip: "192.168.1.9" },
  ],
};

/** For each rule a table that breaks it, and one beside it that does not. */
const CASES: readonly (readonly [rule: string, broken: Case, sound: Case])[] = [
  ["R01", field("signature", "XBFT"), {}],
  ["R02", field("length", 9999), {}],
  ["R03", field("revision", 2), {}],
  ["R04", { quirks: { checksum: "wrong" } }, {}],
  ["R05", context({ firmware: "bios", address: 0x727f0 }), context({ firmware: "bios", address: 0x9e620 })],
  ["R05", context({ firmware: "bios", address: 0x9e624 }), context({ firmware: "bios", address: 0x80000 })],
  ["R06", context({ firmware: "bios", address: 0x9fff0 }), context({ firmware: "bios", address: 0xc2800 })],
  ["R07", context({ firmware: "bios", address: 0xc2800 }), context({ firmware: "bios", address: 0x9e620 })],
  [
    "R08",
    context({ firmware: "bios", address: 0x727f0 }),
    context({ firmware: "bios", address: 0x727f0, acpi: true }),
  ],
  ["R09", context({ firmware: "uefi", acpi: false }), context({ firmware: "uefi", acpi: true })],
  [
    "R10",
    context({ firmware: "uefi", console: "EFIBLK has no ACPI table protocol\r\n" }),
    context({ firmware: "uefi", console: "Registered SAN device 0x80\r\n" }),
  ],
  ["R11", context({ tables: 2 }), context({ tables: 1 })],
  ["R12", { oemId: "" }, {}],
  ["R13", { quirks: { bytes: [{ at: 40, hex: "01" }] } }, {}],
  ["R14", field("control.id", 9), {}],
  ["R15", field("control.length", 17), {}],
  ["R15", { nics: [NIC0, NIC1, { ...NIC1, pci: "00:04.0" }] }, two({})],
  ["R16", { control: { index: 1 } }, {}],
  ["R17", { control: { flags: 1 } }, {}],
  ["R18", { control: { extensions: 0xa0 } }, { extensions: [{ data: "00" }] }],
  ["R19", { initiator: null }, {}],
  ["R20", field("control.nic1", 0x7000), {}],
  ["R20", field("control.nic1", 540), {}],
  ["R21", field("control.target0", 0xa0), {}],
  ["R22", { nics: [{ ...NIC0, offset: 0xa4 }] }, { layout: "edk2" }],
  ["R23", field("nic0.length", 100), {}],
  ["R24", field("target0.version", 2), {}],
  ["R25", field("control.nic1", 0x200), {}],
  ["R26", { initiator: { name: "iqn.x", flags: 1 } }, {}],
  ["R27", { initiator: { name: "iqn.x", index: 1 } }, {}],
  ["R28", { initiator: {} }, {}],
  ["R28", context({ initiator: "iqn.other" }), context({ initiator: "iqn.2026-11.lab.san:vm0" })],
  ["R29", field("initiator.name.length", 22), {}],
  ["R29", field("initiator.name.length", 24), {}],
  ["R29", field("initiator.name.offset", 0), {}],
  ["R30", field("initiator.name.length", 999), {}],
  ["R30", field("initiator.name.offset", 8), {}],
  ["R31", two({ offset: 0xa8 }), two({})],
  ["R31", field("target0.name.offset", 512), {}],
  [
    "R32",
    { initiator: { name: `iqn.${"x".repeat(220)}` } },
    { initiator: { name: `iqn.${"x".repeat(219)}` } },
  ],
  ["R33", nic({ flags: 2 }), {}],
  ["R33", nic({ flags: 1 }), {}],
  ["R33", two({ flags: 3 }), two({})],
  ["R34", nic({ flags: 1 }), {}],
  ["R34", target({ flags: 1 }), {}],
  ["R35", two({ index: 0 }), two({})],
  ["R36", context(MACHINE), { ...two({}), context: MACHINE }],
  ["R37", two({ pci: "00:01.0" }), two({})],
  ["R38", two({ offset: 0xa0 }, { offset: 0x110 }), two({})],
  ["R39", { ...two({ ip: "10.78.0.5", prefix: 24 }), ...target({ ip: "10.78.0.1", nic: 1 }) }, two({})],
  ["R40", context({ installedOn: "52:54:00:77:00:51" }), context({ installedOn: "52:54:00:77:00:50" })],
  ["R41", two({}), two({ ip: "10.77.0.51", prefix: 24 })],
  ["R42", nic({ prefix: 33 }), nic({ prefix: 32, gateway: null })],
  [
    "R42",
    nic({ gateway: "fd00::1" }),
    nic({ ip: "fd00::50", dhcp: null, origin: 4, prefix: 64, gateway: "fd00::1" }),
  ],
  ["R43", nic({ prefix: 0 }), {}],
  [
    "R44",
    { ...nic({ gateway: "10.77.0.254" }), profile: "windows" },
    { ...nic({ gateway: "10.77.0.1" }), profile: "windows" },
  ],
  ["R45", nic({ gateway: "10.78.0.1" }), nic({ gateway: "10.77.0.254" })],
  [
    "R45",
    { ...nic({ gateway: "10.77.0.254" }), context: { gateways: { "10.77.0.254": "dead" } } },
    { ...nic({ gateway: "10.77.0.254" }), context: { gateways: { "10.77.0.254": "alive" } } },
  ],
  ["R46", { profile: "windows" }, { ...nic({ gateway: "10.77.0.1" }), profile: "windows" }],
  ["R47", nic({ mac: "00:00:00:00:00:00" }), {}],
  ["R47", nic({ mac: "01:00:5e:00:00:01" }), {}],
  ["R47", { ...nic({ mac: "52:54:00:00:00:01" }), context: MACHINE }, context(MACHINE)],
  ["R48", { ...nic({ ip: "192.168.1.9" }), context: MACHINE }, context(MACHINE)],
  ["R48", { ...nic({ pci: "00:03.0" }), context: MACHINE }, context(MACHINE)],
  ["R49", { ...nic({ pci: "10:00.0" }), context: MACHINE }, { ...nic({ pci: "00:09.0" }), context: MACHINE }],
  [
    "R49",
    context({ nics: [{ mac: NIC0.mac!, pci: "0001:00:02.0" }] }),
    context({ nics: [{ mac: NIC0.mac!, pci: "0000:00:02.0" }] }),
  ],
  ["R50", { ...nic({ pci: "00:09.0" }), context: MACHINE }, context(MACHINE)],
  ["R51", nic({ pci: "00:00.0" }), {}],
  ["R52", nic({ vlan: 0x6003 }), nic({ vlan: 3 })],
  [
    "R52",
    { ...nic({ vlan: 0 }), context: { nics: [{ mac: NIC0.mac!, vlan: 3 }] } },
    { ...nic({ vlan: 3 }), context: { nics: [{ mac: NIC0.mac!, vlan: 3 }] } },
  ],
  ["R53", nic({ origin: 15 }), nic({ origin: 4, dhcp: null })],
  ["R54", nic({ origin: 1 }), nic({ origin: 1, dhcp: null })],
  ["R54", { ...nic({ ip: "10.77.0.60" }), context: MACHINE }, context(MACHINE)],
  ["R55", { oemTableId: "iPXE", ...nic({ origin: 1, dhcp: null }) }, { oemTableId: "iPXE" }],
  ["R55", { oemTableId: "iPXE", ...nic({ origin: 4, dhcp: null }) }, nic({ origin: 1, dhcp: null })],
  ["R57", nic({ dns2: "10.77.0.3" }), nic({ dns1: "10.77.0.2", dns2: "10.77.0.3" })],
  ["R57", nic({ dns1: "10.77.0.2", dns2: "10.77.0.2" }), nic({ dns1: "10.77.0.2" })],
  ["R56", nic({ dhcp: null }), {}],
  ["R58", field("nic0.hostname.length", 5), nic({ hostname: "vm0" })],
  ["R59", { targets: [] }, {}],
  ["R59", target({ flags: 2 }), {}],
  ["R59", { targets: [TARGET, { ...TARGET, flags: 3 }] }, { targets: [TARGET, TARGET] }],
  ["R59", target({ flags: 7 }), {}],
  ["R60", target({ nic: 1 }), {}],
  ["R60", target({ index: 1 }), {}],
  [
    "R61",
    target({ ip: "10.99.0.1" }),
    { ...target({ ip: "10.99.0.1" }), ...nic({ gateway: "10.77.0.254" }) },
  ],
  ["R62", target({ ip: null }), {}],
  ["R63", target({ port: 0 }), {}],
  ["R63", target({ port: 0xbc0c }), {}],
  ["R64", target({ lun: "0100000000000000" }), {}],
  ["R64", target({ lun: "4001000200000000" }), target({ lun: 300 })],
  ["R65", target({ lun: "00110000000001ff" }), {}],
  ["R66", target({ chapType: 3 }), {}],
  ["R67", target({ chapType: 1 }), { targets: [CHAP] }],
  ["R67", target({ chapName: "vm0" }), {}],
  [
    "R67",
    { targets: [{ ...CHAP, chapType: 2, reverseChapName: "t", reverseChapSecret: "twelve bytes" }] },
    { targets: [{ ...CHAP, chapType: 2, reverseChapName: "t", reverseChapSecret: "other twelve" }] },
  ],
  [
    "R68",
    { targets: [CHAP], context: { target: { asksChap: false } } },
    { targets: [CHAP], context: { target: { asksChap: true } } },
  ],
  ["R69", { targets: [{ ...CHAP, chapSecret: "short" }] }, { targets: [CHAP] }],
  ["R70", { targets: [CHAP] }, {}],
  [
    "R70",
    { targets: [{ ...CHAP, chapType: 2, reverseChapSecret: "other twelve" }] },
    target({ chapType: 1, chapName: "vm0" }),
  ],
  [
    "R71",
    context({ target: { redirectedFrom: "10.77.0.9" } }),
    context({ target: { redirectedFrom: "10.77.0.1" } }),
  ],
  ["R72", { nics: [NIC0, NIC1, { ...NIC1, pci: "00:04.0" }] }, two({})],
  [
    "R73",
    context({ paths: [{ ip: "10.77.0.1", name: TARGET.name!, state: "aborted" }] }),
    context({ paths: [{ ip: "10.77.0.9", name: TARGET.name!, state: "aborted" }] }),
  ],
  [
    "R74",
    context({ firmware: "bios", address: 0x9c000, baseMemory: 640 }),
    context({ firmware: "bios", address: 0x9c000, baseMemory: 0x9c000 / 1024 }),
  ],
  [
    "R74",
    context({ address: 0x1f775000, memoryMap: [{ from: 0x100000, to: 0x1f775000, kind: "usable" }] }),
    context({
      address: 0x1f775000,
      memoryMap: [
        { from: 0x100000, to: 0x1f774fff, kind: "usable" },
        { from: 0x1f775000, to: 0x1f775fff, kind: "acpi" },
      ],
    }),
  ],
  ["R74", context({ intact: false }), context({ intact: true })],
  [
    "R75",
    context({ script: "#!ipxe\ndhcp\nsanboot --no-describe ${root-path}\n" }),
    context({ script: "#!ipxe\ndhcp\nsanboot ${root-path}\n" }),
  ],
  ["R75", context({ tables: 0 }), context({ tables: 1 })],
  [
    "R76",
    context({
      console: "Could not describe SAN devices: No space left on device (https://ipxe.org/34852006)",
    }),
    context({ console: "Registered SAN device 0x80" }),
  ],
  [
    "R77",
    context({
      paths: [
        { ip: "10.77.0.1", state: "up" },
        { ip: "10.78.0.1", state: "up" },
      ],
    }),
    context({ paths: [{ ip: "10.77.0.1", state: "up" }] }),
  ],
  [
    "R77",
    context({ paths: [{ ip: "10.77.0.1", state: "down" }] }),
    context({ paths: [{ ip: "10.78.0.1", state: "aborted" }] }),
  ],
  ["R78", nic({ ip: "fd00::50", prefix: 64 }), {}],
  ["R79", nic({ gateway: "10.78.0.1" }), {}],
  ["R80", { ...nic({ ip: "10.77.0.60" }), context: MACHINE }, context(MACHINE)],
];

for (const [i, [rule, broken, sound]] of CASES.entries()) {
  test(`${rule} speaks up for a table that breaks it and is silent beside it (${i})`, (t) => {
    const found = rulesOf(broken).find((finding) => finding.rule === rule);
    t.truthy(
      found,
      `not found in ${rulesOf(broken)
        .map((one) => one.rule)
        .join(" ")}`,
    );
    t.true(found!.message.length > 5 && found!.advice.length > 5 && found!.field.length > 0);
    t.deepEqual(
      rulesOf(sound).filter((finding) => finding.rule === rule),
      [],
    );
  });
}

test("there is a case for every rule from R01 to R80", (t) => {
  const all = Array.from({ length: 80 }, (_, i) => `R${String(i + 1).padStart(2, "0")}`);
  const tested = new Set(CASES.map(([rule]) => rule));
  t.deepEqual(
    all.filter((rule) => !tested.has(rule)),
    [],
  );
});

const DEAD = { gateways: { "10.77.0.254": "dead" } } as const;
const VIA: Case = { ...nic({ gateway: "10.77.0.254" }), context: DEAD };

for (const [title, rule, spec] of [
  ["a gateway for a target on-link", "R44", nic({ gateway: "10.77.0.254" })],
  ["a dead gateway for a target on-link", "R45", VIA],
  ["NICs that do not ascend by PCI location", "R37", two({ pci: "00:01.0" })],
  ["NICs in another order in memory", "R38", two({ offset: 0xa0 }, { offset: 0x110 })],
  ["a NIC that is missing", "R36", context(MACHINE)],
  [
    "a target that another NIC reaches",
    "R39",
    { ...two({ ip: "10.78.0.5", prefix: 24 }), ...target({ ip: "10.78.0.1", nic: 1 }) },
  ],
  ["another NIC than at installation", "R40", context({ installedOn: "52:54:00:77:00:51" })],
  ["a short secret", "R69", { targets: [{ ...CHAP, chapSecret: "short" }] }],
  ["credentials that nobody asks for", "R68", { targets: [CHAP], context: { target: { asksChap: false } } }],
] as readonly (readonly [string, string, Case])[]) {
  test(`what only Windows minds is predicted for Windows: ${title}`, (t) => {
    for (const profile of ["spec", "windows", "linux"] as const) {
      const found = rulesOf({ ...spec, profile }).find((one) => one.rule === rule);
      t.regex(found?.message ?? "", /; predicted for Windows: \w/);
      t.not(found?.severity, profile === "windows" ? "info" : "fatal");
    }
  });
}

test("a dead gateway is fatal to all where the way to the target leads over it", (t) => {
  const behind: Case = { ...VIA, ...target({ ip: "10.99.0.1" }) };
  const severity = (spec: Case) => rulesOf(spec).find(({ rule }) => rule === "R45")?.severity;
  t.is(severity({ ...behind, profile: "linux" }), "fatal");
  t.is(severity({ ...VIA, profile: "linux" }), "info");
  t.is(severity({ ...VIA, profile: "windows" }), "fatal");
});

test("a secret that was printed is worse than one that only lies in memory, and no finding tells it", (t) => {
  const severity = (spec: Case) => rulesOf(spec).find(({ rule }) => rule === "R70")?.severity;
  t.is(severity({ targets: [CHAP] }), "info");
  const shown = { targets: [CHAP], context: { console: `CHAP secret = ${CHAP.chapSecret}` } };
  t.is(severity(shown), "warning");
  t.notRegex(JSON.stringify(rulesOf(shown)), /twelve bytes/);
});

test("an image of memory tells where the table lies, how many there are and what became of it", (t) => {
  const bytes = Buffer.alloc(0x100000);
  bytes.writeUInt16LE(633, 0x413);
  sample.copy(bytes, 0x9e620);
  const memory = { base: 0, bytes };
  t.deepEqual(contextOfMemory(memory, sample, { firmware: "bios" }), {
    firmware: "bios",
    tables: 1,
    address: 0x9e620,
    acpi: false,
    baseMemory: 633,
  });
  t.deepEqual(
    lintIbft(sample, { context: contextOfMemory(memory, sample, { firmware: "bios" }) }),
    lintIbft(sample),
  );
  bytes.writeUInt16LE(640, 0x413);
  bytes[0x9e700]! ^= 1;
  const lost = lintIbft(sample, { context: contextOfMemory(memory, sample, { firmware: "bios" }) });
  t.true(lost.some(({ rule, severity }) => rule === "R74" && severity === "fatal"));
  sample.copy(bytes, 0x40000);
  t.like(contextOfMemory(memory, sample), { address: 0x40000, acpi: false });
});

for (const [profile, rules] of [
  ["spec", []],
  ["linux", []],
  ["windows", ["R44"]],
] as const) {
  test(`the table that iPXE wrote lints clean for ${profile} but for what Windows makes of its gateway`, (t) => {
    const found = lintIbft(sample, { profile }).filter(({ severity }) => severity !== "info");
    // The target is the gateway: Windows' detour is none.
    t.deepEqual(
      found.map(({ rule }) => rule),
      rules.filter((rule) => rule !== "R44"),
    );
  });
}

test("severities follow the profile: who boots and who does not", (t) => {
  const severity = (rule: string, spec: Case) => rulesOf(spec).find((one) => one.rule === rule)?.severity;
  const short: Case = { targets: [{ ...CHAP, chapSecret: "short" }] };
  t.is(severity("R69", { ...short, profile: "windows" }), "fatal");
  t.is(severity("R69", { ...short, profile: "linux" }), "info");
  t.is(severity("R03", { ...field("revision", 2), profile: "linux" }), "fatal");
  t.is(severity("R03", { ...field("revision", 2), profile: "windows" }), "info");
  t.is(severity("R04", { quirks: { checksum: "wrong" }, profile: "linux" }), "fatal");
  t.is(severity("R37", { ...two({ pci: "00:01.0" }), profile: "windows" }), "warning");
  t.is(severity("R15", { ...field("control.length", 22), profile: "linux" }), "warning");
});

const of = (rule: string, spec: Case) => rulesOf(spec).find((one) => one.rule === rule);

test("findings name the byte: offset and field", (t) => {
  t.like(of("R35", two({ index: 0 })), { field: "nic1.index", offset: 0x110 + 4 });
  t.like(of("R63", target({ port: 0 })), { field: "target0.port", offset: 0x180 + 22 });
  t.like(of("R17", { control: { flags: 1 } }), { field: "control.flags", offset: 53 });
  t.like(of("R20", field("control.nic1", 0x7000)), { field: "control.nic1", offset: 48 + 14 });
});

import { readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { BootLogReader, KdDecoder, readBootLog } from "#kd";

const data = (file: string) => readFileSync(path.join(import.meta.dirname, "data", file));
const transcript = (file: string) => data(file).toString("latin1");

/** What the debugger would have shown of a capture. */
function printed(file: string): string {
  let text = "";
  const decoder = new KdDecoder((event) => (text += event.kind === "print" ? event.text : ""));
  decoder.push(data(file));
  decoder.end();
  return text;
}

for (const file of ["seed-initiator.txt", "seed-sanbootconf.txt"])
  test(`every line of ${file} is recognised`, (t) => {
    const reader = new BootLogReader();
    const lines = transcript(file).trimEnd().split("\n");
    t.deepEqual(
      lines.filter((line) => reader.read(line) === undefined),
      // The page that published it left the other pool entries out.
      ["..."],
    );
  });

test("Microsoft's initiator: table, card, pool, status", (t) => {
  const log = readBootLog(transcript("seed-initiator.txt"));
  const nic =
    "\\??\\PCI#VEN_10EC&DEV_8139&SUBSYS_00000000&REV_20#3&13c0b0c5&0&18#{cac88484-7515-4c03-82e6-71a87abac361}";
  t.deepEqual(log.table, { physical: 0x9f950 });
  t.deepEqual(log.interfaces, [nic]);
  t.deepEqual(log.nicStatuses, { 0: 0 });
  t.deepEqual(log.bootStatus, { status: 0, details: [0, 0, 0, 0] });
  const values = (kind: string) => log.facts.filter((fact) => fact.kind === kind).map((fact) => fact.values);
  t.deepEqual(values("nic-address"), [{ handle: "800000B4", ip: "10.254.254.15" }]);
  t.deepEqual(values("mask-bytes"), [
    { prefix: "24", bytes: "00 ff ff ff ff ff 00 00 00 00 00 00 00 00 00 00" },
  ]);
  t.deepEqual(values("nic-mask"), [{ handle: "800000B4", mask: "255.255.255.0" }]);
  t.deepEqual(values("nic-gateway"), [{ handle: "800000B4", gateway: "10.254.254.2" }]);
  t.deepEqual(values("parameters"), [{ virtual: "810CABA0" }]);
  t.deepEqual(values("boot-pool"), [{ size: "30" }]);
  t.deepEqual(values("pool-entry").at(-1), { index: "1", result: "SUCCESS" });
  t.deepEqual(values("waiting"), [{ seconds: "60" }]);
  t.deepEqual(
    values("worker").map(({ step }) => step),
    ["Entering", "Coming out of wait", "After Logon Completion Thread"],
  );
  t.deepEqual(values("nic-bus"), [{ interface: nic, bus: "PCI" }]);
});

test("sanbootconf before 0.9.3: all of the table", (t) => {
  const log = readBootLog(transcript("seed-sanbootconf.txt"));
  t.deepEqual(log.table, { physical: 0x9cfb0, oemId: "FENSYS", oemTableId: "gPXE" });
  t.deepEqual(log.initiators, [
    {
      index: 0,
      valid: true,
      selected: true,
      fields: {
        Flags: "0x3, valid, boot selected",
        iSNS: "0.0.0.0",
        SLP: "0.0.0.0",
        Radius: "0.0.0.0, 0.0.0.0",
        Name: "iqn.2000-01.org.etherboot:host_10_0_0_90.home",
      },
    },
  ]);
  t.like(log.nics[0]!.fields, {
    IP: "10.0.0.90/24",
    Origin: "0",
    Gateway: "10.0.0.6",
    DNS: "10.0.0.6, 0.0.0.0",
    DHCP: "0.0.0.0",
    VLAN: "0000",
    MAC: "52:54:00:33:22:11",
    PCI: "00:03.0",
    Hostname: "host_10_0_0_90.home",
  });
  t.like(log.targets[0]!.fields, {
    IP: "10.0.0.6",
    Port: "3260",
    LUN: "0000-0000-0000-0000",
    "CHAP type": "0 (None)",
    NIC: "0",
    Name: "iqn.2006-05.home.dolphin:winxp",
    "CHAP name": "",
    "Reverse CHAP secret": "",
  });
  t.is(log.facts.filter((fact) => fact.kind === "requested").length, 2);
  t.like(
    log.facts.find((fact) => fact.kind === "nic-pdo"),
    { values: { index: "0", pdo: "8124DCF8" } },
  );
  t.deepEqual(log.bootStatus, { status: 0, details: [0, 0, 0, 0] });
});

test("sanbootconf 1.2.0 in a captured boot: table, failed card, 120 attempts", (t) => {
  const log = readBootLog(printed("ipxe-iscsi-sanbootconf-7b.raw"));
  t.deepEqual(log.table, { physical: 0x9e620, oemId: "FENSYS", oemTableId: "iPXE" });
  t.is(log.nics[0]!.fields["IP"], "10.0.2.15/255.255.255.0");
  t.like(log.targets[0]!.fields, { Port: "3377", LUN: "0001-0000-0000-0000", Name: "iqn.2026-11.test:ros" });
  t.deepEqual(log.nicStatuses, { 0: 0xc000_0034 });
  t.deepEqual(log.diskWait, { attempts: 120, outcome: "given-up" });
  t.is(log.facts.filter((fact) => fact.kind === "disk-wanted").length, 120);
  t.like(
    log.facts.find((fact) => fact.kind === "boot-via"),
    { values: { protocol: "iSCSI", firmware: "iPXE" } },
  );
});

const means = test.macro((t, line: string, kind: string, values: Readonly<Record<string, string>>) => {
  t.like(new BootLogReader().read(line), { kind, values });
});
const lines: readonly (readonly [line: string, kind: string, values: Readonly<Record<string, string>>])[] = [
  ["No iBFT found", "no-table", { signature: "iBFT" }],
  ["ERROR: 52:54:00:12:34:56 not found", "nic-missing", { mac: "52:54:00:12:34:56" }],
  ["Could not configure iBFT NIC 1: c000000f", "nic-not-configured", { index: "1", status: "c000000f" }],
  [
    "Could not fetch disk list: c0000034",
    "failed",
    { what: "Could not fetch disk list", status: "c0000034" },
  ],
  ["Could not map base memory", "failed", { what: "Could not map base memory" }],
  ["Successfully configured iBFT NIC 0", "nic-configured", { index: "0" }],
  ["Amending gateway for iBFT NIC 0 from 10.0.0.1 to 10.0.0.6", "gateway-amended", { to: "10.0.0.6" }],
  ["  System disk is MBR 1234abcd, boot disk is <unknown>", "disk-wanted", { systemMbr: "1234abcd" }],
  ['  MBR 1234abcd: "\\Device\\Harddisk0"', "disk-seen", { mbr: "1234abcd", disk: "\\Device\\Harddisk0" }],
  ['  Disk unavailable (c00000a3): "x"', "disk-seen", { status: "c00000a3" }],
  ["Found SAN system disk; proceeding with boot", "disk-found", {}],
  ["No SAN boot method detected", "no-san-boot", {}],
  ["iBFT requested", "requested", { signature: "iBFT" }],
  ['NIC 52:54:00:12:34:56 is NetCfgInstanceId "{7C0E}"', "nic-instance", { instance: "{7C0E}" }],
  ["ISCSI Boot Status EFFF0009, (1, 2, 3, 4)", "boot-status", { status: "EFFF0009" }],
  ["IscsiBP nic 0 config -> C0000001", "nic-result", { status: "C0000001" }],
];
for (const [line, kind, values] of lines) test(line.trim(), means, line, kind, values);

test("a secret that was printed is not passed on, and other drivers' lines are nobody's", (t) => {
  const reader = new BootLogReader();
  t.is(reader.read("  CHAP secret = before any section"), undefined);
  reader.read("Found iBFT target 0:");
  t.is(reader.read("  CHAP secret = hunter2hunter2")!.values["value"], "<redacted>");
  t.is(reader.read("  CHAP secret = <omitted>")!.values["value"], "<omitted>");
  t.is(reader.read("NIC Boot Configuration Driver finalizing"), undefined);
});

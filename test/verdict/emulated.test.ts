import path from "node:path";
import test from "ava";
import { readTimeline } from "#harness/observe";
import { judge } from "#harness/verdict";
import { Boot } from "./helpers/boot.ts";

const recorded = (name: string) =>
  readTimeline(path.join(import.meta.dirname, "data", `emulated-${name}.jsonl`));

test("a recorded emulated boot: four NICs, mutual CHAP, a second target", async (t) => {
  const verdict = judge(await recorded("login"));
  t.like(verdict, { outcome: "pass", reached: "P17", class: null });
  t.regex(
    verdict.summary,
    /^the guest reached login after [\d.]+ s, its root on iqn\.2026-11\.lab\.sanlab:disk by open-iscsi after a boot by sanlab's emulated firmware$/,
  );
  for (const phase of ["P0", "P1", "P2", "P3", "P4", "P5"] as const) t.is(verdict.timings[phase], 0, phase);
  t.true(verdict.timings.P6! > 0 && verdict.timings.P8! >= verdict.timings.P6!);
});

const wrong: readonly (readonly [name: string, reached: string, expected: object, summary: RegExp])[] = [
  ["wrong-checksum", "P11", { class: "IBFT-CHECKSUM", confidence: "certain" }, /sum up to 0x01.*R04/],
  [
    "below-512-kib",
    "P10",
    { class: "IBFT-LOCATION", confidence: "certain" },
    /lies at 0x50000, but the kernel/,
  ],
  [
    "uefi-low-memory",
    "P10",
    { class: "UEFI-IBFT-LOCATION", confidence: "certain" },
    /lies at 0x9e000, but the kernel/,
  ],
  ["nic-index", "P11", { class: "IBFT-INDEX" }, /nic1\.index: the index is 0, the position 1 \(R35\)/],
  [
    "jumbled",
    "P12",
    { class: "IBFT-JUMBLED" },
    /10\.77\.0\.100 belongs to 52:54:00:5a:4e:01, the structure to 52:54:00:5a:4e:02/,
  ],
  ["not-boot-selected", "P12", { class: "IBFT-FLAGS" }, /initiator\.flags: the flags are 1/],
  ["control-below-18", "P11", { class: "IBFT-CONTROL", confidence: "certain" }, /the length is 17/],
];

for (const [name, reached, expected, summary] of wrong) {
  test(`a recorded boot with a table that is wrong: ${name}`, async (t) => {
    const verdict = judge(await recorded(name));
    t.like(verdict, { outcome: "fail", reached, ...expected });
    t.regex(verdict.summary, summary);
    t.not(verdict.advice, "");
    t.true(verdict.evidence.length > 0);
  });
}

/** An emulated boot up to the kernel's first line. */
function emulated(more: object = {}): Boot {
  const boot = new Boot();
  const [plan] = boot.observations;
  boot.observations[0] = { ...plan!, data: { ...plan!.data, firmware: "emulated", uefi: false, ...more } };
  return boot
    .see("firmware", "login", { isid: "80a1f12df02a" })
    .see("firmware", "disk", { lun: 0 })
    .see("firmware", "boot-sector", { offset: 0, length: 512 })
    .see("firmware", "past-boot-sector", { offset: 512, length: 512 });
}
const kernel = (boot: Boot) =>
  boot
    .ibft()
    .line("boot loader started")
    .line("Linux version 6.1.0")
    .see("firmware", "hand-over", { by: "kernel-started" });
const stray = { command: "read", offset: 4096, length: 512, count: 1 };

test("a command of the guest's own to the firmware's disk fails a boot that reached its goal", (t) => {
  const boot = kernel(emulated()).line("iBFT found at 0x9f800").see("firmware", "stray-command", stray);
  const verdict = judge(boot.line("debian-mini login:").end("reached"));
  t.like(verdict, { outcome: "fail", reached: "P17", class: "FIRMWARE-DISK-USED", confidence: "certain" });
  t.is(
    verdict.summary,
    "reached P17, but after hand-over the guest sent a command to the firmware's disk, a read at 4096 first",
  );
  t.is(verdict.evidence.length, 1);
});

test("a stranger's session on the wire is the system's, whenever it comes", (t) => {
  const verdict = judge(kernel(emulated()).login(1, "stranger", { class: 2, detail: 1 }).end("timeout"));
  t.like(verdict, { class: "CHAP-REJECT", outcome: "fail" });
  t.regex(verdict.summary, /the kernel's login/);
});

test("without markers the fence tells of the hand-over, and all frames are the system's", (t) => {
  const boot = emulated({ markers: {} })
    .frame("frame-first", { protocol: "arp" })
    .see("firmware", "hand-over", { by: "first-frame" });
  const { reached, timings } = judge(boot.end("timeout"));
  t.is(reached, "P12");
  t.is(typeof timings.P10, "number");
});

test("a boot sector and nothing behind it", (t) => {
  const boot = new Boot();
  const [plan] = boot.observations;
  boot.observations[0] = { ...plan!, data: { ...plan!.data, firmware: "emulated" } };
  boot.see("firmware", "login", {}).see("firmware", "disk", {}).see("firmware", "boot-sector", { offset: 0 });
  t.like(judge(boot.end("timeout")), { class: "NO-BOOTFILE", reached: "P6" });
});

test("the firmware's session breaks under the boot loader", (t) => {
  const boot = emulated().line("boot loader started").see("firmware", "connection-lost", {});
  t.like(judge(boot.end("timeout")), { class: "SAN-DROP" });
});

const table = (address: number, target: string, lint: readonly object[] = []) =>
  ["memory", "ibft", { address, by: "bios", valid: true, table: { target }, findings: [], lint }] as const;
const found = (boot: Boot) =>
  boot.line("boot loader started").line("Linux version 6").line("iBFT found at 0x9f400");

test("two tables that say different things", (t) => {
  const boot = emulated()
    .see(...table(0x9f400, "one"))
    .see(...table(0x9f800, "other"));
  const verdict = judge(found(boot).end("stopped"));
  t.like(verdict, { class: "IBFT-MULTIPLE", outcome: "fail" });
  t.regex(verdict.summary, /2 iBFTs \(0x9f400, 0x9f800\)/);
});

test("two tables that say the same are no reason", (t) => {
  const boot = emulated()
    .see(...table(0x9f400, "one"))
    .see(...table(0x9f800, "one"));
  t.is(judge(found(boot).end("stopped")).class, "NIC-DRIVER-ABSENT");
});

test("warnings of the lint, and findings about a table that no system comes across, are no reason", (t) => {
  const finding = { rule: "R35", severity: "warning", field: "nic0.index", message: "…", advice: "…" };
  const warned = emulated().see(...table(0x9f400, "one", [finding]));
  t.is(judge(found(warned).end("stopped")).class, "NIC-DRIVER-ABSENT");
  const [source, kind, data] = table(0x5_0000, "one", [{ ...finding, severity: "fatal" }]);
  const low = emulated().see(source, kind, { ...data, by: "memory" });
  t.is(judge(found(low).end("stopped")).class, "NIC-DRIVER-ABSENT");
});

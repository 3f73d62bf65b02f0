import test from "ava";
import { judge, type Verdict } from "#harness/verdict";
import { DebuggedBoot, type Ports } from "./helpers/debugged.ts";

interface Expected {
  readonly outcome?: string;
  readonly reached: string | null;
  readonly class?: string | null;
  readonly confidence?: Verdict["confidence"];
  readonly summary?: RegExp;
  readonly evidence?: RegExp;
}

const boot = (ports?: Ports) => new DebuggedBoot(ports);

const concluded = test.macro((t, make: () => DebuggedBoot, reason: string, expected: Expected) => {
  const verdict = judge(make().end(reason));
  const { outcome = "fail", reached, class: name = null, confidence, summary, evidence } = expected;
  t.deepEqual([verdict.outcome, verdict.reached, verdict.class], [outcome, reached, name], verdict.summary);
  if (confidence !== undefined) t.is(verdict.confidence, confidence);
  t.regex(verdict.summary, summary ?? /./);
  t.regex(verdict.evidence.map(({ text }) => text).join("\n"), evidence ?? /^/);
});

test(
  "a real kernel's boot to its first picture",
  concluded,
  () => boot().recorded("live-to-gui.raw"),
  "reached",
  {
    outcome: "pass",
    reached: "P17",
    summary: /^the guest reached login after/,
    evidence: /loaded .*win32k\.sys/i,
  },
);
test("a real kernel's 0x7B, with nothing else known", concluded, () => boot().recorded("7b.raw"), "stopped", {
  reached: "P10",
  class: "BUGCHECK-7B-NODEV",
  summary: /bugcheck 0x7B INACCESSIBLE_BOOT_DEVICE \(STATUS_OBJECT_NAME_NOT_FOUND\)/,
  evidence: /0xf870aa04, 0xc0000034/,
});
test("the same, continued once", concluded, () => boot().recorded("7b-continued.raw"), "stopped", {
  reached: "P10",
  class: "BUGCHECK-7B-NODEV",
});
test(
  "a kernel booted by iPXE whose sanbootconf finds no driver for the card: its words say why there was no disk",
  concluded,
  () => boot().recorded("ipxe-iscsi-sanbootconf-7b.raw"),
  "stopped",
  {
    reached: "P11",
    class: "NIC-DRIVER-ABSENT",
    confidence: "likely",
    summary: /found no network card at all where it looked for the iBFT's NIC; so it ended in bugcheck 0x7B/,
    evidence: /Could not fetch NIC list[^]*bugcheck 0x0000007b/,
  },
);
test("a session that cannot start", concluded, () => boot().recorded("c0000135.raw"), "stopped", {
  reached: "P10",
  class: "BUGCHECK-7A",
  summary: /bugcheck 0xC0000135 STATUS_DLL_NOT_FOUND/,
});
test(
  "a disk that vanishes: no bugcheck at all, only silence",
  concluded,
  () =>
    boot({ login: { signals: [["processes"]] } })
      .recorded("cd-vanishes-at-8s.raw")
      .kd("lost", {
        reason: "silent",
        message: "the kernel has said nothing for 60 s and does not stop when asked to",
      }),
  "stopped",
  {
    reached: "P16",
    class: "HANG",
    confidence: "likely",
    summary: /went silent after ".*"; the kernel has said nothing/,
  },
);
test(
  "a kernel that nobody answers gives its debugger up",
  concluded,
  () => boot().recorded("nobody-answers.raw"),
  "stopped",
  { reached: "P10", class: "HANG" },
);
test(
  "a debugger that comes late still hears the session",
  concluded,
  () => boot().recorded("late-breakin.raw"),
  "timeout",
  { reached: "P10", class: "HANG" },
);
test(
  "debugger and emergency console on one port",
  concluded,
  () => boot().recorded("kd-and-ems-same-port.raw"),
  "reached",
  { outcome: "pass", reached: "P17" },
);

test(
  "an emergency console alone shows that a kernel runs",
  concluded,
  () => boot({ serials: ["console", "ems"], login: { signals: [["ems"]] } }).console("ems-com2.raw"),
  "timeout",
  { reached: "P10", class: "HANG" },
);
test(
  "Windows Server's emergency console takes commands",
  concluded,
  () =>
    boot({ serials: ["console", "ems"], login: { signals: [["ems"]] } })
      .console("ems-com2.raw")
      .ems("EVENT: The CMD command is now available."),
  "reached",
  { outcome: "pass", reached: "P17" },
);
test(
  "a stop error on the emergency console",
  concluded,
  () =>
    boot({ serials: ["ems"], login: { signals: [["ems"]] } })
      .firmware()
      .ems("Computer is booting, SAC started and initialized.   ")
      .ems(
        "*** STOP: 0x0000007B (0xFFFFF8000A0A2B30,0xFFFFFFFFC0000034,0x0000000000000000,0x0000000000000000)",
      ),
  "stopped",
  { reached: "P10", class: "OS-NO-BOOT-PARAMS", summary: /so it ended in bugcheck 0x7B/ },
);

test(
  "both transcripts of sanboot's documentation: Microsoft's initiator",
  concluded,
  () => boot().printed("seed-initiator.txt"),
  "timeout",
  { reached: "P15", class: "HANG" },
);
test(
  "both transcripts of sanboot's documentation: sanbootconf",
  concluded,
  () => boot().printed("seed-sanbootconf.txt").module("drivers\\win32k.sys"),
  "reached",
  { outcome: "pass", reached: "P17" },
);

test("no word from a kernel at all", concluded, () => boot().firmware(), "timeout", {
  reached: "P8",
  class: "KD-SILENT",
  confidence: "likely",
  summary: /nothing came over the debugger's port/,
});
test(
  "text that only looks like packets",
  concluded,
  () =>
    boot()
      .firmware()
      .kd("text", { text: "0000000000000000 iiii c0000034\n" })
      .kd("summary", { packets: 0, prints: 0, modules: 0, stops: 0, repeats: 0, damaged: 0 }),
  "timeout",
  { reached: "P8", class: "KD-SILENT", summary: /only text came, not one packet/, evidence: /0000 iiii/ },
);
test(
  "a system that logs in without its debugger",
  concluded,
  () => boot().firmware().login(2, "linux"),
  "timeout",
  { reached: "P14", class: "KD-SILENT", confidence: "certain", summary: /the system runs/ },
);
test(
  "pictures on the way are no text",
  concluded,
  () => boot().discover().see("screen", "picture", { width: 640, height: 480, colour: "#000000", share: 1 }),
  "timeout",
  { reached: "P0", class: "DHCP-NO-ANSWER" },
);
test(
  "a picture and no frame",
  concluded,
  () => boot().see("screen", "picture", { width: 640, height: 480, colour: "#000000", share: 1 }),
  "timeout",
  { reached: null, class: "LINK-DOWN" },
);
test(
  "a firmware that never got there is not the debugger's business",
  concluded,
  () => boot().discover(),
  "timeout",
  {
    reached: "P0",
    class: "DHCP-NO-ANSWER",
  },
);

const running = () =>
  boot({ login: { signals: [["processes"]] } })
    .firmware()
    .kd("session", { number: 1 })
    .see("memory", "ibft", { address: 0x9_e620, by: "bios", valid: true, table: {}, findings: [] });

test("a kernel whose card never sends", concluded, running, "timeout", {
  reached: "P10",
  class: "NIC-DRIVER-ABSENT",
  confidence: "likely",
});
test(
  "a kernel whose login is refused, and its 0x7B",
  concluded,
  () =>
    running()
      .login(2, "linux", { class: 2, detail: 1 })
      .kd("bugcheck", {
        code: "0x0000007b",
        parameters: ["0x1", "0xc0000034", "0x0", "0x0"],
        source: "print",
      }),
  "stopped",
  { reached: "P13", class: "CHAP-REJECT", summary: /so it ended in bugcheck 0x7B/ },
);
test(
  "a volume that cannot be mounted",
  concluded,
  () =>
    running()
      .login(2, "linux")
      .read(2, 0)
      .module("ntfs.sys")
      .kd("bugcheck", {
        code: "0x0000007b",
        parameters: ["0x1", "0xc000014f", "0x0", "0x0"],
        source: "print",
      }),
  "stopped",
  { reached: "P14", class: "BUGCHECK-7B-FS" },
);
test(
  "a disk that is lost after the login is a crash, and the login stands only where it came before",
  concluded,
  () =>
    running()
      .login(2, "linux")
      .kd("bugcheck", { code: "0x0000007a", parameters: [], source: "print" })
      .kd("processes", { names: ["System", "winlogon.exe"] }),
  "stopped",
  { reached: "P14", class: "BUGCHECK-7A" },
);
test(
  "the same list before the crash",
  concluded,
  () =>
    running()
      .login(2, "linux")
      .kd("processes", { names: ["System", "WinLogon.EXE"] }),
  "reached",
  { outcome: "pass", reached: "P17", evidence: /processes System, WinLogon\.EXE/ },
);
test(
  "a guest that restarts by itself",
  concluded,
  () => running().login(2, "linux").kd("shutdown"),
  "machine-exit",
  { reached: "P14", class: null, summary: /restarted or went off by itself/ },
);
test(
  "a disk of another signature than the one that was booted",
  concluded,
  () =>
    boot().prints(
      [
        "SAN Boot Configuration Driver initialising",
        'Found ACPI table "iBFT" at 9cfb0 OEM ID "FENSYS" OEM table ID "iPXE"',
        "Successfully configured iBFT NIC 0",
        "Attempting SAN boot; will wait for system disk",
        "Waiting for SAN system disk (attempt 1)",
        "  System disk is MBR 1b2c3d4e, boot disk is MBR 1b2c3d4e",
        '  MBR 0badcafe: "\\??\\SCSI#Disk"',
        "Giving up waiting for SAN system disk\n",
      ].join("\n"),
    ),
  "timeout",
  {
    reached: "P12",
    class: "HANDOVER-NO-DISK",
    confidence: "certain",
    summary: /looks for disk MBR 1b2c3d4e and has MBR 0badcafe, after 1 attempts/,
  },
);
test(
  "a status of Microsoft's initiator",
  concluded,
  () => boot().prints("ISCSI Boot Status EFFF0009, (0, 0, 0, 0)\n"),
  "timeout",
  { reached: "P10", class: "CHAP-REJECT", summary: /0xefff0009: authentication failed/ },
);
test(
  "a driver that finds no table where one lies",
  concluded,
  () =>
    running().prints(
      "SAN Boot Configuration Driver initialising\nNo iBFT found\nNo aBFT found\nNo sBFT found\nNo SAN boot method detected\n",
    ),
  "timeout",
  { reached: "P10", class: "IBFT-LOCATION", confidence: "certain" },
);
test(
  "cards that are not the table's",
  concluded,
  () =>
    boot().prints(
      'Found ACPI table "iBFT" at 9cfb0 OEM ID "FENSYS" OEM table ID "iPXE"\n' +
        'Found NIC with MAC address 52:54:00:00:00:02 at "\\??\\PCI#VEN_8086"\n' +
        "ERROR: 52:54:00:00:00:01 not found\nCould not configure iBFT NIC 0: c000000f\n",
    ),
  "timeout",
  { reached: "P11", class: "NIC-NOT-VISIBLE", evidence: /52:54:00:00:00:01[^]*52:54:00:00:00:02/ },
);

const signals = (...list: readonly (readonly string[])[]) =>
  boot({ login: { signals: list } }).kd("session", { number: 1 });
const still = (data: object) => ({
  width: 1024,
  height: 768,
  colour: "#336699",
  share: 0.4,
  seconds: 15,
  ...data,
});

test(
  "a combination counts from its last sign",
  concluded,
  () =>
    signals(["modules", "settled", "screen"])
      .see("screen", "stable", still({}))
      .see("probe", "settled", {})
      .module("win32k.sys"),
  "reached",
  { outcome: "pass", reached: "P17", evidence: /^stable [^]*settled[^]*win32k/ },
);
test(
  "a picture that changed before the other signs were there does not count",
  concluded,
  () =>
    signals(["modules", "screen"])
      .see("screen", "stable", still({}))
      .see("screen", "picture", still({}))
      .module("win32k.sys"),
  "timeout",
  { reached: "P16", class: "HANG" },
);
test(
  "an incomplete combination is no login",
  concluded,
  () => signals(["modules", "settled", "screen"]).see("screen", "stable", still({})).module("win32k.sys"),
  "timeout",
  { reached: "P16", class: "HANG" },
);
for (const [what, data] of [
  ["one colour", { share: 1 }],
  ["a blue screen", { colour: "#0078d7", share: 0.8 }],
] as const)
  test(
    `a picture of ${what} is no login`,
    concluded,
    () => signals(["screen"]).see("screen", "stable", still(data)),
    "timeout",
    { reached: "P10", class: "HANG" },
  );
test(
  "a picture that stood before the system began is the firmware's",
  concluded,
  () =>
    boot({ login: { signals: [["screen"]] } })
      .see("screen", "stable", still({}))
      .kd("session", { number: 1 }),
  "timeout",
  { reached: "P10", class: "HANG" },
);
test(
  "an answered port",
  concluded,
  () => signals(["tcp"]).see("probe", "tcp", { port: 3389, protocol: "rdp" }),
  "reached",
  { outcome: "pass", reached: "P17" },
);
test(
  "a boot loader that is debugged itself is not yet a kernel",
  concluded,
  () => boot().firmware().kd("session", { number: 1 }).kd("version", { build: 19041, system: "boot" }),
  "timeout",
  { reached: "P9", class: "HANG" },
);

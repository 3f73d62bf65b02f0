import { once } from "node:events";
import type { Duplex } from "node:stream";
import test from "ava";
import { KdHost, KdTranscript, readBootLog, type KdEvent } from "#kd";
import { driverLines, publishedLines } from "./stand-in-lines.ts";
import { publishedTable, publishedValues, startStandIn, whileStopped } from "./stand-in.ts";

interface Heard {
  readonly events: readonly KdEvent[];
  readonly transcript: readonly string[];
  readonly host: KdHost;
}

/** Listens to the line until `enough`, or until the host has nothing more to learn. */
async function listen(
  line: Duplex,
  enough: (event: KdEvent) => boolean,
  options: { readonly quietMs?: number; readonly use?: (host: KdHost) => Promise<void> } = {},
): Promise<Heard> {
  await once(line, "readable");
  const events: KdEvent[] = [];
  const lines: string[] = [];
  const transcript = new KdTranscript((text) => lines.push(text));
  const { promise, resolve } = Promise.withResolvers<void>();
  await using host = new KdHost(line, {
    onEvent: (event) => {
      events.push(event);
      transcript.add(event);
      if (enough(event)) resolve();
    },
    ...(options.quietMs !== undefined && { quietMs: options.quietMs }),
  });
  await Promise.race([promise, host.finished]);
  await options.use?.(host);
  return { events, transcript: lines, host };
}

const loads = (name: string) => (event: KdEvent) => event.kind === "module" && event.path.endsWith(name);
const modulesOf = (events: readonly KdEvent[]) =>
  events.flatMap((event) => (event.kind === "module" ? [event.path.replace(/.*\\/, "")] : []));

const bootImages = [
  "ntoskrnl.exe",
  "hal.dll",
  "KDCOM.DLL",
  "BOOTVID.dll",
  "ACPI.sys",
  "pci.sys",
  "isapnp.sys",
  "MountMgr.sys",
  "ftdisk.sys",
  "PartMgr.sys",
  "NDIS.sys",
];
const sanImages = ["sanbootconf.sys", "tcpip.sys", "iScsiPrt.sys", "disk.sys", "CLASSPNP.SYS"];
const sessionImages = ["win32k.sys", "dxg.sys", "framebuf.dll"];

test.serial(
  "the stand-in tells this machine's table in the words of the published transcript, and comes to the logon",
  async (t) => {
    await using standIn = await startStandIn({ end: "login" }, { table: publishedTable });
    const { events, transcript, host } = await listen(standIn.line, loads("framebuf.dll"), {
      use: (kd) => whileStopped(kd, () => kd.tellLists()),
    });
    const [first = "", ...said] = driverLines(transcript);
    t.regex(first, /^sanlab kd-probe: a stand-in for a Windows kernel;/);
    t.deepEqual(said, publishedLines(publishedValues));
    const names = [...bootImages, "RTL8139.sys", ...sanImages, ...sessionImages];
    t.deepEqual(modulesOf(events), names);
    const own = events.findLast((event) => event.kind === "kernel");
    t.deepEqual(
      own?.modules.map(({ name }) => name),
      names,
    );
    t.deepEqual(own?.processes, [
      "System",
      "smss.exe",
      "csrss.exe",
      "winlogon.exe",
      "services.exe",
      "lsass.exe",
      "logonui.exe",
    ]);
    t.like(host.version, { build: 3790, machine: 0x14c, pointers: 4, kernelBase: 0xffff_ffff_8041_0000n });
    t.is(host.summary.damaged, 0);
    t.deepEqual(
      events.filter((event) => ["misfit", "unknown", "lost", "text"].includes(event.kind)),
      [],
    );
  },
);

test.serial("in the words of sanbootconf 1.2.0 it waits for the disk that it was booted from", async (t) => {
  await using standIn = await startStandIn({ end: "login", wording: "1.2" }, { table: publishedTable });
  const { transcript } = await listen(standIn.line, loads("framebuf.dll"));
  const log = readBootLog(transcript.join("\n"));
  t.like(log, {
    table: { physical: 0x9_f800, oemId: "FENSYS", oemTableId: "gPXE" },
    diskWait: { attempts: 1, outcome: "found" },
    nicStatuses: { 0: 0 },
  });
  t.is(log.nics[0]?.fields["IP"], "10.0.0.90/255.255.255.0");
  const kinds = new Set(log.facts.map(({ kind }) => kind));
  for (const kind of [
    "warning",
    "boot-via",
    "nic-summary",
    "targets-attached",
    "gateway-amended",
    "san-boot",
  ])
    t.true(kinds.has(kind), kind);
  t.true(transcript.includes("  System disk is MBR 424c4e53, boot disk is MBR 424c4e53"));
});

const ends = test.macro(
  async (
    t,
    about: Parameters<typeof startStandIn>[1] & { readonly end: "login" | "bugcheck"; readonly says: RegExp },
  ) => {
    await using standIn = await startStandIn({ end: about.end }, about);
    const { events, transcript } = await listen(standIn.line, () => false);
    t.regex(transcript.join("\n"), about.says);
    const bugchecks = events.flatMap((event) => (event.kind === "bugcheck" ? [event] : []));
    t.is(bugchecks.length, 1, "what memory says is the same");
    t.like(bugchecks[0], {
      code: "0x0000007b",
      name: "INACCESSIBLE_BOOT_DEVICE",
      status: "STATUS_OBJECT_NAME_NOT_FOUND",
      source: "print",
    });
    t.deepEqual(
      events.flatMap((event) => (event.kind === "stop" ? [event.reason] : [])),
      ["bugcheck", "bugcheck-again"],
    );
    t.false(modulesOf(events).includes("win32k.sys"));
    const screen = await standIn.machine.screenText();
    t.regex(screen!.join("\n"), /stand-in[^]*STOP: 0x0000007B \(0x80[0-9A-F]{6},0xC0000034,0x0{8},0x0{8}\)/);
  },
);
test.serial("set to fail, it stops with bugcheck 0x7B, twice, and shows a blue screen in between", ends, {
  end: "bugcheck",
  table: publishedTable,
  says: /Delay 10 seconds for Disk to arrive\.+\n\n\*\*\* Fatal System Error/,
});
test.serial("without a table it does not reach the logon", ends, { end: "login", says: /^No iBFT found$/m });
test.serial("nor without the card that the table means", ends, {
  end: "login",
  table: publishedTable,
  nic: false,
  says: /^Could not configure iBFT NIC 0: c000000f$/m,
});
test.serial("nor without a target to boot from", ends, {
  end: "login",
  table: {
    ...publishedTable,
    targets: [{ ip: "10.0.0.6", name: "iqn.2006-05.home.dolphin:winxp", flags: 0 }],
    quirks: {},
  },
  says: /^Found iBFT target 0:\n {2}Flags = 0\niSCSI Boot Parameter Driver initialisation complete$/m,
});

for (const [end, message] of [
  ["stall", /runs, but has said nothing/],
  ["dead", /does not stop when asked to/],
] as const)
  test.serial(
    `a kernel that ${end === "stall" ? "waits for ever" : "has died"} is told from one that works`,
    async (t) => {
      await using standIn = await startStandIn({ end }, { table: publishedTable });
      const { events, host } = await listen(standIn.line, () => false, { quietMs: 2500 });
      t.like(events.at(-1), { kind: "lost", reason: "silent" });
      t.regex((events.at(-1) as { message: string }).message, message);
      t.is(host.summary.stops, end === "stall" ? 1 : 0);
    },
  );

import { readFile } from "node:fs/promises";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { driverLines, publishedLines } from "../kd/stand-in-lines.ts";
import { Boot, evidenceFolder, type Document } from "./helpers/boot.ts";

let folder: string;
test.before(async () => {
  folder = await evidenceFolder("kd-probe");
});

interface Seen {
  readonly document: Document & { readonly ibft: { readonly address: number } };
  readonly status: number | null;
  /** The run's folder. */
  readonly run: string;
  readonly transcript: readonly string[];
  /** The kinds of what the debugger saw. */
  readonly kinds: ReadonlySet<string>;
}

interface Observation {
  readonly source: string;
  readonly kind: string;
}

async function boot(t: ExecutionContext, ...args: readonly string[]): Promise<Seen> {
  t.timeout(300_000);
  const run = path.join(folder, t.title.replaceAll(/\W+/g, "-"));
  const process = new Boot([...args, "--json", "--out", run]);
  const { status } = await process.end();
  const [, ...events] = (await readFile(path.join(run, "events.jsonl"), "utf8")).trimEnd().split("\n");
  const seen = events.map((line) => JSON.parse(line) as Observation);
  t.false(
    seen.some(({ source }) => source === "serial"),
    "the debugger is the only one who hears the guest",
  );
  const document = process.document();
  t.log(document.summary);
  return {
    document: document as Seen["document"],
    status,
    run,
    transcript: (await readFile(path.join(run, "kd.txt"), "utf8")).split("\n").filter((line) => line !== ""),
    kinds: new Set(seen.filter(({ source }) => source === "kd").map(({ kind }) => kind)),
  };
}

const login = test.macro(
  async (t, args: readonly string[], own: { readonly oemId: string; readonly oemTableId: string }) => {
    const { document, status, transcript } = await boot(t, "kd-probe", "--nic", "rtl8139", ...args);
    t.is(status, 0, document.summary);
    t.like(document, { outcome: "pass", reached: "P17" });
    for (const phase of ["P10", "P11", "P15", "P16", "P17"]) t.true(phase in document.timings, phase);
    const [first = "", ...said] = driverLines(
      transcript.slice(transcript.findIndex((line) => line.startsWith("sanlab"))),
    );
    t.regex(first, /^sanlab kd-probe: a stand-in/);
    t.deepEqual(
      said,
      publishedLines({
        ...own,
        at: document.ibft.address.toString(16),
        initiator: "iqn.2026-11.lab.sanlab:guest",
        ip: "10.77.0.100",
        origin: 3,
        gateway: "0.0.0.0",
        dns: "0.0.0.0",
        dhcp: "10.77.0.1",
        mac: "52:54:00:5a:4e:01",
        pci: "00:02.0",
        hostname: "",
        card: "VEN_10EC&DEV_8139&SUBSYS_11001AF4&REV_20#3&13c0b0c5&0&10",
        targetIp: "10.77.0.1",
        target: "iqn.2026-11.lab.sanlab:disk",
      }),
    );
  },
);
test.serial("booted by iPXE, the stand-in's debugger alone says that it came to the logon", login, [], {
  oemId: "FENSYS",
  oemTableId: "iPXE",
});
test.serial("so it does when sanlab's own initiator brings the disk", login, ["--firmware", "emulated"], {
  oemId: "SANLAB",
  oemTableId: "sanlab",
});

test.serial("a bugcheck 0x7B is the verdict's evidence", async (t) => {
  const { document, status, transcript, kinds } = await boot(t, "kd-probe-0x7b");
  t.is(status, 1);
  t.like(document, { outcome: "fail", reached: "P13" });
  t.regex(document.summary, /bugcheck 0x7B INACCESSIBLE_BOOT_DEVICE \(STATUS_OBJECT_NAME_NOT_FOUND\)/);
  t.true(kinds.has("bugcheck") && kinds.has("stop"));
  t.regex(transcript.join("\n"), /^BugCheck 7B, \{80[0-9a-f]{6}, c0000034, 0, 0\}$/m);
});

test.serial("a guest that goes silent does not keep its boot waiting", async (t) => {
  const { document, status, kinds } = await boot(
    t,
    "kd-probe-silent",
    "--firmware",
    "emulated",
    "--timeout",
    "60",
  );
  t.is(status, 1);
  t.like(document, { outcome: "fail", reached: "P13" });
  t.true(kinds.has("lost"));
});

import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { readTimeline } from "#harness/observe";
import { execute } from "../cli/sanlab.ts";
import { Boot, evidenceFolder, type Document } from "./helpers/boot.ts";
import { tshark } from "./helpers/tshark.ts";

let folder: string;
test.before(async () => {
  folder = await evidenceFolder("login");
});

const evidence = [
  "events.jsonl",
  "ibft.bin",
  "net.pcap",
  "plan.json",
  "qemu.log",
  "screen.png",
  "serial.log",
  "verdict.json",
];

async function boots(
  t: ExecutionContext,
  ...args: readonly string[]
): Promise<{ document: Document; run: string }> {
  t.timeout(300_000);
  const run = path.join(folder, t.title.replaceAll(/\W+/g, "-"));
  const boot = new Boot([...args, "--json", "--out", run]);
  const { status } = await boot.end();
  t.is(status, 0, `${boot.stdout}\n${boot.stderr}`);
  const document = boot.document();
  t.is(document.outcome, "pass");
  t.is(document.reached, "P17");
  t.log(document.summary);
  await lintsClean(t, run);
  return { document, run };
}

/** What iPXE wrote, in this machine and on this network, breaks no rule. */
async function lintsClean(t: ExecutionContext, run: string): Promise<void> {
  const tables = (await readTimeline(path.join(run, "events.jsonl"))).filter(
    ({ source, kind, data }) => source === "memory" && kind === "ibft" && data["by"] !== "memory",
  );
  t.true(tables.length > 0);
  for (const { data } of tables) t.deepEqual(data["lint"], []);
}

/** Linux' own words, on the guest's serial port. */
async function serial(run: string): Promise<string> {
  return await readFile(path.join(run, "serial.log"), "utf8");
}

/** The run folder holds the evidence, for its owner only where secrets may be; tshark and `report` read it again. */
async function holdsEvidence(t: ExecutionContext, document: Document, run: string): Promise<void> {
  const names = await readdir(run);
  t.deepEqual(names.sort(), evidence);
  for (const name of ["plan.json", "net.pcap", "ibft.bin"]) {
    t.is((await stat(path.join(run, name))).mode & 0o777, 0o600, name);
  }
  for (const name of ["plan.json", "verdict.json"]) {
    t.like(JSON.parse(await readFile(path.join(run, name), "utf8")), { formatVersion: 1 });
  }
  const [header = ""] = (await readFile(path.join(run, "events.jsonl"), "utf8")).split("\n", 1);
  t.like(JSON.parse(header), { formatVersion: 1 });
  t.deepEqual((await readFile(path.join(run, "screen.png"))).subarray(1, 4), Buffer.from("PNG"));
  t.true(document.evidence.length > 0);

  const logins = await tshark(run, "-Y", "iscsi.opcode == 0x03");
  t.true(logins.stdout.trim().split("\n").length >= 4, "firmware and kernel logged in");
  // A card that is overrun loses a frame now and then, and TCP sends it again.
  const wrong = await tshark(
    run,
    "-o",
    "tcp.reassemble_out_of_order:TRUE",
    "-Y",
    "_ws.malformed || (iscsi && _ws.expert.severity >= 0x600000 && !tcp.analysis.flags)",
  );
  t.is(wrong.status, 0, wrong.stderr);
  // Linux asks for the first four bytes of a page to learn its length; tshark takes the rest for missing.
  t.deepEqual(
    wrong.stdout.split("\n").filter((line) => line !== "" && !line.includes("Inquiry Response Data")),
    [],
  );

  const again = await execute("bin/sanlab", ["report", run, "--json"]);
  t.is(again.status, 0);
  t.deepEqual({ ...JSON.parse(again.stdout), run: "" }, { ...document, run: "" });
}

for (const nic of ["e1000", "rtl8139", "virtio"]) {
  test.serial(`${nic}, BIOS, own target`, async (t) => {
    const { document, run } = await boots(t, "--nic", nic);
    t.deepEqual(Object.keys(document.timings), [
      "P0",
      "P1",
      "P2",
      "P3",
      "P4",
      "P5",
      "P6",
      "P7",
      "P8",
      "P9",
      "P10",
      "P11",
      "P12",
      "P13",
      "P14",
      "P15",
      "P16",
      "P17",
    ]);
    const text = await serial(run);
    t.regex(text, /iBFT found at 0x/);
    t.regex(text, /login:/);
    await holdsEvidence(t, document, run);
  });
  test.serial(`${nic}, UEFI, own target`, async (t) => {
    const { document, run } = await boots(t, "--nic", nic, "--uefi");
    t.like(document.ibft, { by: "acpi" });
    t.regex(await serial(run), /ACPI: iBFT 0x[0-9A-F]+ [0-9A-F]+ .*FENSYS iPXE/);
  });
}

test.serial("e1000, BIOS, tgtd", async (t) => {
  const { run } = await boots(t, "--nic", "e1000", "--target", "tgt");
  t.regex(await serial(run), /IET|tgt|VIRTUAL-DISK/);
});

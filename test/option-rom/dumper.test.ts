import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { readIbft, writeIbft, type IbftSpec } from "#ibft";
import { buildDumper, buildOptionRom } from "#option-rom";
import { Qmp } from "#harness/qemu-launcher";
import { canonicalLine, modelLines } from "../ibft/lines.ts";

const folder = mkdtempSync(path.join(tmpdir(), "sanlab-dumper-"));
test.after.always(() => rmSync(folder, { recursive: true }));
// One for all machines: they boot side by side.
const image = path.join(folder, "dumper.img");
writeFileSync(image, buildDumper());

const floppy = `if=floppy,format=raw,readonly=on,file=${image}`;

const RICH: IbftSpec = {
  extensions: [{ data: "c0ffee0123456789", flags: 1 }],
  oemTableId: "rich",
  initiator: { name: "iqn.2026-11.lab.san:vm0", isns: "10.77.0.9", radius1: "fd77::1" },
  nics: [
    {
      ip: "10.77.0.50",
      prefix: 24,
      origin: 3,
      gateway: "10.77.0.254",
      dns1: "10.77.0.2",
      dns2: "fd77:0:0:8000::5",
      dhcp: "10.77.0.1",
      vlan: 4094,
      mac: "52:54:00:ab:cd:ef",
      pci: "a0:1f.7",
      hostname: "vm0.lab",
    },
    { mac: "52:54:00:77:00:51", pci: "a1:00.0" },
    { mac: "52:54:00:77:00:52", pci: "a1:00.1", ip: "fd77::52", prefix: 64 },
  ],
  targets: [
    {
      ip: "10.77.0.1",
      port: 13260,
      lun: 300,
      name: "iqn.2026-11.lab.san:disk0",
      chapType: 2,
      chapName: "vm0",
      chapSecret: "secret of a vm",
      reverseChapName: "target",
      reverseChapSecret: "secret of target",
    },
    { ip: "fd77::a", name: "iqn.2026-11.lab.san:disk1", nic: 2 },
  ],
};

/** What the dumper prints on the serial port of a machine with these option ROMs. */
async function dump(...roms: readonly Uint8Array[]): Promise<string[]> {
  return await dumpOn(roms.flatMap((rom) => ["-option-rom", fileOf(rom)]));
}

let files = 0;
function fileOf(bytes: Uint8Array): string {
  const file = path.join(folder, `${files++}.bin`);
  writeFileSync(file, bytes);
  return file;
}

/** The same for a machine with these arguments. */
async function dumpOn(
  carriers: readonly string[],
  disk: readonly string[] = ["-drive", floppy, "-boot", "a"],
): Promise<string[]> {
  const args = [
    "-accel",
    "tcg",
    "-m",
    "64",
    "-display",
    "none",
    "-vga",
    "std",
    "-nodefaults",
    "-serial",
    "stdio",
  ];
  const qemu = spawn("qemu-system-x86_64", [...args, ...disk, ...carriers], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    let output = "";
    for await (const chunk of qemu.stdout) {
      output += String(chunk);
      if (/^sanlab iBFT dumper: end\r?$/m.test(output)) break;
    }
    const lines = output.split("\r\n");
    return lines.slice(lines.indexOf("sanlab iBFT dumper") + 1, lines.indexOf("sanlab iBFT dumper: end"));
  } finally {
    qemu.kill("SIGKILL");
  }
}

/** The dumper shows that there is a secret, not which. */
const redacted = (line: string) => line.replace(/(Secret)=(?!-$).*/, "$1=<redacted>");

/** What is shown of one table, in the words of the model. */
const shownFields = (lines: readonly string[]) => lines.slice(3, -1).map(canonicalLine).toSorted();

/** What there is to show: the model's fields, the control structure's words and the extensions. */
function modelFields(bytes: Uint8Array): string[] {
  const { table } = readIbft(bytes);
  const extensions = table.extensions.flatMap((extension, i) =>
    Object.entries(extension)
      .filter(([field]) => field !== "offset")
      .map(([field, value]) => `extension${i}.${field}=${value}`),
  );
  const words = `control.offsets=${table.control.offsets.join(" ")}`;
  return [...modelLines(table).map(redacted), ...extensions, words].toSorted();
}

test("the dumper on a BIOS shows every field of a table as the model has it", async (t) => {
  const table = writeIbft({ ...RICH, quirks: {} });
  const lines = await dump(buildOptionRom(table, { kind: "copy" }));
  t.regex(lines[0]!, /^at=0x000[89][0-9a-f]{4}$/);
  t.deepEqual(lines.slice(1, 3), ["by=scan", "sum=0"]);
  t.is(lines.at(-1), "tables=1");
  t.deepEqual(shownFields(lines), modelFields(table));
});

test("the dumper shows every table there is, wrong sums and strings outside included", async (t) => {
  const wrong = writeIbft({
    ...RICH,
    quirks: { checksum: "wrong", fields: { "initiator.name.length": 9999, "nic0.index": 5 } },
  });
  const lines = await dump(
    buildOptionRom(writeIbft({ ...RICH, quirks: {} }), { kind: "copy" }),
    buildOptionRom(wrong, { kind: "static" }),
  );
  t.is(lines.at(-1), "tables=2");
  t.deepEqual(
    lines.filter((line) => line.startsWith("sum=")),
    ["sum=0", "sum=1"],
  );
  t.true(lines.includes("initiator.name=(outside of the table)"));
  t.true(lines.includes("nic0.index=5"));
});

test("the dumper finds a table that only ACPI lists, and has it whole", async (t) => {
  const table = writeIbft({ ...RICH, quirks: {} });
  const lines = await dumpOn(["-acpitable", `file=${fileOf(table)}`]);
  t.regex(lines[0]!, /^at=0x0[0-9a-f]{7}$/);
  t.true(Number(lines[0]!.slice(3)) > 1 << 20);
  t.deepEqual(lines.slice(1, 3), ["by=acpi", "sum=0"]);
  t.is(lines.at(-1), "tables=1");
  t.deepEqual(shownFields(lines), modelFields(table));
});

test("the dumper boots from a hard disk as well, and shows ACPI's table behind the scan's", async (t) => {
  const [one, other] = ["one", "other"].map((oemTableId) => writeIbft({ ...RICH, oemTableId, quirks: {} }));
  const lines = await dumpOn(
    ["-option-rom", fileOf(buildOptionRom(one!)), "-acpitable", `file=${fileOf(other!)}`],
    ["-drive", `if=ide,format=raw,snapshot=on,file=${image}`],
  );
  t.deepEqual(
    lines.filter((line) => /^(by|oemTableId|tables)=/.test(line)),
    ["by=scan", "oemTableId=one", "by=acpi", "oemTableId=other", "tables=2"],
  );
});

test("a key shows it again, and keys turn the pages", async (t) => {
  const socket = path.join(folder, "keys.qmp");
  const args = "-accel tcg -m 64 -display none -nodefaults -vga std -serial stdio".split(" ");
  const qemu = spawn(
    "qemu-system-x86_64",
    [
      ...args,
      "-qmp",
      `unix:${socket},server=on,wait=off`,
      "-drive",
      floppy,
      "-boot",
      "a",
      "-option-rom",
    ].concat(fileOf(buildOptionRom(writeIbft({ ...RICH, quirks: {} })))),
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  t.teardown(() => qemu.kill("SIGKILL"));
  let output = "";
  let keys = 0;
  for await (const chunk of qemu.stdout) {
    output += String(chunk);
    const ends = output.split("dumper: end").length - 1;
    if (ends === 2) break;
    // The BIOS keeps fifteen keys; five pages and the start take six.
    if (ends === 1 && keys === 0) keys = await press(socket, 10);
  }
  const [first, second] = output.split("sanlab iBFT dumper: end");
  t.is(second?.split("sanlab iBFT dumper\r\n")[1], first?.split("sanlab iBFT dumper\r\n")[1]);
});

async function press(socket: string, times: number): Promise<number> {
  const stream = connect(socket);
  await once(stream, "connect");
  using qmp = await Qmp.connect(stream);
  for (let i = 0; i < times; i++) {
    await qmp.execute("send-key", { keys: [{ type: "qcode", data: "spc" }] });
  }
  return times;
}

test("the dumper says that there is no table", async (t) => {
  t.deepEqual(await dump(), ["tables=0"]);
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { writeIbft } from "#ibft";
import { buildDumper, buildOptionRom } from "#option-rom";
import { findOvmf } from "#harness/qemu-launcher";
import { bin, sanlab } from "./sanlab.ts";

const folder = mkdtempSync(path.join(tmpdir(), "sanlab-live-"));
test.after.always(() => rmSync(folder, { recursive: true }));

const sample = fileURLToPath(new URL("../ibft/data/ipxe-bios-e1000.bin", import.meta.url));
const floppy = path.join(folder, "floppy.img");
writeFileSync(floppy, buildDumper());
const dumper = ["-drive", `if=floppy,format=raw,readonly=on,file=${floppy}`, "-boot", "a"];
const rom = path.join(folder, "table.rom");
const inRom = writeIbft({
  oemTableId: "rom",
  initiator: { name: "iqn.2026-11.lab.san:rom" },
  nics: [{ ip: "10.77.0.50", prefix: 24, mac: "52:54:00:77:00:50", pci: "00:02.0" }],
  targets: [{ ip: "10.77.0.1", name: "iqn.2026-11.lab.san:disk0" }],
});
writeFileSync(rom, buildOptionRom(inRom));

interface Machine {
  readonly args: readonly string[];
  /** What its serial port shows once the firmware has done its part. */
  readonly ready: RegExp;
  readonly before?: readonly string[];
}

/** A machine as somebody else would start it, with a monitor socket; it ends with the test. */
async function machine(t: ExecutionContext, { args, ready, before = [] }: Machine): Promise<string> {
  const socket = path.join(folder, `${t.title.replaceAll(/\W+/g, "-").slice(-40)}.qmp`);
  const own = "-accel tcg -display none -nodefaults -vga std -serial stdio".split(" ");
  const qemu = ["qemu-system-x86_64", ...own, "-qmp", `unix:${socket},server=on,wait=off`, ...args];
  const [program = "", ...rest] = [...before, ...qemu];
  const child = spawn(program, rest, { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(async () => {
    if (child.exitCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "close");
  });
  let shown = "";
  for await (const chunk of child.stdout) {
    shown += String(chunk);
    if (ready.test(shown)) return socket;
  }
  throw new Error(`QEMU ended: ${shown}`);
}

const shownByDumper = /sanlab iBFT dumper: end/;

test("a machine that runs: tables in base memory and in ACPI, kept for their owner", async (t) => {
  t.timeout(120_000);
  const args = ["-m", "3G", ...dumper, "-option-rom", rom, "-acpitable", `file=${sample}`];
  const socket = await machine(t, { args, ready: shownByDumper });
  const out = path.join(folder, "found.ibft");
  const { status, stdout, stderr } = await sanlab(["ibft", "find", "--qmp", socket, "--out", out, "--json"]);
  t.is(status, 0, stderr);
  const { tables } = JSON.parse(stdout);
  t.like(tables[0], { by: "acpi", valid: true, table: { oemTableId: "iPXE" } });
  t.true(tables[0].address > 1 << 20);
  t.like(tables[1], { by: "bios", valid: true, table: { oemTableId: "rom" } });
  t.is(tables.length, 2);
  t.deepEqual(readFileSync(out), readFileSync(sample));
  t.is(statSync(out).mode & 0o777, 0o600);
});

test("a machine that runs under UEFI: the root pointer lies somewhere in RAM", async (t) => {
  t.timeout(180_000);
  const ovmf = await findOvmf();
  const code = `if=pflash,format=raw,unit=0,readonly=on,file=${ovmf.code}`;
  const args = ["-m", "1G", "-drive", code, "-acpitable", `file=${sample}`];
  const socket = await machine(t, { args, ready: /BdsDxe|UEFI Interactive Shell|>>Start PXE/ });
  const { status, stdout, stderr } = await sanlab(["ibft", "find", "--qmp", socket, "--json"]);
  t.is(status, 0, stderr);
  const { tables } = JSON.parse(stdout);
  t.like(tables[0], { by: "acpi", valid: true, table: { oemTableId: "iPXE" } });
  t.is(tables.length, 1);
});

test("a machine whose QEMU cannot write where this process reads", async (t) => {
  t.timeout(180_000);
  const hidden = path.join(folder, "hidden");
  mkdirSync(hidden);
  const before = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', hidden];
  const args = ["-m", "64", ...dumper, "-acpitable", `file=${sample}`];
  const socket = await machine(t, { args, ready: shownByDumper, before });
  const { status, stdout, stderr } = await sanlab(["ibft", "find", "--qmp", socket, "--json"], {
    env: { ...process.env, TMPDIR: hidden },
  });
  t.is(status, 0, stderr);
  t.like(JSON.parse(stdout).tables[0], { by: "acpi", valid: true, table: { oemTableId: "iPXE" } });
  t.deepEqual(readdirSync(hidden), []);
});

test("a machine without a table, and no machine at all", async (t) => {
  t.timeout(120_000);
  const socket = await machine(t, { args: ["-m", "64", ...dumper], ready: shownByDumper });
  const none = await sanlab(["ibft", "find", "--qmp", socket]);
  t.is(none.status, 1);
  t.regex(none.stderr, /no table/);
  const nobody = await sanlab(["ibft", "find", "--qmp", path.join(folder, "nobody.qmp"), "--json"]);
  t.is(nobody.status, 3);
  t.like(JSON.parse(nobody.stdout).error, { code: "QMP_UNREACHABLE" });
  t.regex(JSON.parse(nobody.stdout).error.message, /-qmp unix:/);
});

test("an interrupted search leaves nothing of the machine's memory behind", async (t) => {
  t.timeout(120_000);
  const temporary = path.join(folder, "interrupted");
  mkdirSync(temporary);
  const socket = path.join(folder, "mute.qmp");
  const server = createServer().listen(socket);
  t.teardown(() => server.close());
  await once(server, "listening");
  const child = spawn(bin, ["ibft", "find", "--qmp", socket], {
    stdio: "ignore",
    env: { ...process.env, TMPDIR: temporary },
  });
  const [stream] = (await once(server, "connection")) as [Socket];
  let asked = 0;
  // A monitor that answers each command but the second to save memory, upon which somebody presses Ctrl-C.
  stream.write('{"QMP": {}}\n');
  stream.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.split("\n").filter((one) => one !== "")) {
      const { execute, arguments: wanted, id } = JSON.parse(line);
      if (execute === "pmemsave" && ++asked > 1) {
        child.kill("SIGINT");
        continue;
      }
      if (execute === "pmemsave") writeFileSync(wanted.filename, Buffer.alloc(wanted.size));
      stream.write(`${JSON.stringify({ return: execute === "human-monitor-command" ? "" : {}, id })}\n`);
    }
  });
  const [status] = (await once(child, "close")) as [number | null];
  stream.destroy();
  t.is(status, 130);
  t.is(asked, 2);
  t.deepEqual(readdirSync(temporary), []);
});

test("a folder like /sys/firmware/ibft is a table", async (t) => {
  const sysfs = path.join(folder, "ibft");
  const files = {
    "initiator/flags": "3",
    "initiator/index": "0",
    "initiator/initiator-name": "iqn.2026-11.lab.san:vm0",
    "ethernet0/flags": "3",
    "ethernet0/index": "0",
    "ethernet0/ip-addr": "10.77.0.50",
    "ethernet0/prefix-len": "24",
    "ethernet0/gateway": "10.77.0.254",
    "ethernet0/mac": "52:54:00:77:00:50",
    "target0/flags": "3",
    "target0/index": "0",
    "target0/ip-addr": "10.77.0.1",
    "target0/port": "3260",
    "target0/lun": "01000000",
    "target0/target-name": "iqn.2026-11.lab.san:disk0",
    "target0/chap-type": "1",
    "target0/chap-name": "vm0",
    "target0/chap-secret": "short",
  };
  for (const [name, value] of Object.entries(files)) {
    mkdirSync(path.join(sysfs, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(sysfs, name), `${value}\n`);
  }
  const dumped = await sanlab(["ibft", "dump", sysfs, "--json"]);
  t.is(dumped.status, 0, dumped.stderr);
  t.notRegex(dumped.stdout, /short/);
  t.like(JSON.parse(dumped.stdout).targets[0], { lunNumber: 1, chapSecret: "<redacted>" });
  const { status, stdout } = await sanlab(["ibft", "lint", sysfs, "--profile", "windows"]);
  t.is(status, 1);
  t.regex(stdout, /fatal +R69 .*the secret has 5 bytes; predicted for Windows/);
  const other = await sanlab(["ibft", "dump", folder]);
  t.is(other.status, 2);
  t.regex(other.stderr, /no iBFT: a folder like \/sys\/firmware\/ibft has initiator/);
});

test("lint looks at what became of the table in memory", async (t) => {
  const memory = Buffer.alloc(0xa0000);
  memory.writeUInt16LE(640, 0x413);
  readFileSync(sample).copy(memory, 0x9c000);
  const image = path.join(folder, "memory.bin");
  writeFileSync(image, memory);
  const network = path.join(folder, "network.yaml");
  writeFileSync(network, "firmware: bios\nscript: sanboot iscsi:10.77.0.1::::iqn.2026-11.lab.san:disk0\n");
  const lint = ["ibft", "lint", sample, "--network", network, "--memory", image, "--json"];
  const free = await sanlab(lint);
  t.is(free.status, 1);
  t.like(
    JSON.parse(free.stdout).findings.find(({ rule }: { rule: string }) => rule === "R74"),
    {
      severity: "fatal",
    },
  );
  memory.writeUInt16LE(0x9c000 / 1024, 0x413);
  writeFileSync(image, memory);
  t.is((await sanlab(lint)).status, 0);
});

test("options that exclude each other are told", async (t) => {
  for (const args of [
    ["image.bin", "--qmp", "x"],
    ["--qmp", "x", "--anywhere"],
  ]) {
    const { status, stderr } = await sanlab(["ibft", "find", ...args]);
    t.is(status, 2, stderr);
  }
});

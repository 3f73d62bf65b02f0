import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { readIbft, specFromSysfs, writeIbft, type IbftSpec } from "#ibft";
import { buildOptionRom } from "#option-rom";
import { loadGuest, prepareGuest } from "#vm-images";
import { modelLines } from "../ibft/lines.ts";
import { shownLines, sysfs } from "./helpers/ibft-sysfs.ts";

const folder = mkdtempSync(path.join(tmpdir(), "sanlab-ibft-linux-"));
const [kernel, initrd] = [path.join(folder, "vmlinuz"), path.join(folder, "initrd")];
test.after.always(() => rmSync(folder, { recursive: true }));

test.before(async () => {
  const { image } = await prepareGuest(await loadGuest("debian-mini"));
  // The guest's root file system begins at 5 MiB.
  for (const file of [kernel, initrd]) {
    const command = `dump /boot/${path.basename(file)} ${file}`;
    execFileSync("debugfs", ["-R", command, `${image}?offset=${5 << 20}`], { stdio: "ignore" });
  }
});

const NICS = [
  {
    ip: "10.77.0.50",
    prefix: 20,
    origin: 3,
    gateway: "10.77.0.254",
    dns1: "10.77.0.2",
    dns2: "10.77.0.3",
    dhcp: "10.77.0.1",
    vlan: 77,
    mac: "52:54:00:ab:cd:ef",
    pci: "00:03.0",
    hostname: "vm0.lab",
  },
  { mac: "52:54:00:77:00:51", pci: "00:04.0" },
] as const;
const TARGET = { ip: "10.77.0.1", lun: 17, name: "iqn.2026-11.lab.san:disk0" } as const;
const RICH: IbftSpec = {
  initiator: { name: "iqn.2026-11.lab.san:vm0", isns: "10.77.0.9", radius2: "10.77.0.8" },
  nics: NICS,
  targets: [
    {
      ...TARGET,
      port: 13260,
      chapType: 2,
      chapName: "vm0",
      chapSecret: "secret of a vm",
      reverseChapName: "target",
      reverseChapSecret: "secret of target",
    },
    { ip: "10.77.0.2", name: "iqn.2026-11.lab.san:disk1", nic: 1 },
  ],
};
const IPV6: IbftSpec = {
  initiator: { name: "iqn.2026-11.lab.san:vm0", slp: "fd77::9" },
  nics: [{ ...NICS[1], ip: "fd77::50", prefix: 64, origin: 4, gateway: "fe80::1", dns1: "fd77::53" }],
  targets: [{ ...TARGET, ip: "fd77::1" }],
};
const FOUR: IbftSpec = {
  ...RICH,
  nics: [...NICS, { mac: "52:54:00:77:00:52", pci: "00:05.0" }, { mac: "52:54:00:77:00:53", pci: "00:06.0" }],
};

/** What the guest's kernel shows under /sys/firmware/ibft on a machine with these arguments. */
async function shown(args: readonly string[]): Promise<string[]> {
  const append = "console=ttyS0 debian-mini.show-ibft";
  const machine = [
    "-accel",
    "tcg",
    "-m",
    "256",
    "-display",
    "none",
    "-nodefaults",
    "-serial",
    "stdio",
    "-no-reboot",
  ];
  const qemu = spawn(
    "qemu-system-x86_64",
    [...machine, "-kernel", kernel, "-initrd", initrd, "-append", append, ...args],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  try {
    let output = "";
    for await (const chunk of qemu.stdout) {
      output += String(chunk);
      if (output.includes("ibft: end")) break;
    }
    return shownLines(output);
  } finally {
    qemu.kill("SIGKILL");
  }
}

/** What Linux tells of a table: not where things lie, and this test's guest neither secrets nor PCI devices. */
function told(table: Uint8Array): string[] {
  return modelLines(readIbft(table).table)
    .filter((line) => !/^(length|checksum|revision|control\.|nic\d\.pci)/.test(line))
    .map((line) => line.replace(/(Secret)=(?!-$).*/, "$1=<redacted>"));
}

function fileOf(name: string, bytes: Uint8Array): string {
  const file = path.join(folder, name);
  writeFileSync(file, bytes);
  return file;
}

for (const [title, spec] of [
  ["two NICs, two targets, mutual CHAP, a VLAN", RICH],
  ["IPv6", IPV6],
  ["EDK2's layout", { ...RICH, layout: "edk2" }],
  ["four NICs", FOUR],
] as readonly (readonly [string, IbftSpec])[]) {
  test.serial(`Linux shows what is written, by an option ROM: ${title}`, async (t) => {
    const table = writeIbft(spec);
    const rom = fileOf(`${title}.rom`.replaceAll(/[^\w.]/g, "-"), buildOptionRom(table));
    const lines = await shown(["-option-rom", rom]);
    t.deepEqual(lines, sysfs(readIbft(table).table));
    const files = new Map(lines.map((line) => line.split(/=(.*)/s, 2) as [string, string]));
    const again = writeIbft({ ...specFromSysfs(files), quirks: {} });
    t.deepEqual(told(again), told(table), "read back from what Linux shows");
  });
}

test.serial("Linux shows what is written, by ACPI", async (t) => {
  const table = writeIbft(RICH);
  t.deepEqual(
    await shown(["-acpitable", `file=${fileOf("table.acpi", table)}`]),
    sysfs(readIbft(table).table),
  );
});

for (const [title, quirks] of [
  ["a wrong checksum", { checksum: "wrong" }],
  ["another revision", { fields: { revision: 2 } }],
  ["a control structure below 18 bytes", { fields: { "control.length": 17 } }],
] as const) {
  test.serial(`Linux shows nothing of a table with ${title}, as the lint says`, async (t) => {
    const rom = fileOf(
      `${title}.rom`.replaceAll(/[^\w.]/g, "-"),
      buildOptionRom(writeIbft({ ...RICH, quirks })),
    );
    t.deepEqual(
      (await shown(["-option-rom", rom])).filter((line) => !line.startsWith("acpi_header")),
      [],
    );
  });
}

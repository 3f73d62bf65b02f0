import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Duplex } from "node:stream";
import { writeIbft, type IbftSpec } from "#ibft";
import { buildOptionRom } from "#option-rom";
import { launchMachine, type MachineSpec, type RunningMachine } from "#harness/qemu-launcher";
import { buildKdProbe } from "../../vm-images/kd-probe/disk.ts";
import type { KdProbeSettings } from "../../vm-images/kd-probe/settings.ts";

export interface StandIn extends AsyncDisposable {
  readonly machine: RunningMachine;
  /** The debugger's end of its serial port. */
  readonly line: Duplex;
}

const mac = "52:54:00:33:22:11";

/** The table of the published transcript, for a card in slot 3. */
export const publishedTable: IbftSpec = {
  oemId: "FENSYS",
  oemTableId: "gPXE",
  initiator: { name: "iqn.2000-01.org.etherboot:host_10_0_0_90.home" },
  nics: [
    {
      ip: "10.0.0.90",
      prefix: 24,
      gateway: "10.0.0.6",
      dns1: "10.0.0.6",
      mac,
      pci: "00:03.0",
      hostname: "host_10_0_0_90.home",
    },
  ],
  targets: [{ ip: "10.0.0.6", name: "iqn.2006-05.home.dolphin:winxp" }],
};

/**
 * Starts the stand-in for a Windows kernel from a disk of the machine, with an rtl8139 in slot 3 and, by an option ROM, the
 * table in its base memory.
 */
export async function startStandIn(
  settings: KdProbeSettings,
  about: { readonly table?: IbftSpec; readonly nic?: boolean } = {},
): Promise<StandIn> {
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-stand-in-"));
  const disk = path.join(folder, "disk.raw");
  const rom = path.join(folder, "table.rom");
  await writeFile(disk, await buildKdProbe(settings));
  if (about.table !== undefined) await writeFile(rom, buildOptionRom(writeIbft(about.table)));
  const spec: MachineSpec = {
    name: "stand-in",
    machine: "pc",
    accel: "tcg",
    cpus: 1,
    memoryMiB: 16,
    firmware: "bios",
    nics:
      about.nic === false
        ? []
        : [{ model: "rtl8139", mac, netdev: { kind: "user" }, pciAddress: "3", romFile: "" }],
    disks: [{ id: "disk", source: { kind: "file", path: disk }, controller: "ide", bootIndex: 1 }],
    serials: [{ name: "kd", kind: "binary" }],
    display: "std",
    ...(about.table !== undefined && { optionRoms: [{ path: rom }] }),
    noReboot: true,
  };
  const machine = await launchMachine(spec, { runDir: folder });
  return {
    machine,
    line: machine.serial("kd").asDuplex(),
    [Symbol.asyncDispose]: async () => {
      await machine[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

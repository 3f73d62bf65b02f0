import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Duplex } from "node:stream";
import { writeIbft, type IbftSpec } from "#ibft";
import { buildOptionRom } from "#option-rom";
import { launchMachine, type MachineSpec, type RunningMachine } from "#harness/qemu-launcher";
import { KdError, type KdHost, type StoppedKernel } from "#kd";
import { buildKdProbe } from "../../vm-images/kd-probe/disk.ts";
import type { KdProbeSettings } from "../../vm-images/kd-probe/settings.ts";
import type { PrintedValues } from "./stand-in-lines.ts";

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

/** What is printed of it, where the card is QEMU's rtl8139. */
export const publishedValues: PrintedValues = {
  at: "9f800",
  oemId: "FENSYS",
  oemTableId: "gPXE",
  initiator: "iqn.2000-01.org.etherboot:host_10_0_0_90.home",
  ip: "10.0.0.90",
  origin: 0,
  gateway: "10.0.0.6",
  dns: "10.0.0.6",
  dhcp: "0.0.0.0",
  mac: "52:54:00:33:22:11",
  pci: "00:03.0",
  hostname: "host_10_0_0_90.home",
  card: "VEN_10EC&DEV_8139&SUBSYS_11001AF4&REV_20#3&13c0b0c5&0&18",
  targetIp: "10.0.0.6",
  target: "iqn.2006-05.home.dolphin:winxp",
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

/**
 * Stops the kernel, does the work and lets it go on. On a slow machine a second break-in may cross with the stop that the first
 * one brought; the kernel then tells its stop again, and all begins anew.
 */
export async function whileStopped(
  host: KdHost,
  work: (kernel: StoppedKernel) => Promise<void>,
): Promise<void> {
  for (;;) {
    const kernel = await host.breakIn();
    try {
      await work(kernel);
      await host.resume();
      return;
    } catch (error) {
      if (!(error instanceof KdError) || (error.code !== "KD_RESET" && error.code !== "KD_NO_REPLY"))
        throw error;
    }
  }
}

import path from "node:path";
import { userNetwork } from "#harness/network";
import type { MachineSpec, NetdevSpec, NicModel, NicSpec, SerialSpec } from "#harness/qemu-launcher";
import type { GuestManifest } from "#vm-images";
import type { EmulatedFirmware } from "./emulated-firmware.ts";
import { nicSlot } from "./emulated-table.ts";
import type { RunPlan } from "./plan.ts";
import type { Forward } from "./watch-guest.ts";

/** Where QEMU's frames of each NIC go: `net.pcap`, `net1.pcap`, … */
export function captureName(nic: number): string {
  return nic === 0 ? "net.pcap" : `net${nic}.pcap`;
}

/** What a machine has of its boot firmware, where that is more than a ROM of the NIC. */
export interface MachineParts {
  /** The folder whose `boot.ipxe` QEMU's own TFTP server offers. */
  readonly userBoot?: string | undefined;
  readonly emulated?: EmulatedFirmware | undefined;
  /** Ports of the guest that are watched on QEMU's user-mode network. */
  readonly forwards?: readonly Forward[] | undefined;
}

/** The virtual machine of a plan. */
export function machineOf(plan: RunPlan, parts: MachineParts = {}): MachineSpec {
  const { machine, uefi } = plan.scenario;
  const { manifest } = plan.guest;
  const { emulated } = parts;
  const cpu = plan.accel.cpu ?? (plan.accel.kind === "tcg" ? manifest.tcgCpu : undefined);
  return {
    name: plan.scenario.name,
    machine: "pc",
    accel: plan.accel.kind,
    ...(cpu !== undefined && { cpu }),
    cpus: machine.cpus,
    memoryMiB: Math.max(machine.memory, manifest.memoryMiB),
    firmware: uefi ? "uefi" : "bios",
    nics: plan.nics.map((nic, index) => ({
      model: nic.model as NicModel,
      mac: nic.mac,
      netdev: netdevOf(plan, index, parts),
      ...bootRole(index, emulated),
      capture: path.join(plan.folder, captureName(index)),
    })),
    disks: emulated === undefined ? [] : [emulated.disk],
    ...emulated?.carriers,
    extraArgs: [...(emulated?.carriers.extraArgs ?? []), ...guestRequests(plan)],
    serials: manifest.serials.map(serialOf),
    display: "std",
    noReboot: true,
    ...(manifest.clock !== undefined && { rtc: manifest.clock }),
  };
}

/** A port that is nobody's still takes its place, so that those behind it have their numbers. */
function serialOf(kind: GuestManifest["serials"][number], index: number): SerialSpec {
  if (kind === "unused") return { name: `com${index + 1}`, kind: "text" };
  return { name: kind, kind: kind === "kd" ? "binary" : "text" };
}

function netdevOf(plan: RunPlan, index: number, { userBoot, forwards }: MachineParts): NetdevSpec {
  if (plan.network.kind === "private") return { kind: "tap", fdIndex: index };
  const boot = userBoot === undefined ? {} : { tftpFolder: userBoot, bootFile: bootScriptName };
  return {
    kind: "user",
    options: userNetwork({ ...boot, ...(forwards !== undefined && { forwards }) }).options,
  };
}

/** What the guest is asked to do, in the place where it looks for it. */
function guestRequests({ scenario, guest }: RunPlan): readonly string[] {
  const { fwCfg } = guest.manifest.requests ?? {};
  if (fwCfg === undefined || scenario.requests.length === 0) return [];
  return ["-fw_cfg", `name=${fwCfg},string=${scenario.requests.join(" ")}`];
}

/** A boot ROM that is not to boot would only wait for an address on a wire that leads nowhere. */
function bootRole(index: number, emulated: EmulatedFirmware | undefined): Partial<NicSpec> {
  if (emulated !== undefined) return { romFile: "", pciAddress: nicSlot(index) };
  return { bootIndex: index, ...(index === 0 ? {} : { romFile: "" }) };
}

/** The name of the iPXE script that takes the place of DHCP options on QEMU's user-mode network. */
export const bootScriptName = "boot.ipxe";

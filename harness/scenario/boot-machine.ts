import path from "node:path";
import type { MachineSpec, NetdevSpec, NicModel, NicSpec } from "#harness/qemu-launcher";
import type { EmulatedFirmware } from "./emulated-firmware.ts";
import { nicSlot } from "./emulated-table.ts";
import type { RunPlan } from "./plan.ts";

/** Where QEMU's frames of each NIC go: `net.pcap`, `net1.pcap`, … */
export function captureName(nic: number): string {
  return nic === 0 ? "net.pcap" : `net${nic}.pcap`;
}

/** What a machine has of its boot firmware, where that is more than a ROM of the NIC. */
export interface MachineParts {
  /** The folder whose `boot.ipxe` QEMU's own TFTP server offers. */
  readonly userBoot?: string | undefined;
  readonly emulated?: EmulatedFirmware | undefined;
}

/** The virtual machine of a plan. */
export function machineOf(plan: RunPlan, { userBoot, emulated }: MachineParts = {}): MachineSpec {
  const { machine, uefi } = plan.scenario;
  return {
    name: plan.scenario.name,
    machine: "pc",
    accel: plan.accel.kind,
    ...(plan.accel.cpu !== undefined && { cpu: plan.accel.cpu }),
    cpus: machine.cpus,
    memoryMiB: Math.max(machine.memory, plan.guest.manifest.memoryMiB),
    firmware: uefi ? "uefi" : "bios",
    nics: plan.nics.map((nic, index) => ({
      model: nic.model as NicModel,
      mac: nic.mac,
      netdev: netdevOf(plan, index, userBoot),
      ...bootRole(index, emulated),
      capture: path.join(plan.folder, captureName(index)),
    })),
    disks: emulated === undefined ? [] : [emulated.disk],
    ...emulated?.carriers,
    serials: [{ name: "console", kind: "text" }],
    display: "std",
    noReboot: true,
  };
}

function netdevOf(plan: RunPlan, index: number, userBoot: string | undefined): NetdevSpec {
  if (plan.network.kind === "private") return { kind: "tap", fdIndex: index };
  return {
    kind: "user",
    options: userBoot === undefined ? {} : { tftp: userBoot, bootfile: bootScriptName },
  };
}

/** A boot ROM that is not to boot would only wait for an address on a wire that leads nowhere. */
function bootRole(index: number, emulated: EmulatedFirmware | undefined): Partial<NicSpec> {
  if (emulated !== undefined) return { romFile: "", pciAddress: nicSlot(index) };
  return { bootIndex: index, ...(index === 0 ? {} : { romFile: "" }) };
}

/** The name of the iPXE script that takes the place of DHCP options on QEMU's user-mode network. */
export const bootScriptName = "boot.ipxe";

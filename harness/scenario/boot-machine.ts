import path from "node:path";
import type { MachineSpec, NicModel } from "#harness/qemu-launcher";
import type { RunPlan } from "./plan.ts";

/** Where QEMU's frames of each NIC go: `net.pcap`, `net1.pcap`, … */
export function captureName(nic: number): string {
  return nic === 0 ? "net.pcap" : `net${nic}.pcap`;
}

/** The virtual machine of a plan. `userBoot` is the folder whose `boot.ipxe` QEMU's own TFTP server offers. */
export function machineOf(plan: RunPlan, userBoot?: string): MachineSpec {
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
      netdev:
        userBoot === undefined
          ? { kind: "tap", fdIndex: index }
          : { kind: "user", options: { tftp: userBoot, bootfile: bootScriptName } },
      bootIndex: index,
      // A second boot ROM would only wait for an address on a wire that leads nowhere.
      ...(index === 0 ? {} : { romFile: "" }),
      capture: path.join(plan.folder, captureName(index)),
    })),
    disks: [],
    serials: [{ name: "console", kind: "text" }],
    display: "std",
    noReboot: true,
  };
}

/** The name of the iPXE script that takes the place of DHCP options on QEMU's user-mode network. */
export const bootScriptName = "boot.ipxe";

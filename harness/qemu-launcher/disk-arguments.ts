import path from "node:path";
import { UsageError } from "#core";
import type { DiskController, DiskSpec, MachineSpec } from "./machine-spec.ts";
import { option } from "./option.ts";

/** How a disk meets the machine: QEMU's controller (if it needs one of its own), disk and CD device. */
const controllers: Readonly<Record<Exclude<DiskController, "ide" | "floppy">, Attachment>> = {
  ahci: { controller: "ahci", disk: "ide-hd", cdrom: "ide-cd" },
  "virtio-blk": { disk: "virtio-blk-pci" },
  "virtio-scsi": scsi("virtio-scsi-pci"),
  nvme: { disk: "nvme" },
  "usb-storage": { controller: "qemu-xhci", disk: "usb-storage", cdrom: "usb-storage" },
  lsi53c810: scsi("lsi53c810"),
  lsi53c895a: scsi("lsi53c895a"),
  megasas: scsi("megasas"),
  "megasas-gen2": scsi("megasas-gen2"),
  mptsas1068: scsi("mptsas1068"),
  pvscsi: scsi("pvscsi"),
  am53c974: scsi("am53c974"),
  dc390: scsi("dc390"),
};

interface Attachment {
  readonly controller?: string;
  readonly disk: string;
  readonly cdrom?: string;
}

function scsi(controller: string): Attachment {
  return { controller, disk: "scsi-hd", cdrom: "scsi-cd" };
}

/** The id of the PCI function that takes the disk out of the machine when it is unplugged: its controller, if it has one. */
export function unplugId(disk: DiskSpec): string {
  return disk.controller === "virtio-blk" || disk.controller === "nvme" ? disk.id : `${disk.id}-controller`;
}

export function diskArguments(disk: DiskSpec, index: number, machine: MachineSpec["machine"]): string[] {
  return [...blockdev(disk), ...rootPort(disk, index, machine), ...devices(disk, index, machine)];
}

function blockdev(disk: DiskSpec): string[] {
  const { source } = disk;
  const protocol =
    source.kind === "file"
      ? { "file.driver": "file", "file.filename": path.resolve(source.path) }
      : {
          "file.driver": "nbd",
          "file.server.type": "unix",
          "file.server.path": path.resolve(source.socket),
          "file.export": source.export,
        };
  const readOnly = disk.readOnly ?? disk.media === "cdrom";
  return [
    "-blockdev",
    option("", { driver: "raw", "node-name": `${disk.id}-image`, "read-only": readOnly, ...protocol }),
  ];
}

function rootPort(disk: DiskSpec, index: number, machine: MachineSpec["machine"]): string[] {
  if (disk.hotplug !== true || machine !== "q35") return [];
  return ["-device", option("pcie-root-port", { id: `${disk.id}-port`, chassis: index + 1 })];
}

function devices(disk: DiskSpec, index: number, machine: MachineSpec["machine"]): string[] {
  const cdrom = disk.media === "cdrom";
  const ata = disk.controller === "ide" || disk.controller === "ahci";
  if (ata && !cdrom && disk.readOnly === true) {
    throw new UsageError(
      "DISK_CONTROLLER",
      `${disk.id}: an ATA disk cannot be read-only; use virtio-blk or SCSI`,
    );
  }
  const common = { id: disk.id, drive: `${disk.id}-image`, bootindex: disk.bootIndex };
  if (disk.controller === "ide") {
    if (machine === "q35") throw new UsageError("DISK_CONTROLLER", `${disk.id}: q35 has no IDE; use ahci`);
    const place = { bus: `ide.${index >> 1}`, unit: index & 1 };
    return ["-device", option(cdrom ? "ide-cd" : "ide-hd", { ...common, ...place })];
  }
  if (disk.controller === "floppy") return floppy(disk, machine);
  const { controller, disk: diskDevice, cdrom: cdDevice } = controllers[disk.controller];
  const device = cdrom ? cdDevice : diskDevice;
  if (device === undefined) {
    throw new UsageError("DISK_CONTROLLER", `${disk.id}: ${disk.controller} carries no CD-ROM`);
  }
  const behind = disk.hotplug === true && machine === "q35" ? `${disk.id}-port` : undefined;
  if (controller === undefined) {
    const serial = device === "nvme" ? disk.id : undefined;
    return ["-device", option(device, { ...common, bus: behind, serial })];
  }
  const id = `${disk.id}-controller`;
  return [
    "-device",
    option(controller, { id, bus: behind }),
    "-device",
    option(device, { ...common, bus: `${id}.0` }),
  ];
}

/** Drive A; its place in the boot order is a property of the floppy controller, which only a `pc` has of its own. */
function floppy(disk: DiskSpec, machine: MachineSpec["machine"]): string[] {
  const order = disk.bootIndex === undefined ? [] : ["-global", `isa-fdc.bootindexA=${disk.bootIndex}`];
  const controller = machine === "q35" ? ["-device", "isa-fdc"] : [];
  const drive = option("floppy", { id: disk.id, drive: `${disk.id}-image`, unit: 0 });
  return [...order, ...controller, "-device", drive];
}

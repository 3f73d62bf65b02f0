/** The QEMU device behind each NIC model, and the iPXE ROM (BIOS and UEFI in one file) that QEMU gives it by default. */
export const nicDevices = {
  e1000: { device: "e1000", rom: "efi-e1000.rom" },
  e1000e: { device: "e1000e", rom: "efi-e1000e.rom" },
  rtl8139: { device: "rtl8139", rom: "efi-rtl8139.rom" },
  virtio: { device: "virtio-net-pci", rom: "efi-virtio.rom" },
  vmxnet3: { device: "vmxnet3", rom: "efi-vmxnet3.rom" },
  pcnet: { device: "pcnet", rom: "efi-pcnet.rom" },
  ne2k: { device: "ne2k_pci", rom: "efi-ne2k_pci.rom" },
  eepro100: { device: "i82550", rom: "efi-eepro100.rom" },
} as const;

export type NicModel = keyof typeof nicDevices;

/** `fdIndex` counts the TAP file descriptors handed to `launchMachine`. User-mode options are those of `-netdev user`. */
export type NetdevSpec =
  | { readonly kind: "tap"; readonly fdIndex: number }
  | { readonly kind: "user"; readonly options?: Readonly<Record<string, string | readonly string[]>> };

export interface NicSpec {
  readonly model: NicModel;
  readonly mac: string;
  readonly netdev: NetdevSpec;
  /** Slot and function on the root bus, as QEMU writes it: `"3"`, `"5.1"`. */
  readonly pciAddress?: string;
  readonly bootIndex?: number;
  /** Undefined: QEMU's own iPXE ROM; empty: no ROM at all; else the path of a ROM file. */
  readonly romFile?: string;
  /** A pcap file that receives every frame of this NIC. */
  readonly capture?: string;
}

export type DiskController =
  | "ide"
  | "ahci"
  | "virtio-blk"
  | "virtio-scsi"
  | "nvme"
  | "usb-storage"
  | "floppy"
  | "lsi53c810"
  | "lsi53c895a"
  | "megasas"
  | "megasas-gen2"
  | "mptsas1068"
  | "pvscsi"
  | "am53c974"
  | "dc390";

/** Content is always taken as raw bytes: no format is guessed and no backing file followed. */
export type DiskSource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "nbd"; readonly socket: string; readonly export?: string };

export interface DiskSpec {
  /** QEMU's id of the disk; see `unplugId` for the one that `deviceDel` wants. */
  readonly id: string;
  readonly source: DiskSource;
  readonly controller: DiskController;
  readonly media?: "disk" | "cdrom";
  readonly readOnly?: boolean;
  readonly bootIndex?: number;
  /** On q35, put the controller behind a root port of its own, where it can be unplugged. */
  readonly hotplug?: boolean;
}

/**
 * One serial port, COM1 first. A `text` port is read as lines for the timeline; the bytes of a `binary` port (a kernel
 * debugger) are passed on untouched.
 */
export interface SerialSpec {
  readonly name: string;
  readonly kind: "text" | "binary";
}

/** A virtual machine as plain data; `qemuArguments` turns it into a command line. */
export interface MachineSpec {
  readonly name: string;
  readonly machine: "pc" | "q35";
  readonly accel: "kvm" | "tcg";
  /** QEMU's CPU model; undefined is the host's own under KVM and QEMU's default under TCG. */
  readonly cpu?: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly firmware: "bios" | "uefi";
  readonly nics: readonly NicSpec[];
  readonly disks: readonly DiskSpec[];
  readonly serials: readonly SerialSpec[];
  readonly display: "std" | "none";
  /** `-option-rom`: x86 expansion ROMs that SeaBIOS runs. */
  readonly optionRoms?: readonly { readonly path: string; readonly bootIndex?: number }[];
  /** `-acpitable`: files that hold one whole ACPI table each. */
  readonly acpiTables?: readonly string[];
  /** A guest reset ends QEMU instead of booting again. */
  readonly noReboot?: boolean;
  /** What the guest's clock starts with: `utc` (default), `localtime` or an ISO date. */
  readonly rtc?: string;
  /** Appended as they are. */
  readonly extraArgs?: readonly string[];
}

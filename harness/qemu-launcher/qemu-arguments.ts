import path from "node:path";
import { UsageError } from "#core";
import { diskArguments } from "./disk-arguments.ts";
import type { MachineSpec } from "./machine-spec.ts";
import { nicArguments } from "./nic-arguments.ts";
import { option } from "./option.ts";
import { fifoPath } from "./serial-fifo.ts";

/** Where the files are that a machine uses beside those its specification names. */
export interface MachineFiles {
  /** QEMU's working directory; the private copy of the UEFI variables lies in it. */
  readonly runDir: string;
  /** The OVMF code image; needed for UEFI only. */
  readonly ovmfCode?: string;
}

/** The file name, in the run folder, of a machine's private UEFI variable store. */
export const uefiVariables = "uefi-variables.fd";

/** QEMU's file descriptor of the QMP monitor; those of the TAPs follow it. */
const monitorFd = 3;
const tapFd = (fdIndex: number) => monitorFd + 1 + fdIndex;

/** The arguments that start a machine under QEMU 7.2 or newer, without the program's own name. */
export function qemuArguments(spec: MachineSpec, files: MachineFiles): string[] {
  return [
    "-name",
    option(spec.name, {}),
    "-nodefaults",
    "-no-user-config",
    "-S",
    // The images are strangers': an exploited QEMU must not start programs, gain privileges or change its limits.
    "-sandbox",
    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    ...machineArguments(spec, files),
    "-display",
    "none",
    "-boot",
    "menu=off,strict=on",
    "-rtc",
    option("", { base: spec.rtc ?? "utc" }),
    ...(spec.noReboot === true ? ["-no-reboot"] : []),
    "-chardev",
    option("socket", { id: "qmp", fd: monitorFd }),
    "-mon",
    "chardev=qmp,mode=control",
    ...serialArguments(spec, files.runDir),
    ...spec.nics.flatMap((nic, index) => nicArguments(nic, index, tapFd)),
    ...spec.disks.flatMap((disk, index) => diskArguments(disk, index, spec.machine)),
    // After the NICs, so that the first NIC has the same PCI address with and without a display.
    ...(spec.display === "std" ? ["-device", "VGA,id=vga"] : []),
    ...(spec.optionRoms ?? []).flatMap((rom) => [
      "-option-rom",
      option(path.resolve(rom.path), { bootindex: rom.bootIndex }),
    ]),
    ...(spec.acpiTables ?? []).flatMap((table) => ["-acpitable", acpiTable(table, files.runDir)]),
    ...(spec.extraArgs ?? []),
  ];
}

function machineArguments(spec: MachineSpec, files: MachineFiles): string[] {
  const uefi = spec.firmware === "uefi";
  const cpu = spec.cpu ?? (spec.accel === "kvm" ? "host" : undefined);
  if (uefi && files.ovmfCode === undefined) throw new TypeError("qemuArguments: uefi needs files.ovmfCode");
  return [
    "-machine",
    option(spec.machine, {
      accel: spec.accel,
      "memory-backend": "ram",
      pflash0: uefi ? "uefi-code" : undefined,
      pflash1: uefi ? "uefi-variables" : undefined,
    }),
    ...(cpu === undefined ? [] : ["-cpu", cpu]),
    "-smp",
    String(spec.cpus),
    "-m",
    `${spec.memoryMiB}M`,
    // Anonymous and shared: the launcher reads guest memory through /proc while nothing of it has a name on disk.
    "-object",
    option("memory-backend-memfd", { id: "ram", size: `${spec.memoryMiB}M`, share: true }),
    ...(uefi ? flash("uefi-code", files.ovmfCode, true) : []),
    ...(uefi ? flash("uefi-variables", path.join(files.runDir, uefiVariables), false) : []),
  ];
}

function flash(node: string, filename: string | undefined, readOnly: boolean): string[] {
  return [
    "-blockdev",
    option("", {
      driver: "raw",
      "node-name": node,
      "read-only": readOnly,
      "file.driver": "file",
      "file.filename": filename,
    }),
  ];
}

function serialArguments(spec: MachineSpec, runDir: string): string[] {
  if (spec.serials.length > 4) throw new UsageError("SERIAL_PORTS", "a PC has at most four serial ports");
  for (const { name } of spec.serials) {
    if (!/^[a-z0-9-]+$/.test(name) || spec.serials.filter((one) => one.name === name).length > 1) {
      throw new UsageError("SERIAL_PORTS", `${name}: serial ports need different names of a-z, 0-9 and -`);
    }
  }
  return spec.serials.flatMap((serial, index) => [
    "-chardev",
    option("pipe", { id: `serial${index}`, path: fifoPath(runDir, serial) }),
    "-device",
    option("isa-serial", { chardev: `serial${index}`, index }),
  ]);
}

/** QEMU takes a colon in `file=` for a list separator and knows no way to quote it. */
function acpiTable(file: string, runDir: string): string {
  const relative = path.relative(runDir, path.resolve(file));
  if (relative.includes(":")) {
    throw new UsageError(
      "ACPI_TABLE_PATH",
      `${file}: QEMU cannot read an ACPI table from a path with a colon`,
    );
  }
  return option("", { file: relative });
}

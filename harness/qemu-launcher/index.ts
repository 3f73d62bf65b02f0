/**
 * Starts virtual machines in QEMU and holds their reins: the command line as a pure function of a plain specification,
 * the QMP monitor, serial ports, screen, guest memory, and the choice of the accelerator.
 *
 * Used by the lab and by the boot runner. A machine cannot outlive the process that launched it, and has no socket file
 * or other name through which anything else could reach it.
 *
 * It never makes network devices, disks or images: TAP descriptors and NBD sockets come from its callers. It never
 * decides what a guest's output means.
 */
export type {
  DiskController,
  DiskSource,
  DiskSpec,
  MachineSpec,
  NetdevSpec,
  NicModel,
  NicSpec,
  SerialSpec,
} from "./machine-spec.ts";
export { qemuArguments, type MachineFiles } from "./qemu-arguments.ts";
export { unplugId } from "./disk-arguments.ts";
export { launchMachine, type LaunchOptions } from "./launch.ts";
export type { MachineExit, RunningMachine } from "./running-machine.ts";
export type { Picture } from "./screen.ts";
export { Qmp, QmpError, type QmpEvent } from "./qmp.ts";
export { SerialPort, type LineListener, type SerialMatch } from "./serial-port.ts";
export { probeAccelerator, timeScale, type AcceleratorChoice, type ProbeOptions } from "./accelerator.ts";
export { probeDisk, probeMarker } from "./probe-guest.ts";
export { lowMemory } from "./guest-memory.ts";
export { LiveMemory, ramOf, type RamStretch } from "./live-memory.ts";
export { TextCleaner } from "./text-cleaner.ts";
export { findIpxeRom, findOvmf, findQemu, type Ovmf, type Qemu } from "./locate.ts";
export type { Wait } from "./waiting.ts";

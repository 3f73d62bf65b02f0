import { copyFile, chmod, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Report } from "#core";
import { GuestMemory } from "./guest-memory.ts";
import { findIpxeRom, findOvmf, findQemu } from "./locate.ts";
import type { MachineSpec } from "./machine-spec.ts";
import { qemuArguments, uefiVariables } from "./qemu-arguments.ts";
import { startProcess, type QemuProcess } from "./qemu-process.ts";
import { Qmp } from "./qmp.ts";
import { RunningMachine, endOf } from "./running-machine.ts";
import { connectFifo, makeFifos, removeFifos } from "./serial-fifo.ts";
import { SerialPort } from "./serial-port.ts";

export interface LaunchOptions {
  /** An existing folder; logs, captures and screenshots go here. */
  readonly runDir: string;
  /** Open TAP descriptors, counted by `netdev.fdIndex`. QEMU gets its own copies. */
  readonly tapFds?: readonly number[];
  /** Ends the machine, also after the launch. */
  readonly signal?: AbortSignal | undefined;
  /** Told `qemu-start` {program, version, args, pid}, `qmp-event`, `serial` {port, line, partial?}, `qemu-exit` {code,
   * signal}. */
  readonly report?: Report | undefined;
}

const greetingMs = 30_000;

/**
 * Starts a machine and returns when QEMU answers and the guest's processor runs. The monitor is a socket pair between the
 * two processes and the serial ports are FIFOs whose names are gone by then, so nothing is left that another process
 * could find; QEMU dies with this process. Throws LabError: something is missing, or QEMU_DIED with QEMU's own reason.
 */
export async function launchMachine(spec: MachineSpec, options: LaunchOptions): Promise<RunningMachine> {
  const { signal, report } = options;
  signal?.throwIfAborted();
  const runDir = path.resolve(options.runDir);
  const qemu = await findQemu();
  const ovmf = spec.firmware === "uefi" ? await findOvmf() : undefined;
  for (const nic of spec.nics) if (nic.romFile === undefined) await findIpxeRom(nic.model);
  const args = qemuArguments(spec, ovmf === undefined ? { runDir } : { runDir, ovmfCode: ovmf.code });
  if (ovmf !== undefined) await privateCopy(ovmf.variables, path.join(runDir, uefiVariables));

  await makeFifos(runDir, spec.serials);
  const process = await startProcess(qemu.program, args, {
    runDir,
    logName: "qemu.log",
    fds: options.tapFds ?? [],
  });
  report?.("qemu-start", { program: qemu.program, version: qemu.version, args, pid: process.pid });
  try {
    return await assemble(spec, process, runDir, options);
  } catch (error) {
    process.kill("SIGKILL");
    await process.exited;
    throw error;
  } finally {
    await removeFifos(runDir, spec.serials);
  }
}

async function assemble(
  spec: MachineSpec,
  process: QemuProcess,
  runDir: string,
  { signal, report }: LaunchOptions,
): Promise<RunningMachine> {
  const whyClosed = process.exited.then((exit) => endOf(spec.name, exit));
  const qmp = await Qmp.connect(process.monitor, { timeoutMs: greetingMs, signal, report, whyClosed });
  const serials: SerialPort[] = [];
  for (const serial of spec.serials) {
    const logFile = path.join(runDir, serialLog(serial));
    serials.push(new SerialPort(serial, await connectFifo(runDir, serial), { logFile, report }));
  }
  const memory = await GuestMemory.open(spec, qmp, { pid: process.pid, runDir });
  const machine = new RunningMachine({ spec, runDir, process, qmp, serials, memory });
  const end = () => void machine[Symbol.asyncDispose]();
  signal?.addEventListener("abort", end, { once: true });
  void machine.exited.then((exit) => {
    signal?.removeEventListener("abort", end);
    return report?.("qemu-exit", { code: exit.code ?? null, signal: exit.signal ?? null });
  });
  await qmp.execute("cont", {}, { timeoutMs: greetingMs, signal });
  return machine;
}

/** `serial.log` is the console's; every other port is named, the bytes of a debugger `kd.raw`. */
function serialLog(serial: MachineSpec["serials"][number]): string {
  if (serial.name === "console") return "serial.log";
  return serial.kind === "text" ? `serial-${serial.name}.log` : `${serial.name}.raw`;
}

async function privateCopy(from: string, to: string): Promise<void> {
  await writeFile(to, "", { mode: 0o600 });
  await copyFile(from, to);
  await chmod(to, 0o600);
}

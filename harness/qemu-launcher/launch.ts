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
import { SerialPort } from "./serial-port.ts";

export interface LaunchOptions {
  /** An existing folder; logs, captures and screenshots go here. */
  readonly runDir: string;
  /** Open TAP descriptors, counted by `netdev.fdIndex`. QEMU gets its own copies. */
  readonly tapFds?: readonly number[];
  /** Ends the machine, also after the launch. */
  readonly signal?: AbortSignal | undefined;
  /** Told `qemu-start` {program, version, args, pid}, `qmp-event`, `serial` {port, line}, `qemu-exit` {code, signal}. */
  readonly report?: Report | undefined;
}

const greetingMs = 30_000;

/**
 * Starts a machine and returns when QEMU answers and the guest's processor runs. The monitor and the serial ports are
 * socket pairs between the two processes, so nothing of them has a name that another process could find or that could be
 * left behind; QEMU dies with this process. Throws LabError: something is missing, or QEMU_DIED with QEMU's own reason.
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

  const process = await startProcess(qemu.program, args, {
    runDir,
    logName: "qemu.log",
    sockets: 1 + spec.serials.length,
    fds: options.tapFds ?? [],
  });
  report?.("qemu-start", { program: qemu.program, version: qemu.version, args, pid: process.pid });
  void process.exited.then(({ code, signal: by }) =>
    report?.("qemu-exit", { code: code ?? null, signal: by ?? null }),
  );
  try {
    return await assemble(spec, process, runDir, options);
  } catch (error) {
    process.kill("SIGKILL");
    await process.exited;
    throw error;
  }
}

async function assemble(
  spec: MachineSpec,
  process: QemuProcess,
  runDir: string,
  { signal, report }: LaunchOptions,
): Promise<RunningMachine> {
  const [monitor, ...lines] = process.sockets;
  if (monitor === undefined) throw new TypeError("launchMachine: QEMU was started without a monitor");
  const serials = spec.serials.flatMap((serial, index) => {
    const stream = lines[index];
    if (stream === undefined) return [];
    return [new SerialPort(serial, stream, { logFile: path.join(runDir, serialLog(serial)), report })];
  });
  const whyClosed = process.exited.then((exit) => endOf(spec.name, exit));
  const qmp = await Qmp.connect(monitor, { timeoutMs: greetingMs, signal, report, whyClosed });
  const memory = await GuestMemory.open(spec, qmp, { pid: process.pid, runDir });
  const machine = new RunningMachine({ spec, runDir, process, qmp, serials, memory });
  const end = () => void machine[Symbol.asyncDispose]();
  signal?.addEventListener("abort", end, { once: true });
  void machine.exited.then(() => signal?.removeEventListener("abort", end));
  await qmp.execute("cont", {}, { timeoutMs: greetingMs, signal });
  return machine;
}

/** `serial.log` is the console's; every other port is named. */
function serialLog(serial: MachineSpec["serials"][number]): string {
  if (serial.name === "console") return "serial.log";
  return `serial-${serial.name}.${serial.kind === "text" ? "log" : "raw"}`;
}

async function privateCopy(from: string, to: string): Promise<void> {
  await writeFile(to, "", { mode: 0o600 });
  await copyFile(from, to);
  await chmod(to, 0o600);
}

import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { LabError, UsageError } from "#core";
import type { GuestMemory } from "./guest-memory.ts";
import { parseKeys } from "./keys.ts";
import type { MachineSpec } from "./machine-spec.ts";
import { uefiVariables } from "./qemu-arguments.ts";
import { lastLine, type ProcessExit, type QemuProcess } from "./qemu-process.ts";
import type { Qmp } from "./qmp.ts";
import { readPicture, readScreenText, saveScreenshot, type Picture } from "./screen.ts";
import type { SerialPort } from "./serial-port.ts";
import { unplug } from "./unplug.ts";
import type { Wait } from "./waiting.ts";

export interface MachineExit {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** The end of what QEMU printed. */
  readonly stderrTail: string;
  /** Set when neither the guest nor the caller ended QEMU: it crashed or was killed. Names QEMU's last words. */
  readonly error?: LabError;
}

export interface MachineParts {
  readonly spec: MachineSpec;
  readonly runDir: string;
  readonly process: QemuProcess;
  readonly qmp: Qmp;
  readonly serials: readonly SerialPort[];
  readonly memory: GuestMemory;
}

const quitMs = 2000;
const terminateMs = 1000;

/** A QEMU that runs. Disposing of it ends QEMU and waits until it is gone. */
export class RunningMachine implements AsyncDisposable {
  readonly spec: MachineSpec;
  readonly pid: number;
  readonly qmp: Qmp;
  readonly exited: Promise<MachineExit>;
  readonly #parts: MachineParts;
  #ending = false;
  #gone = false;

  constructor(parts: MachineParts) {
    this.#parts = parts;
    this.spec = parts.spec;
    this.pid = parts.process.pid;
    this.qmp = parts.qmp;
    this.exited = this.#watch();
  }

  /** The serial port of that name; UsageError SERIAL_PORT if the machine has none. */
  serial(name: string): SerialPort {
    const port = this.#parts.serials.find((one) => one.name === name);
    if (port === undefined)
      throw new UsageError("SERIAL_PORT", `${this.spec.name} has no serial port ${name}`);
    return port;
  }

  /** Saves the display as a PNG in the run folder and gives its bytes. */
  async screenshot(name = "screen.png", wait: Wait = {}): Promise<Buffer> {
    const file = path.join(this.#parts.runDir, name);
    await saveScreenshot(this.qmp, file, wait);
    return readFile(file);
  }

  /** The dots of the display. */
  picture(wait: Wait = {}): Promise<Picture> {
    return readPicture(this.qmp, this.#parts.runDir, wait);
  }

  /** The 25 lines of the VGA text screen, exactly; undefined in a graphics mode or without a display. */
  async screenText(wait: Wait = {}): Promise<readonly string[] | undefined> {
    if (this.spec.display === "none") return undefined;
    return readScreenText(this.qmp, this.#parts.memory, this.#parts.runDir, wait);
  }

  /** Guest memory by physical address; the guest is not stopped. */
  readMemory(address: number, length: number, wait: Wait = {}): Promise<Buffer> {
    return this.#parts.memory.read(address, length, wait);
  }

  /** Unplugs a device, asking again until the guest lets it go; see `unplugId` for a disk's. */
  deviceDel(id: string, wait: Wait = {}): Promise<void> {
    return unplug(this.qmp, id, wait);
  }

  /** Plugs the cable of a NIC (by its place in the specification) in or out. */
  async setLink(nic: number, up: boolean, wait: Wait = {}): Promise<void> {
    await this.qmp.execute("set_link", { name: `nic${nic}`, up }, wait);
  }

  /** Presses the machine's reset button. */
  async reset(wait: Wait = {}): Promise<void> {
    await this.qmp.execute("system_reset", {}, wait);
  }

  /** Types on the guest's keyboard; see `parseKeys` for the notation. */
  async pressKeys(keys: string, wait: Wait = {}): Promise<void> {
    for (const press of parseKeys(keys)) {
      const data = press.map((code) => ({ type: "qcode", data: code }));
      await this.qmp.execute("send-key", { keys: data, "hold-time": 20 }, wait);
    }
  }

  /** Presses the power button, gives the guest `graceMs` to shut down, then ends QEMU anyhow. */
  async powerOff(
    options: { readonly graceMs?: number; readonly signal?: AbortSignal } = {},
  ): Promise<MachineExit> {
    this.#ending = true;
    await this.qmp.execute("system_powerdown", {}, { signal: options.signal }).catch(() => {});
    await this.#exitsWithin(options.graceMs ?? 10_000, options.signal);
    await this[Symbol.asyncDispose]();
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    if (!this.#gone) void this.qmp.execute("quit").catch(() => {});
    if (!(await this.#exitsWithin(quitMs))) this.#parts.process.kill("SIGTERM");
    if (!(await this.#exitsWithin(terminateMs))) this.#parts.process.kill("SIGKILL");
    await this.exited;
  }

  async #watch(): Promise<MachineExit> {
    const { process, qmp, serials, memory, runDir, spec } = this.#parts;
    let shutdown = false;
    // QEMU leaves with status 0 also when somebody sends it a signal.
    qmp.onEvent(({ event, data }) => {
      if (event === "SHUTDOWN") shutdown = data["reason"] !== "host-signal";
    });
    await process.gone;
    const finished = serials.map((serial) => serial.finish());
    const exit = await process.exited;
    this.#gone = true;
    await Promise.all(finished);
    const fine = this.#ending || (shutdown && exit.code === 0);
    const end = endOf(spec.name, exit);
    qmp.close(end);
    await memory[Symbol.asyncDispose]();
    if (spec.firmware === "uefi") await rm(path.join(runDir, uefiVariables), { force: true });
    return fine ? exit : { ...exit, error: end };
  }

  async #exitsWithin(milliseconds: number, signal?: AbortSignal): Promise<boolean> {
    const over = Promise.withResolvers<false>();
    const timer = setTimeout(() => over.resolve(false), milliseconds);
    const abort = () => over.resolve(false);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await Promise.race([this.exited.then(() => true), over.promise]);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }
}

/** What to tell whoever still wants something of a QEMU that is gone. */
export function endOf(name: string, exit: ProcessExit): LabError {
  const how = exit.signal === undefined ? `status ${exit.code ?? "unknown"}` : exit.signal;
  const words = lastLine(exit.stderrTail);
  return new LabError("QEMU_DIED", `${name}: QEMU ended with ${how}${words === "" ? "" : `: ${words}`}`);
}

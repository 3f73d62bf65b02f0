import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { errorMessage } from "#core";
import { launchMachine, probeAccelerator, timeScale, type RunningMachine } from "#harness/qemu-launcher";
import { prepareLio } from "#vm-images";

const lastWords = 8000;

/** Linux's own target in a machine of its own, at a port of this machine's loopback. */
export class Lio implements AsyncDisposable {
  readonly machine: RunningMachine;
  readonly port: number;

  private constructor(machine: RunningMachine, port: number) {
    this.machine = machine;
    this.port = port;
  }

  /** `which` is erl0, erl1, erl2 or chap: see vm-images/lio/initramfs/init. */
  static iqn(which: string): string {
    return `iqn.2003-01.org.linux-iscsi.lio:${which}`;
  }

  static async start(): Promise<Lio> {
    const [{ kernel, initramfs }, { accel, cpu }, runDir] = await Promise.all([
      prepareLio(),
      probeAccelerator(),
      mkdtemp(path.join(process.env["SANLAB_TEST_RUNS"] ?? tmpdir(), "sanlab-lio-")),
    ]);
    const machine = await launchMachine(
      {
        name: "lio",
        machine: "pc",
        accel,
        ...(cpu === undefined ? {} : { cpu }),
        cpus: 1,
        memoryMiB: 256,
        firmware: "bios",
        nics: [
          {
            model: "virtio",
            mac: "52:54:00:12:34:56",
            romFile: "",
            netdev: { kind: "user", options: { restrict: "on", hostfwd: "tcp:127.0.0.1:0-:3260" } },
          },
        ],
        disks: [],
        serials: [{ name: "console", kind: "text" }],
        display: "none",
        noReboot: true,
        extraArgs: [
          "-kernel",
          kernel,
          "-initrd",
          initramfs,
          "-append",
          "console=ttyS0 quiet loglevel=6 mitigations=off",
        ],
      },
      { runDir },
    );
    try {
      const timeoutMs = 60_000 * timeScale(accel);
      await machine.serial("console").until(/lio: ready/u, { timeoutMs });
      return new Lio(machine, await forwardedPort(machine));
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The kernel's words so far. */
  get console(): string {
    return this.machine.serial("console").history;
  }

  /** Where the target's threads stand in its kernel; of a kernel that says nothing any more, its last words. */
  async stacks(): Promise<string> {
    const console = this.machine.serial("console");
    const before = console.history.length;
    const show = "for s in $(grep -l iscsi /proc/[0-9]*/stack); do cat ${s%stack}comm $s; done";
    console.write(`${show}; echo $((6 * 7)) is all\n`);
    try {
      await console.until("42 is all", { timeoutMs: 20_000 });
    } catch (error) {
      return `${errorMessage(error)}\n${console.history.slice(-lastWords)}`;
    }
    return console.history.slice(before);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.machine[Symbol.asyncDispose]();
  }
}

/** QEMU chose a free port; its monitor tells which. */
async function forwardedPort(machine: RunningMachine): Promise<number> {
  const table = await machine.qmp.execute("human-monitor-command", { "command-line": "info usernet" });
  const port = /HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)/u.exec(String(table))?.[1];
  if (port === undefined) throw new Error(`no forwarded port in ${String(table)}`);
  return Number(port);
}

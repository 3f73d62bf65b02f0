/** What runs inside the private namespaces; its argument says how it behaves. Tells that it is ready by one line of JSON. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { adoptPrivateNamespace, createWire } from "#harness/network";

const behaviours = {
  /** Says where it is, ends with a status of its own. */
  report: async () => {
    const again = await adoptPrivateNamespace();
    ready({
      kind: inside?.kind,
      again: again?.kind,
      pid: process.pid,
      interfaces: Object.keys(networkInterfaces()),
      marker: process.env["SANLAB_NAMESPACE"],
      argument: process.argv[3],
      variable: process.env["SANLAB_TEST"],
    });
    process.exitCode = 7;
  },

  /** Has all that a run has: a wire whose TAP device a child holds, and a daemon that is nobody's child any more. */
  lab: async () => {
    const wire = await createWire({ name: "lab0", address: "192.0.2.1/24" });
    const machine = spawn("sleep", ["1000"], { stdio: ["ignore", "ignore", "ignore", wire.tapFd] });
    await once(machine, "spawn");
    wire.handOver();
    const starter = spawn("setsid", ["sh", "-c", "sleep 1000 & exit 0"], { stdio: "ignore" });
    await once(starter, "exit");
    ready();
    hold();
  },

  /** Cannot notice anything by itself. */
  busy: () => {
    ready();
    for (;;);
  },

  /** Answers each signal by a line, ends on none. */
  stubborn: () => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGWINCH"] as const) {
      process.on(signal, () => console.log(signal));
    }
    ready();
    hold();
  },

  /** Takes itself down in order. */
  orderly: () => {
    for (const [signal, status] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
      ["SIGHUP", 129],
    ] as const) {
      process.on(signal, () => {
        console.log(signal);
        process.exitCode = status;
        process.stdin.destroy();
        clearInterval(holding);
      });
    }
    ready();
    hold();
  },

  /** Has no thoughts about signals. */
  plain: () => {
    ready();
    hold();
  },
} satisfies Record<string, () => void | Promise<void>>;

let holding: NodeJS.Timeout | undefined;

const inside = await adoptPrivateNamespace();
const behaviour = Object.entries(behaviours).find(([name]) => name === process.argv[2]);
await behaviour?.[1]();

function ready(facts: object = {}): void {
  console.log(JSON.stringify({ ...facts, network: readlinkSync("/proc/self/ns/net") }));
}

function hold(): void {
  holding = setInterval(() => undefined, 60_000);
}

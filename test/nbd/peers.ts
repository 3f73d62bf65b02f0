import { existsSync } from "node:fs";
import path from "node:path";
import { execa } from "execa";
import { inFolder } from "./serving.ts";

/**
 * Runs a server that listens at the unix socket it is told, and ends it afterwards. nbdkit writes its pid file when it
 * listens, and so does qemu-nbd.
 */
async function withServer(
  command: (socket: string, pid: string) => readonly [string, ...string[]],
  work: (url: string, folder: string, stop: () => Promise<void>) => Promise<void>,
  exportName = "",
): Promise<void> {
  await inFolder(async (folder) => {
    const socket = path.join(folder, "peer.sock");
    const pid = path.join(folder, "pid");
    const [program, ...args] = command(socket, pid);
    const child = execa(program, args, { reject: false, stdin: "ignore" });
    const stop = async () => {
      child.kill("SIGKILL");
      await child;
    };
    try {
      const ended = child.then(({ stderr }) => {
        throw new Error(`${program}: ${stderr}`);
      });
      ended.catch(() => undefined);
      while (!existsSync(pid)) await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 10))]);
      await work(`nbd+unix:///${exportName}?socket=${socket}`, folder, stop);
    } finally {
      await stop();
    }
  });
}

type Work = (url: string, folder: string, stop: () => Promise<void>) => Promise<void>;

export const withNbdkit = (args: readonly string[], work: Work) =>
  withServer((socket, pid) => ["nbdkit", "-f", "-U", socket, "-P", pid, ...args], work);

export const withQemuNbd = (args: readonly string[], work: Work) =>
  withServer(
    (socket, pid) => [
      "qemu-nbd",
      "-t",
      "-x",
      "an export",
      `--socket=${socket}`,
      `--pid-file=${pid}`,
      ...args,
    ],
    work,
    "an%20export",
  );

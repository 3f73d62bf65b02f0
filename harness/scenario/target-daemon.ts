import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { LabError } from "#core";
import type { Lab } from "#harness/lab";

/** What setpriv, like a shell, ends with when there is no program to start. */
const notFound = 127;
const startLimitMs = 10_000;
const pollMs = 50;

export interface DaemonOptions {
  readonly command: readonly [string, ...string[]];
  readonly env: NodeJS.ProcessEnv;
  /** Files that it leaves in the run folder, to be removed at the end. */
  readonly leftovers: readonly string[];
}

/** A target that is somebody else's program, in the lab's keeping; its words go to `target-PROGRAM.log`. */
export interface Daemon {
  readonly program: string;
  readonly log: string;
  /** How it ended, once it has; `missing`: there is no such program. */
  ended?: { readonly missing: boolean; readonly how: string };
}

export async function startDaemon(lab: Lab, { command, env, leftovers }: DaemonOptions): Promise<Daemon> {
  const [program] = command;
  const daemon: Daemon = { program, log: lab.path(`target-${program}.log`) };
  const log = await open(daemon.log, "w", 0o600);
  // Where there is no namespace to end it, it still has to end with this process.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...command], {
    cwd: lab.folder,
    env,
    stdio: ["ignore", log.fd, log.fd],
  });
  await log.close();
  const exited = once(child, "exit").then(
    ([code, signal]) =>
      (daemon.ended = { missing: code === notFound, how: `it ended with ${String(signal ?? code)}` }),
    () => (daemon.ended = { missing: false, how: "setpriv does not start: apt-get install util-linux" }),
  );
  lab.defer(async () => {
    if (child.kill("SIGKILL")) await exited;
    for (const name of leftovers) await rm(lab.path(name), { recursive: true, force: true });
  });
  return daemon;
}

/**
 * Asks until `answers` has no objection any more, which it gives in words.
 * @throws LabError with `missing` where there is no such program, with `failed` where it ends or does not answer in time.
 */
export async function waitForDaemon(
  daemon: Daemon,
  lab: Lab,
  codes: { readonly missing: string; readonly failed: string; readonly debian: string },
  answers: () => Promise<string | undefined>,
): Promise<void> {
  const limit = performance.now() + startLimitMs;
  for (let reason = await answers(); reason !== undefined; reason = await answers()) {
    if (daemon.ended?.missing === true)
      throw new LabError(
        codes.missing,
        `${daemon.program} is not installed: apt-get install ${codes.debian}`,
      );
    if (daemon.ended !== undefined || performance.now() > limit) {
      throw new LabError(
        codes.failed,
        `${daemon.program} does not answer (${daemon.ended?.how ?? reason}); see ${daemon.log}`,
      );
    }
    await delay(pollMs, undefined, { signal: lab.signal });
  }
}

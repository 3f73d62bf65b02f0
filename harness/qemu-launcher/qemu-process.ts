import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import path from "node:path";
import { Duplex } from "node:stream";
import { execa, type Options } from "execa";
import { LabError } from "#core";
import { inherited } from "./inherited.ts";

export interface ProcessExit {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** The last lines of what QEMU wrote to its log. */
  readonly stderrTail: string;
}

export interface QemuProcess {
  readonly pid: number;
  /** Our end of the socket pair whose other end is QEMU's descriptor 3. */
  readonly monitor: Duplex;
  /** QEMU is gone; what it sent last may still wait in the sockets. */
  readonly gone: Promise<unknown>;
  /** QEMU is gone and all it sent has been read. */
  readonly exited: Promise<ProcessExit>;
  kill(signal: NodeJS.Signals): void;
}

export interface ProcessOptions {
  /** Working directory and the place of the log. */
  readonly runDir: string;
  /** The log's name in the run folder; holds the command line, then all that QEMU prints. Mode 0600. */
  readonly logName: string;
  /** Descriptors handed over as 4 and up. They stay open here; closing them is the caller's. */
  readonly fds: readonly number[];
}

/**
 * The kernel kills QEMU when this process dies, however it dies. A parent that died before `setpriv` asked for that
 * shows as a changed parent id. What QEMU writes (memory, screens, frames) may hold secrets: only its owner reads it.
 */
const wrapper = '[ "$PPID" = "$1" ] || exit 125; shift; umask 077; exec "$@"';
const diesWithParent = ["--pdeathsig", "KILL", "--", "sh", "-c", wrapper, "sh"];

/** Starts QEMU as a child that cannot outlive this process. */
export async function startProcess(
  program: string,
  args: readonly string[],
  options: ProcessOptions,
): Promise<QemuProcess> {
  const logFile = path.join(options.runDir, options.logName);
  writeFileSync(logFile, `${[program, ...args].map(shellQuote).join(" ")}\n\n`, { mode: 0o600 });
  const log = openSync(logFile, "a", 0o600);
  // Options typed as such: inferring the result's type from this very list of descriptors takes the compiler seconds.
  const settings: Options = {
    cwd: options.runDir,
    stdio: ["ignore", inherited(log), inherited(log), "pipe", ...options.fds.map(inherited)],
    buffer: false,
    reject: false,
    // A session of its own: the terminal's Ctrl-C is for us, who then power off in order.
    detached: true,
  };
  const subprocess = execa("setpriv", [...diesWithParent, String(process.pid), program, ...args], settings);
  closeSync(log);
  const { pid } = subprocess;
  const monitor = subprocess.stdio[3];
  if (pid === undefined || !(monitor instanceof Duplex)) {
    throw new LabError(
      "SETPRIV_MISSING",
      "cannot run setpriv, which ties QEMU to this process: install the Debian package util-linux",
    );
  }
  return {
    pid,
    monitor,
    gone: once(subprocess.nodeChildProcess, "exit"),
    exited: subprocess.then(({ exitCode, signal }) => ({
      code: exitCode,
      signal,
      stderrTail: tail(logFile),
    })),
    kill: (signal) => void subprocess.kill(signal),
  };
}

/** The last line that is not empty. */
export function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

/** What follows the command line that opens the log. */
function tail(logFile: string): string {
  const text = readFileSync(logFile, "utf8");
  return text.slice(text.indexOf("\n\n") + 2).slice(-4096);
}

function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { LabError, errorMessage } from "#core";
import { NAMESPACE_MARKER, type OuterMessage } from "./inside-namespace.ts";
import { probeNamespaces, type NamespaceSupport } from "./namespace-support.ts";
import { toolEnvironment } from "./run-tool.ts";

export interface EnterOptions {
  /** The script to run and its arguments. Default: this program's own. */
  readonly argv?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** What `probeNamespaces` said; asked anew where it is not given. */
  readonly support?: NamespaceSupport;
  /** Milliseconds between a request to stop and the killing of everything inside. Default 2,000. */
  readonly graceMs?: number;
  /** Aborting it stops the inner program as SIGTERM does. */
  readonly signal?: AbortSignal;
}

type Signal = OuterMessage["signal"];
const STOPPING = ["SIGINT", "SIGTERM", "SIGHUP"] as const satisfies readonly Signal[];

const RESTORE_STDERR = ["sh", "-c", 'exec "$@" 2>&4 4>&-', "sh"] as const;

/**
 * Runs this program again in namespaces of its own (network, processes, mounts; a user namespace where that gives the
 * right to the others), with the same standard streams, and resolves with its exit status. SIGINT, SIGTERM and SIGHUP are passed
 * on and make that 128 + signal number; what does not end in time then, or gets a second one, is killed.
 *
 * The inner program is process 1 of its process namespace: when it ends, however it ends, the kernel kills all that it
 * started. It dies with `unshare` above it (`--kill-child`), that with this process (`setpriv --pdeathsig`), and beside
 * the kernel's own means it ends when the channel to this process closes. It has a session of its own, so that a Ctrl-C
 * on the terminal comes to this process only and not to every child of the lab at once.
 *
 * @throws LabError `NAMESPACES_FORBIDDEN`, with reason and cure; `LAB_KILLED` where the inner program was killed
 */
export async function enterPrivateNamespace(options: EnterOptions = {}): Promise<number> {
  options.signal?.throwIfAborted();
  const support = options.support ?? (await probeNamespaces());
  if (!support.available) {
    throw new LabError(
      "NAMESPACES_FORBIDDEN",
      `this system lets sanlab have no private namespaces (${support.reason}): ${support.cure}`,
      { details: { reason: support.reason, cure: support.cure } },
    );
  }
  const child = start(support, options);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let stoppedBy: Signal | undefined;
  let complaint = "";
  let timer: NodeJS.Timeout | undefined;

  const stop = (signal: Signal) => {
    if (stoppedBy) {
      child.kill("SIGKILL");
      return;
    }
    stoppedBy = signal;
    tell(child, signal);
    timer = setTimeout(() => child.kill("SIGKILL"), options.graceMs ?? 2000);
  };
  const abort = () => stop("SIGTERM");
  const resized = () => tell(child, "SIGWINCH");
  for (const signal of STOPPING) process.on(signal, stop);
  process.on("SIGWINCH", resized);
  options.signal?.addEventListener("abort", abort, { once: true });

  child.stderr?.on("data", (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  child.once("error", (error) => {
    reject(
      new LabError(
        "NAMESPACES_FORBIDDEN",
        `setpriv does not start (${errorMessage(error)}): apt-get install util-linux`,
        { cause: error },
      ),
    );
  });
  child.once("close", (code) => {
    // Some releases of unshare end with status 1 and a complaint where the child that they wait for was killed.
    const status = complaint === "" ? code : null;
    if (stoppedBy) resolve(128 + constants.signals[stoppedBy]);
    else if (status !== null) resolve(status);
    else reject(broken(complaint));
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    for (const signal of STOPPING) process.off(signal, stop);
    process.off("SIGWINCH", resized);
    options.signal?.removeEventListener("abort", abort);
  }
}

function start(support: NamespaceSupport & { available: true }, options: EnterOptions): ChildProcess {
  const inner = [process.execPath, ...process.execArgv, ...(options.argv ?? process.argv.slice(1))];
  return spawn(
    "setpriv",
    ["--pdeathsig", "KILL", "--", "unshare", ...support.unshare, "--", ...RESTORE_STDERR, ...inner],
    {
      detached: true,
      env: { ...toolEnvironment(options.env), [NAMESPACE_MARKER]: support.kind },
      // The inner program gets this process's standard error back from 4: what unshare itself has to say about the
      // death of its child is no message for people.
      stdio: ["inherit", "inherit", "pipe", "ipc", 2],
    },
  );
}

function tell(child: ChildProcess, signal: Signal): void {
  if (!child.connected) return;
  // The channel may close while the message is on its way: the child's end is awaited anyhow.
  child.send({ signal } satisfies OuterMessage, () => undefined);
}

function broken(complaint: string): LabError {
  const reason = complaint.trim().split("\n").at(-1) ?? "";
  if (reason === "" || reason.includes("sigprocmask")) {
    return new LabError(
      "LAB_KILLED",
      "the process that holds the lab was killed: see 'dmesg' for lack of memory, then run again",
    );
  }
  return new LabError("NAMESPACES_FORBIDDEN", `cannot run inside private namespaces: ${reason}`, {
    details: { reason },
  });
}

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { bin, root } from "../../cli/sanlab.ts";

/** A folder for the evidence of a test's runs; it stays, so that a failed boot can be looked at. */
export function evidenceFolder(name: string): Promise<string> {
  return mkdtemp(path.join(process.env["SANLAB_TEST_RUNS"] ?? tmpdir(), `sanlab-boot-${name}-`));
}

export interface Document {
  readonly outcome: string;
  readonly reached: string;
  readonly class: string | null;
  readonly summary: string;
  readonly timings: Readonly<Record<string, number>>;
  readonly ibft: Readonly<Record<string, unknown>> | null;
  readonly evidence: readonly unknown[];
  readonly run: string;
}

/** A `sanlab boot` that runs. */
export class Boot {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  readonly #seen = new Set<() => void>();

  constructor(
    args: readonly string[],
    options: { readonly env?: NodeJS.ProcessEnv; readonly wrap?: readonly string[] } = {},
  ) {
    const [file = bin, ...before] = options.wrap ?? [];
    const own = options.wrap === undefined ? [] : [bin];
    this.child = spawn(file, [...before, ...own, "boot", ...args], {
      cwd: root,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      for (const look of this.#seen) look();
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error("sanlab did not start");
    return this.child.pid;
  }

  /** Waits for a line on standard error; rejects when sanlab ends before. */
  async until(pattern: RegExp): Promise<void> {
    const found = Promise.withResolvers<void>();
    const look = () => pattern.test(this.stderr) && found.resolve();
    this.#seen.add(look);
    look();
    this.child.once("close", () =>
      found.reject(new Error(`sanlab ended before ${pattern}:\n${this.stderr}`)),
    );
    await found.promise;
    this.#seen.delete(look);
  }

  async end(): Promise<{ status: number | null; signal: string | null }> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) {
      return { status: this.child.exitCode, signal: this.child.signalCode };
    }
    const [status, signal] = (await once(this.child, "close")) as [number | null, string | null];
    return { status, signal };
  }

  document(): Document {
    return JSON.parse(this.stdout) as Document;
  }
}

export interface Process {
  readonly pid: number;
  readonly started: string;
  readonly command: string;
  readonly namespace: string;
}

/** A process and all that it started, outermost first. */
export function family(pid: number): readonly Process[] {
  const all = processes();
  const children = (parent: number): readonly Process[] =>
    all.flatMap((one) => (one.parent === parent ? [one, ...children(one.pid)] : []));
  return [...all.filter((one) => one.pid === pid), ...children(pid)];
}

/** Whether a process (by number and start time) is there and not merely waiting to be reaped. */
function lives({ pid, started }: Process): boolean {
  const now = stat(pid);
  return now !== undefined && now.started === started && now.state !== "Z";
}

/** Resolves when none of them lives any more. */
export async function allGone(list: readonly Process[]): Promise<void> {
  const { setTimeout: delay } = await import("node:timers/promises");
  while (list.some(lives)) await delay(20);
}

/** Processes that are in one of these network namespaces. */
export function inNamespaces(namespaces: ReadonlySet<string>): readonly Process[] {
  return processes().filter((one) => namespaces.has(one.namespace));
}

export const ownNamespace = readlinkSync("/proc/self/ns/net");

function processes(): readonly (Process & { readonly parent: number })[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const pid = Number(name);
      const facts = stat(pid);
      return facts === undefined
        ? []
        : [
            {
              pid,
              ...facts,
              command: read(`/proc/${pid}/cmdline`).replaceAll("\0", " "),
              namespace: link(`/proc/${pid}/ns/net`),
            },
          ];
    });
}

function stat(pid: number): { parent: number; started: string; state: string } | undefined {
  const fields = read(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, "")
    .split(" ");
  const [state = "", parent = ""] = fields;
  return fields.length < 20 ? undefined : { state, parent: Number(parent), started: fields[19] ?? "" };
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function link(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}

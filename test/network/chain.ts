import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { ExecutionContext } from "ava";

export const outerProgram = path.join(import.meta.dirname, "programs", "outer.ts");
export const node = [process.execPath, "--conditions=source"] as const;

/** A running outer program with everything below it. */
export class Chain {
  readonly process: ChildProcess;
  /** A folder that is current folder and TMPDIR of all of them. */
  readonly folder: string;
  readonly #lines: string[] = [];
  readonly #ended: Promise<unknown>;
  #waiting: (() => void) | undefined;

  constructor(t: ExecutionContext, command: readonly string[]) {
    const folder = mkdtempSync(path.join(tmpdir(), "sanlab-chain-"));
    const [file = "", ...args] = command;
    this.folder = folder;
    this.process = spawn(file, args, {
      cwd: folder,
      env: { ...process.env, TMPDIR: folder },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#ended = once(this.process, "close");
    createInterface({ input: this.process.stdout! }).on("line", (line) => {
      this.#lines.push(line);
      this.#waiting?.();
    });
    t.teardown(async () => {
      this.process.kill("SIGKILL");
      await this.#ended;
      rmSync(folder, { recursive: true });
    });
  }

  /** The next line that any of them prints. */
  async line(): Promise<string> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return line;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting = resolve;
      await Promise.race([promise, this.#ended]);
      if (this.#lines.length === 0 && this.process.exitCode !== null)
        throw new Error("it ended without another line");
    }
  }

  async json(): Promise<Readonly<Record<string, unknown>>> {
    const facts: Readonly<Record<string, unknown>> = JSON.parse(await this.line());
    return facts;
  }

  /** The exit status, or the name of the signal. */
  async status(): Promise<number | string | null> {
    await this.#ended;
    return this.process.exitCode ?? this.process.signalCode;
  }

  /** Process ids from the outer program to the inner one. */
  links(): readonly [outer: number, unshare: number, inner: number] {
    const outer = this.process.pid!;
    const unshare = childrenOf(outer)[0]!;
    return [outer, unshare, childrenOf(unshare)[0]!];
  }
}

/** Resolves when nothing is left of a network namespace: no process is in it. */
export async function abandoned(network: string): Promise<void> {
  while (processesIn(network).length > 0) await sleep(10);
}

export function processesIn(network: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/ns/net`) === network;
      } catch {
        return false;
      }
    })
    .map(Number);
}

function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
}

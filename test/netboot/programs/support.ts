import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

export interface Event {
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
}

// The tests have gone: so must all that was started here, which is what the namespace sees to.
process.stdin.on("end", () => process.exit(1)).resume();

/** What a component reported, with a way to wait for more. */
export class Events {
  readonly all: Event[] = [];
  #wake = Promise.withResolvers<void>();

  readonly report = (kind: string, data: Readonly<Record<string, unknown>>): void => {
    this.all.push({ kind, data });
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  };

  /** The first event from index `from` on that satisfies the condition, now or later. */
  async next(condition: (event: Event) => boolean, from = 0): Promise<Event> {
    for (;;) {
      const found = this.all.slice(from).find(condition);
      if (found) return found;
      await this.#wake.promise;
    }
  }
}

export function sh(command: string): string {
  return execFileSync("sh", ["-c", command], { encoding: "utf8" });
}

/** A network namespace within this one, held by a process. */
export async function netNamespace(): Promise<{ readonly pid: number; readonly enter: readonly string[] }> {
  const holder = spawn("unshare", ["--net", "sh", "-c", "ip link set lo up; echo ready; cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  return { pid: holder.pid!, enter: ["nsenter", "-t", String(holder.pid), "-n", "--"] };
}

/** Starts a program and waits until it says `ready`. */
export async function startUntil(ready: RegExp, command: readonly string[]): Promise<ChildProcess> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
  const said = Promise.withResolvers<void>();
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on("line", (line) => {
      text += `${line}\n`;
      if (ready.test(line)) said.resolve();
    });
  }
  child.once("exit", () => said.reject(new Error(`${file} ended early: ${text}`)));
  await said.promise;
  return child;
}

export async function end(child: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  await exited;
}

export async function runToEnd(command: readonly string[]): Promise<string> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => (text += data.toString()));
  await once(child, "close");
  return text;
}

/** Looks again and again until there is something to see. */
export async function until<T>(look: () => T | undefined | ""): Promise<T> {
  for (;;) {
    const seen = look();
    if (seen !== undefined && seen !== "") return seen;
    await delay(20);
  }
}

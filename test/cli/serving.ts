import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import type { ExecutionContext } from "ava";
import { bin, root } from "./sanlab.ts";

export interface Event {
  readonly kind: string;
  readonly [key: string]: unknown;
}

export interface Serving {
  readonly child: ChildProcess;
  /** What it said in `listening`. */
  readonly listening: Event;
  /** The next event of a kind. */
  readonly until: (kind: string) => Promise<Event>;
}

/** A folder that is gone after the test. */
export async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-serve-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts a serving command with `--json`; resolves when it listens. */
export async function start(
  t: ExecutionContext,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Serving> {
  const child = spawn(bin, [...args, "--json"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  t.teardown(() => child.kill("SIGKILL"));
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const until = async (kind: string): Promise<Event> => {
    for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
      const event = JSON.parse(line.value) as Event;
      if (event.kind === kind) return event;
    }
    throw new Error(`ended before ${kind}: ${said}`);
  };
  return { child, listening: await until("listening"), until };
}

/** Starts `sanlab target serve` on a free port; `url` is that of its unit 0. */
export async function startTarget(
  t: ExecutionContext,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Serving & { readonly url: string }> {
  const serving = await start(t, ["target", "serve", "--listen", "127.0.0.1:0", ...args], env);
  const { port, target } = serving.listening;
  return { ...serving, url: `iscsi://127.0.0.1:${String(port)}/${String(target)}/0` };
}

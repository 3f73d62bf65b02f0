import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

const ownIqn = "iqn.2026-01.org.sanlab:bench";

/** `sanlab target serve` in a process of its own, as anybody would run it. */
export class OwnTarget implements AsyncDisposable {
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(port: number, process: ChildProcess) {
    this.port = port;
    this.#process = process;
  }

  /** `what` are the images and options that say what to serve. */
  static async start(what: readonly string[]): Promise<OwnTarget> {
    const root = path.resolve(import.meta.dirname, "../..");
    const child = spawn(
      path.join(root, "bin/sanlab"),
      ["target", "serve", ...what, "--json", "--listen", "127.0.0.1:0", "--iqn", ownIqn],
      { stdio: ["ignore", "pipe", "ignore"] },
    );
    for await (const line of createInterface({ input: child.stdout })) {
      const event = JSON.parse(line) as { readonly kind: string; readonly port?: number };
      if (event.kind !== "listening") continue;
      child.stdout.resume();
      return new OwnTarget(event.port ?? 0, child);
    }
    throw new Error("sanlab target serve ended early");
  }

  get url(): string {
    return `iscsi://127.0.0.1:${this.port}/${ownIqn}/0`;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await gone;
  }
}

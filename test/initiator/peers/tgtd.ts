import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
export const tgtdTarget = "iqn.2001-04.com.example:tgtd.disk";

export interface TgtdOptions {
  /** Bytes of each LUN's backing file. */
  readonly size?: number;
  readonly luns?: number;
  /** "rdwr" over a file, or "null". */
  readonly store?: "rdwr" | "null";
  /** Serves this file as LUN 1 instead of one of its own. */
  readonly file?: string;
  readonly parameters?: Readonly<Record<string, string | number>>;
  readonly user?: { readonly name: string; readonly secret: string };
  readonly outgoing?: { readonly name: string; readonly secret: string };
}

/** Debian's tgtd on a port of its own, with a target of its own; gone when disposed. */
export class Tgtd implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #process: ChildProcess;

  private constructor(port: number, folder: string, process: ChildProcess) {
    this.port = port;
    this.#folder = folder;
    this.#process = process;
  }

  static async start(options: TgtdOptions = {}): Promise<Tgtd> {
    const folder = await mkdtemp(path.join(tmpdir(), "sanlab-tgtd-"));
    const port = await freePort();
    const process = spawn("tgtd", ["-f", "-C", "0", "--iscsi", `portal=127.0.0.1:${port}`], {
      env: { ...globalThis.process.env, TGT_IPC_SOCKET: path.join(folder, "ipc") },
      stdio: ["ignore", "ignore", "inherit"],
    });
    const peer = new Tgtd(port, folder, process);
    try {
      await peer.#answering();
      await peer.#setUp(options);
      return peer;
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    }
  }

  async admin(...args: readonly string[]): Promise<string> {
    const env = { ...globalThis.process.env, TGT_IPC_SOCKET: path.join(this.#folder, "ipc") };
    return (await run("tgtadm", ["-C", "0", "--lld", "iscsi", ...args], { env })).stdout;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** The backing file of a LUN. */
  image(lun: number): string {
    return path.join(this.#folder, `lun${lun}.img`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const gone = new Promise((resolve) => this.#process.once("exit", resolve));
      this.#process.kill("SIGKILL");
      await gone;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #answering(): Promise<void> {
    for (;;) {
      if (this.#process.exitCode !== null)
        throw new Error(`tgtd ended with status ${this.#process.exitCode}`);
      const answers = await this.admin("--op", "show", "--mode", "sys").then(
        () => true,
        () => false,
      );
      if (answers) return;
      await sleep(20);
    }
  }

  async #setUp({
    size = 16 * 1024 * 1024,
    luns = 1,
    store = "rdwr",
    file,
    parameters = {},
    user,
    outgoing,
  }: TgtdOptions): Promise<void> {
    const target = ["--mode", "target", "--tid", "1"];
    await this.admin("--op", "new", ...target, "-T", tgtdTarget);
    for (let lun = 1; lun <= luns; lun++) {
      const where = ["--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", String(lun)];
      if (store === "null") {
        await this.admin(...where, "-b", "/dev/zero", "--bstype", "null");
        continue;
      }
      if (file === undefined) {
        await writeFile(this.image(lun), "");
        await truncate(this.image(lun), size);
      }
      await this.admin(...where, "-b", file ?? this.image(lun), "--bstype", "rdwr");
    }
    for (const [name, value] of Object.entries(parameters)) {
      await this.admin("--op", "update", ...target, "--name", name, "--value", String(value));
    }
    for (const [account, flags] of [
      [user, []],
      [outgoing, ["--outgoing"]],
    ] as const) {
      if (account === undefined) continue;
      await this.admin(
        "--op",
        "new",
        "--mode",
        "account",
        "--user",
        account.name,
        "--password",
        account.secret,
      );
      await this.admin("--op", "bind", "--mode", "account", "--tid", "1", "--user", account.name, ...flags);
    }
    await this.admin("--op", "bind", ...target, "-I", "ALL");
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { errorMessage, LabError } from "#core";
import { Qmp, QmpError } from "./qmp.ts";
import type { Wait } from "./waiting.ts";

/** A stretch of guest RAM, `to` not included. */
export interface RamStretch {
  readonly from: number;
  readonly to: number;
}

const fourGiB = 0x1_0000_0000;
const greetingMs = 5000;
/** How many bytes of memory one line of the monitor's answer may ask for. */
const examined = 4096;

/**
 * The physical memory of a machine that somebody else started, by its monitor socket. Nothing is stopped or changed.
 * QEMU writes what is read into a file of a folder of ours; where it must not, or it runs elsewhere, its monitor is asked
 * to print the bytes, which is slower by far.
 */
export class LiveMemory implements AsyncDisposable {
  readonly #qmp: Qmp;
  readonly #folder: string;
  #byFile = true;

  private constructor(qmp: Qmp, folder: string) {
    this.#qmp = qmp;
    this.#folder = folder;
  }

  /**
   * Connects to a QMP socket: a path, or HOST:PORT.
   *
   * @throws LabError `QMP_UNREACHABLE` where nobody listens, or the monitor is taken: QEMU serves one client at a time
   */
  static async connect(address: string, wait: Wait = {}): Promise<LiveMemory> {
    const socket = await open(address, wait);
    try {
      const qmp = await Qmp.connect(socket, { timeoutMs: greetingMs, ...wait });
      return new LiveMemory(qmp, await mkdtemp(path.join(tmpdir(), "sanlab-qmp-")));
    } catch (error) {
      socket.destroy();
      throw unreachable(
        address,
        `${errorMessage(error)}; is another program connected to this monitor?`,
        error,
      );
    }
  }

  /** RAM below 4 GiB, where firmware keeps its tables: by QEMU's own map of what the processor sees. */
  async ram(wait: Wait = {}): Promise<readonly RamStretch[]> {
    return ramOf(await this.#monitor("info mtree -f", wait));
  }

  /** Bytes at a physical address; what nothing backs reads as zeros. */
  async read(address: number, length: number, wait: Wait = {}): Promise<Buffer> {
    if (this.#byFile) {
      const bytes = await this.#save(address, length, wait);
      if (bytes !== undefined) return bytes;
      this.#byFile = false;
    }
    return await this.#examine(address, length, wait);
  }

  /** Whether much can be read: without files a megabyte takes seconds. */
  get isQuick(): boolean {
    return this.#byFile;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#qmp[Symbol.dispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #save(address: number, length: number, wait: Wait): Promise<Buffer | undefined> {
    const filename = path.join(this.#folder, "memory");
    try {
      await this.#qmp.execute("pmemsave", { val: address, size: length, filename }, wait);
      const bytes = await readFile(filename);
      return bytes.length === length ? bytes : undefined;
    } catch (error) {
      if (error instanceof QmpError || (error instanceof Error && "syscall" in error)) return undefined;
      throw error;
    } finally {
      await rm(filename, { force: true });
    }
  }

  /** `xp /Nxb ADDRESS` prints `00000000000f5a30: 0x52 0x53 …`, eight bytes a line. */
  async #examine(address: number, length: number, wait: Wait): Promise<Buffer> {
    const bytes: number[] = [];
    while (bytes.length < length) {
      const count = Math.min(examined, length - bytes.length);
      const text = await this.#monitor(`xp /${count}xb 0x${(address + bytes.length).toString(16)}`, wait);
      const got = [...text.matchAll(/\b0x([0-9a-f]{2})\b/g)].map(([, byte = "0"]) =>
        Number.parseInt(byte, 16),
      );
      if (got.length !== count) return Buffer.concat([Buffer.from(bytes)], length);
      bytes.push(...got);
    }
    return Buffer.from(bytes);
  }

  async #monitor(command: string, wait: Wait): Promise<string> {
    const answer = await this.#qmp.execute("human-monitor-command", { "command-line": command }, wait);
    return typeof answer === "string" ? answer : "";
  }
}

/** RAM below 4 GiB in the flat view of the system's address space, as `info mtree -f` prints it. */
export function ramOf(mtree: string): readonly RamStretch[] {
  const view = mtree.split(/^FlatView /m).find((part) => /AS "memory", root: system\b/.test(part)) ?? "";
  const lines = view.matchAll(/^\s*([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ram\):/gm);
  return [...lines]
    .map(([, from = "", to = ""]) => ({
      from: Number.parseInt(from, 16),
      to: Math.min(Number.parseInt(to, 16) + 1, fourGiB),
    }))
    .filter(({ from, to }) => from < to);
}

async function open(address: string, { signal }: Wait): Promise<Socket> {
  const tcp = /^([^/]*):(\d+)$/.exec(address);
  const host = tcp?.[1]?.replaceAll(/[[\]]/g, "");
  const socket =
    tcp === null ? connect({ path: address }) : connect({ host: host || "localhost", port: Number(tcp[2]) });
  const connected = Promise.withResolvers<void>();
  socket.once("connect", connected.resolve).once("error", connected.reject);
  const stop = () => connected.reject(signal?.reason);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    await connected.promise;
    return socket;
  } catch (error) {
    socket.destroy();
    signal?.throwIfAborted();
    throw unreachable(address, errorMessage(error), error);
  } finally {
    signal?.removeEventListener("abort", stop);
    socket.off("error", connected.reject);
  }
}

function unreachable(address: string, why: string, cause: unknown): LabError {
  return new LabError(
    "QMP_UNREACHABLE",
    `no QEMU monitor at ${address} (${why}); start QEMU with -qmp unix:${address},server=on,wait=off`,
    { cause },
  );
}

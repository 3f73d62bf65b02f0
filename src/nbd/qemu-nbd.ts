import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa, type Options } from "execa";
import { LabError, SanlabError, errorCode, withTimeout } from "#core";
import { NbdDevice } from "./device.ts";
import type { ImageNode } from "./image-node.ts";
import { missing } from "./qemu-img.ts";
import { formatNbdUrl } from "./url.ts";

/** How long qemu-nbd may take to open an image, milliseconds; a qcow2 that was not closed is checked first. */
const openTimeoutMs = 60_000;
const retryMs = 20;

/**
 * qemu-nbd ends when its only client leaves, and the kernel ends it when this process dies before that. A parent that
 * died before `setpriv` asked for that shows as a changed parent id.
 */
const wrapper = '[ "$PPID" = "$1" ] || exit 125; shift; exec "$@"';
const endsWithParent = ["--pdeathsig", "TERM", "--", "sh", "-c", wrapper, "sh"];

export interface QemuNbdOptions {
  readonly readOnly?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Opens an image through a qemu-nbd of its own, which ends with the device.
 * @throws LabError TOOL_MISSING; SanlabError IMAGE_BROKEN with qemu-nbd's own words; TimeoutError
 */
export async function openThroughQemu(
  image: string,
  node: ImageNode,
  options: QemuNbdOptions = {},
): Promise<NbdDevice> {
  const { readOnly = false, signal } = options;
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-nbd-"));
  try {
    const socket = path.join(folder, "socket");
    const server = new QemuNbd(image, [
      `--socket=${socket}`,
      "--discard=unmap",
      ...(readOnly ? ["--read-only"] : []),
      `json:${JSON.stringify(node)}`,
    ]);
    try {
      return await withTimeout(
        `${image}: qemu-nbd`,
        openTimeoutMs,
        (signal) => connectWhenReady(socket, server, { readOnly, signal, name: image }),
        signal,
      );
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  } finally {
    // Both ends are connected by now: the socket needs its name no more.
    await rm(folder, { recursive: true, force: true });
  }
}

async function connectWhenReady(
  socket: string,
  server: QemuNbd,
  options: { readonly readOnly: boolean; readonly signal: AbortSignal; readonly name: string },
): Promise<NbdDevice> {
  const url = formatNbdUrl({ address: { path: socket }, exportName: "" });
  for (;;) {
    server.throwIfEnded();
    options.signal.throwIfAborted();
    try {
      return await NbdDevice.connect(url, { ...options, timeoutMs: openTimeoutMs, server });
    } catch (error) {
      const code = error instanceof SanlabError ? errorCode(error.cause) : "";
      if (code !== "ENOENT" && code !== "ECONNREFUSED") {
        server.throwIfEnded();
        throw error;
      }
    }
    await delay(retryMs, undefined, { signal: options.signal });
  }
}

/** The child. Disposal waits until it has closed the image. */
class QemuNbd implements AsyncDisposable {
  readonly #image: string;
  readonly #child;
  readonly #exited: Promise<void>;
  #ended: { readonly code: number | undefined; readonly said: string } | undefined;

  constructor(image: string, args: readonly string[]) {
    this.#image = image;
    const settings: Options = {
      stdio: ["ignore", "ignore", "pipe"],
      reject: false,
      env: { LC_ALL: "C" },
      // A session of its own: the terminal's Ctrl-C is for us, who still have writes to flush.
      detached: true,
    };
    this.#child = execa("setpriv", [...endsWithParent, String(process.pid), "qemu-nbd", ...args], settings);
    this.#exited = this.#watch();
  }

  async #watch(): Promise<void> {
    const { exitCode, stderr } = await this.#child;
    const said = typeof stderr === "string" ? (stderr.trim().split("\n").at(-1) ?? "") : "";
    this.#ended = { code: exitCode, said };
  }

  throwIfEnded(): void {
    if (this.#ended === undefined) return;
    const { code, said } = this.#ended;
    if (code === undefined)
      throw new LabError("TOOL_MISSING", "setpriv does not start: sudo apt-get install util-linux");
    if (code === 127 || /exec: .*not found/.test(said)) throw missing("qemu-nbd");
    throw new SanlabError("IMAGE_BROKEN", `${this.#image}: ${said || `qemu-nbd ended with status ${code}`}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // After its client has left it ends by itself; one that never had a client is told to.
    this.#child.kill("SIGTERM");
    await this.#exited;
  }
}

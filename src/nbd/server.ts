import { existsSync } from "node:fs";
import { chmod, lstat, unlink } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { LabError, UsageError, errorCode, errorMessage, type Report } from "#core";
import type { IoOptions } from "#block";
import { NbdExport, type NbdExportOptions } from "./export.ts";
import { ServerConnection } from "./server-connection.ts";
import { formatNbdAddress, formatNbdUrl, type NbdAddress } from "./url.ts";

export interface NbdServerOptions {
  /** Port 0 is any free one. */
  readonly listen: NbdAddress;
  readonly exports: readonly NbdExportOptions[];
  /**
   * `connected`, `negotiated`, `disconnected`, `protocol-error` (all with `connection`, counted from 1);
   * `command` as soon as it has come, with `connection`, `export`, `command`, `offset`, `length` (bytes) and `fenced`;
   * `command-failed` with the same and `error`, `message`; `fenced` with `export`.
   */
  readonly report?: Report;
  /** Further clients are turned away; 64 unless told. Each can hold 64 MiB of data and 128 requests open. */
  readonly maxConnections?: number;
  /** How long a client may take to choose an export, milliseconds; 10,000 unless told. */
  readonly handshakeTimeoutMs?: number;
  /** Closes the server. */
  readonly signal?: AbortSignal;
}

/** How long a closing server waits for commands that are open, milliseconds. */
const graceMs = 2000;

/**
 * Serves block devices over NBD: fixed newstyle negotiation, structured replies, block status.
 *
 * @throws UsageError BAD_EXPORT, BAD_SOCKET; LabError SOCKET_IN_USE, PORT_IN_USE, CANNOT_LISTEN
 */
export async function serveNbd(options: NbdServerOptions): Promise<NbdServer> {
  options.signal?.throwIfAborted();
  const server = new NbdServer(options);
  await server.listen();
  options.signal?.addEventListener("abort", () => void server[Symbol.asyncDispose](), { once: true });
  return server;
}

/** A running NBD server. Disposal answers what is open, hangs up and removes the socket; the devices stay open. */
class NbdServer implements AsyncDisposable {
  readonly #options: NbdServerOptions;
  readonly #report: Report;
  readonly #exports: readonly NbdExport[];
  readonly #server: Server;
  readonly #connections = new Map<ServerConnection, Promise<void>>();
  #address: NbdAddress;
  #count = 0;
  #closed: Promise<void> | undefined;

  constructor(options: NbdServerOptions) {
    this.#options = options;
    this.#report = options.report ?? (() => undefined);
    this.#address = options.listen;
    this.#exports = options.exports.map((each) => new NbdExport(each));
    if (new Set(this.#exports.map(({ name }) => name)).size !== this.#exports.length)
      throw new UsageError("BAD_EXPORT", "two exports have the same name");
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
  }

  async listen(): Promise<void> {
    const { listen } = this.#options;
    if ("path" in listen) return await this.#listenAtPath(listen.path);
    await listening(this.#server, listen);
    const bound = this.#server.address();
    if (bound !== null && typeof bound !== "string") this.#address = { host: listen.host, port: bound.port };
  }

  /** Where it listens; the port is the real one. */
  get address(): NbdAddress {
    return this.#address;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** The NBD URL of an export. */
  url(name: string): string {
    return formatNbdUrl({ address: this.#address, exportName: name });
  }

  /**
   * Takes an export away from its clients: from this call on every command to it answers with ESHUTDOWN and is
   * reported with `fenced: true`. A client that is connected stays so, and nobody can choose the export any more.
   * Resolves when the commands that came before are over, so that afterwards nothing of theirs reaches the device.
   *
   * A client that lets go of its disk may well send a flush, as QEMU does: a fenced flush alone does not show that
   * somebody still uses it.
   * @throws UsageError NO_EXPORT
   */
  async fence(name: string, options: IoOptions = {}): Promise<void> {
    const found = this.#exports.find((each) => each.name === name);
    if (found === undefined) throw new UsageError("NO_EXPORT", `there is no export ${JSON.stringify(name)}`);
    if (!found.fenced) this.#report("fenced", { export: name });
    await found.fence(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.all([...this.#connections.keys()].map((connection) => connection.close(graceMs)));
    await Promise.all(this.#connections.values());
    // Node.js removes a unix socket itself when its server closes.
    await closed;
  }

  #accept(socket: Socket): void {
    const connection = new ServerConnection(socket, ++this.#count, this.#report);
    if (this.#connections.size >= (this.#options.maxConnections ?? 64)) {
      this.#report("turned-away", { connection: connection.number });
      return connection.destroy("too many connections");
    }
    this.#report("connected", { connection: connection.number, peer: socket.remoteAddress ?? "unix" });
    const served = connection.serve(this.#exports, this.#options.handshakeTimeoutMs ?? 10_000);
    this.#connections.set(
      connection,
      served.finally(() => this.#connections.delete(connection)),
    );
  }

  async #listenAtPath(path: string): Promise<void> {
    // The kernel's limit is 108 with the closing zero; Node.js cuts longer paths without a word.
    if (Buffer.byteLength(path) > 107)
      throw new UsageError("BAD_SOCKET", `${path}: the path of a socket has 107 bytes at most`);
    if (!existsSync(dirname(path)))
      throw new UsageError("NO_SUCH_FOLDER", `${path}: the folder does not exist; make it first`);
    await listening(this.#server, { path }).catch(async (error: unknown) => {
      if (codeOfCause(error) !== "EADDRINUSE" || !(await isAbandoned(path))) throw error;
      await unlink(path);
      await listening(this.#server, { path });
    });
    await chmod(path, 0o600);
  }
}

export type { NbdServer };

function listening(server: Server, where: NbdAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => reject(listenError(error, where));
    server.once("error", fail);
    server.listen(where, () => {
      server.off("error", fail);
      resolve();
    });
  });
}

const codeOfCause = (error: unknown) => (error instanceof Error ? errorCode(error.cause) : "");

/** A socket that nobody listens at, as a server leaves it that was killed. */
async function isAbandoned(path: string): Promise<boolean> {
  if (!(await lstat(path)).isSocket()) return false;
  return await new Promise((resolve) => {
    const socket = connect({ path });
    socket
      .once("connect", () => resolve(false))
      .once("error", (error) => resolve(errorCode(error) === "ECONNREFUSED"));
    socket.once("connect", () => socket.destroy());
  });
}

function listenError(error: NodeJS.ErrnoException, where: NbdAddress): Error {
  const init = { cause: error };
  const name = formatNbdAddress(where);
  if (error.code === "EADDRINUSE")
    return "path" in where
      ? new LabError("SOCKET_IN_USE", `${name} exists already; choose another path or end its server`, init)
      : new LabError(
          "PORT_IN_USE",
          `${name} is in use by another program; choose another port or end it`,
          init,
        );
  return new LabError("CANNOT_LISTEN", `cannot listen on ${name}: ${errorMessage(error)}`, init);
}

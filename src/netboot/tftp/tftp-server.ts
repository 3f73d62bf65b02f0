import { errorMessage, type Report } from "#core";
import type { BootFiles, OpenBootFile } from "../files/boot-files.ts";
import { UdpSocket } from "../udp-socket.ts";
import type { Wire } from "../wire.ts";
import { decodeTftp, encodeError, TftpError, type TftpPacket } from "./tftp-packet.ts";
import { negotiate, type TransferLimits } from "./tftp-options.ts";
import { TftpTransfer } from "./tftp-transfer.ts";

export interface TftpConfig {
  /** Default 69. */
  readonly port?: number;
  /** Default 1468, which fills an Ethernet frame; more would be sent in fragments, which much firmware cannot take. */
  readonly maxBlockSize?: number;
  /** Default 32. */
  readonly maxWindowSize?: number;
  /** Transfers at one time; further clients are refused. Default 256. */
  readonly maxTransfers?: number;
}

type ReadRequest = Extract<TftpPacket, { readonly file: string }>;
type Peer = { readonly address: string; readonly port: number };

/** A read-only TFTP server (RFC 1350, options of RFC 2347-2349 and 7440) on one wire; each transfer has its own port. */
export class TftpServer implements AsyncDisposable {
  readonly #wire: Wire;
  readonly #files: BootFiles;
  readonly #config: TftpConfig;
  readonly #limits: TransferLimits;
  readonly #report: Report;
  readonly #transfers = new Map<string, TftpTransfer | undefined>();
  readonly #running = new Set<Promise<void>>();
  #socket: UdpSocket | undefined;
  #closed = false;

  private constructor(wire: Wire, files: BootFiles, config: TftpConfig, report: Report) {
    this.#wire = wire;
    this.#files = files;
    this.#config = config;
    this.#report = report;
    this.#limits = { maxBlockSize: config.maxBlockSize ?? 1468, maxWindowSize: config.maxWindowSize ?? 32 };
  }

  /** @throws LabError where the port cannot be had */
  static async start(wire: Wire, files: BootFiles, config: TftpConfig, report: Report): Promise<TftpServer> {
    const server = new TftpServer(wire, files, config, report);
    server.#socket = await UdpSocket.open({
      wire,
      port: config.port ?? 69,
      broadcast: false,
      service: "TFTP server",
      onMessage: (datagram, from) => server.#receive(datagram, from),
      onError: (error) => server.#failed("", undefined, errorMessage(error)),
    });
    return server;
  }

  get port(): number {
    return this.#socket?.port ?? 0;
  }

  /** Ends transfers that are under way; their clients are told. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const transfer of this.#transfers.values()) transfer?.abort("the server is being shut down");
    await Promise.all(this.#running);
    await this.#socket?.[Symbol.asyncDispose]();
  }

  #receive(datagram: Buffer, from: Peer): void {
    const packet = decodeTftp(datagram);
    if (!packet || !("file" in packet)) return;
    const key = `${from.address} ${from.port}`;
    // The same request again: the client has not seen the first answer, which will be retransmitted.
    if (this.#closed || this.#transfers.has(key)) return;
    const refusal = this.#refusal(packet);
    if (refusal) {
      this.#failed(packet.file, from, refusal.message);
      void this.#socket?.send(encodeError(refusal.code, refusal.message), from);
      return;
    }
    this.#transfers.set(key, undefined);
    const running = this.#serve(packet, from, key)
      .catch((error: unknown) => this.#failed(packet.file, from, errorMessage(error)))
      .finally(() => {
        this.#transfers.delete(key);
        this.#running.delete(running);
      });
    this.#running.add(running);
  }

  #refusal(request: ReadRequest): { readonly code: TftpError; readonly message: string } | undefined {
    if (request.kind === "write") {
      return { code: TftpError.AccessViolation, message: "this server is read-only" };
    }
    if (request.mode !== "octet") {
      return { code: TftpError.IllegalOperation, message: "only octet mode is supported" };
    }
    if (this.#transfers.size >= (this.#config.maxTransfers ?? 256)) {
      return { code: TftpError.NotDefined, message: "too many transfers; try again later" };
    }
    return undefined;
  }

  async #serve(request: ReadRequest, peer: Peer, key: string): Promise<void> {
    let transfer: TftpTransfer | undefined;
    await using socket = await UdpSocket.open({
      wire: this.#wire,
      port: 0,
      broadcast: false,
      service: "TFTP transfer",
      onMessage: (datagram, from) => {
        if (from.address === peer.address && from.port === peer.port) {
          const packet = decodeTftp(datagram);
          if (packet) transfer?.receive(packet);
        } else {
          void socket.send(encodeError(TftpError.UnknownTransfer, "unknown transfer"), from);
        }
      },
      onError: (error) => transfer?.abort(errorMessage(error)),
    });
    await using file = await this.#find(request.file);
    if (!file) {
      await socket.send(encodeError(TftpError.FileNotFound, "file not found"), peer);
      this.#failed(request.file, peer, "file not found");
      return;
    }
    const { settings, acknowledged } = negotiate(request.options, file.size, this.#limits);
    const { blockSize, windowSize } = settings;
    const about = { interface: this.#wire.name, ip: peer.address, file: request.file };
    this.#report("tftp-read", { ...about, size: file.size, blockSize, windowSize });
    transfer = new TftpTransfer({
      file,
      settings,
      acknowledged,
      send: (packet) => void socket.send(packet, peer),
    });
    this.#transfers.set(key, transfer);
    const finished = transfer.run();
    if (this.#closed) transfer.abort("the server is being shut down");
    const { outcome, reason, bytes, retransmissions } = await finished;
    if (outcome === "done") this.#report("tftp-done", { ...about, bytes, retransmissions });
    else this.#report("tftp-error", { ...about, bytes, retransmissions, reason });
  }

  /** Programs of Windows ask with backslashes, and mean slashes unless a file is really called so. */
  async #find(name: string): Promise<OpenBootFile | undefined> {
    return (await this.#files.find(name)) ?? (await this.#files.find(name.replaceAll("\\", "/")));
  }

  #failed(file: string, peer: Peer | undefined, reason: string): void {
    this.#report("tftp-error", {
      interface: this.#wire.name,
      ...(peer && { ip: peer.address }),
      file,
      reason,
    });
  }
}

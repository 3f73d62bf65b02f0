import { connect, type Socket } from "node:net";
import { TimeoutError, type Report } from "#core";
import { crc32c } from "#digest";
import { Framer, type FrameSink, type PduInit } from "ts-iscsi-pdu";
import type { ByteTrace } from "./byte-trace.ts";
import { PeerProtocolError, TransportError } from "./errors.ts";
import { Outbox } from "./outbox.ts";
import { formatPortal, type Portal } from "./url.ts";

/** Bytes taken from the socket at a time: what a few long reads bring, so that few turns of the loop are spent on it. */
const receiveSize = 512 * 1024;

export interface ConnectionOptions {
  readonly portal: Portal;
  readonly cid: number;
  /** Portal and target, for messages. */
  readonly where: string;
  readonly connectTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly trace?: ByteTrace | undefined;
  readonly report?: Report | undefined;
}

/** Takes a connection's PDUs, and its end: exactly once, with the reason. */
export interface ConnectionReceiver extends FrameSink {
  /** All that one read of `bytes` brought has been delivered. */
  delivered?(bytes: number): void;
  closed(error: Error): void;
}

/**
 * One TCP connection that carries PDUs: it knows bytes, digests and the numbering of statuses, nothing of commands.
 * What arrives goes, in one pass and without a queue, from the socket's buffer through the framer to the receiver.
 */
export class Connection {
  readonly cid: number;
  readonly portal: Portal;
  /** StatSN of the next status that the target will send on this connection; goes out as ExpStatSN. */
  expStatSn = 0;
  readonly #socket: Socket;
  readonly #framer: Framer;
  readonly #outbox: Outbox;
  readonly #onBytes: ((bytes: Uint8Array) => void) | undefined;
  readonly #over = Promise.withResolvers<void>();
  #receiver: ConnectionReceiver | undefined;
  #closed = false;
  #received = 0;
  #maxSendLength = 8192;
  #maxDataLength = 8192;

  private constructor(socket: Socket, options: ConnectionOptions, framer: Framer) {
    this.cid = options.cid;
    this.portal = options.portal;
    this.#socket = socket;
    this.#framer = framer;
    const tracer = tracerOf(socket, options.trace);
    this.#onBytes = tracer && ((bytes) => tracer("received", bytes));
    this.#outbox = new Outbox(socket, tracer && ((bytes) => tracer("sent", bytes)));
  }

  /** @throws TransportError or TimeoutError that names the portal and what to check. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const { portal, signal, where } = options;
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let connection: Connection | undefined;
    const buffer = Buffer.allocUnsafeSlow(receiveSize);
    const socket = connect({
      ...portal,
      noDelay: true,
      keepAlive: true,
      onread: {
        buffer,
        callback: (count) => {
          connection?.push(buffer.subarray(0, count));
          return true;
        },
      },
    });
    const onAbort = () => reject(signal?.reason instanceof Error ? signal.reason : new Error("aborted"));
    signal?.addEventListener("abort", onAbort, { once: true });
    const timer = setTimeout(
      () => reject(new TimeoutError(`connecting to ${where}`, options.connectTimeoutMs)),
      options.connectTimeoutMs,
    );
    socket.once("connect", resolve).on("error", (error) => {
      reject(connectError(where, error));
      connection?.fail(
        new TransportError("CONNECTION_LOST", `${where}: the connection broke: ${error.message}`, {
          cause: error,
        }),
      );
    });
    try {
      await promise;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
    const framer = new Framer({
      header: (pdu) => connection?.receiver.header(pdu) ?? null,
      pdu: (pdu, data) => connection?.receiver.pdu(pdu, data),
      error: (error, pdu) => connection?.receiver.error(error, pdu),
    });
    connection = new Connection(socket, options, framer);
    socket.once("close", () =>
      connection?.fail(new TransportError("CONNECTION_CLOSED", `${where}: the target closed the connection`)),
    );
    return connection;
  }

  get receiver(): ConnectionReceiver {
    if (this.#receiver === undefined) throw new Error("the connection has no receiver yet");
    return this.#receiver;
  }

  set receiver(receiver: ConnectionReceiver) {
    this.#receiver = receiver;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves when either side has ended the connection. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** Bytes received so far: tells a silent connection from a busy one. */
  get received(): number {
    return this.#received;
  }

  /** The target's MaxRecvDataSegmentLength on this connection. */
  get maxSendLength(): number {
    return this.#maxSendLength;
  }

  get localAddress(): string {
    return formatPortal({ host: this.#socket.localAddress ?? "?", port: this.#socket.localPort ?? 0 });
  }

  /** The target has declared another MaxRecvDataSegmentLength in full feature phase. */
  limitSends(bytes: number): void {
    this.#maxSendLength = bytes;
  }

  /** This side is about to declare another MaxRecvDataSegmentLength; what is on its way may still be of the old one. */
  acceptUpTo(bytes: number): void {
    this.#maxDataLength = Math.max(this.#maxDataLength, bytes);
    this.#framer.configure({ maxDataLength: this.#maxDataLength });
  }

  /** Changes digests and limits from the next PDU on, in both directions. */
  configure(options: {
    readonly headerDigest: boolean;
    readonly dataDigest: boolean;
    /** Our MaxRecvDataSegmentLength, and the target's. */
    readonly maxDataLength: number;
    readonly maxSendLength: number;
    readonly resync: boolean;
  }): void {
    this.#maxSendLength = options.maxSendLength;
    this.#maxDataLength = options.maxDataLength;
    this.#framer.configure({ ...options, crc32c });
    this.#outbox.configure({ ...options, crc32c });
  }

  /** PDUs that wait for the end of the turn. */
  get queued(): number {
    return this.#outbox.queued;
  }

  /** Sends what is queued at once. */
  flush(): void {
    if (!this.#closed) this.#outbox.flush();
  }

  /** Queues a PDU; all of one turn leave in one write. */
  send(f: PduInit, data?: Uint8Array): void {
    if (!this.#closed) this.#outbox.send(f, data);
  }

  /** Takes bytes from the socket. What the receiver throws ends the connection. */
  push(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#received += bytes.length;
    this.#onBytes?.(bytes);
    try {
      this.#framer.push(bytes);
      this.#receiver?.delivered?.(bytes.length);
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Ends the connection at once and tells the receiver why; later calls change nothing. */
  fail(error: Error): void {
    if (this.#closed) return;
    this.#end();
    this.#socket.destroy();
    const reason =
      error.name === "ProtocolError" && "section" in error
        ? // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the name tells
          new PeerProtocolError(formatPortal(this.portal), error as PeerProtocolError["violation"])
        : error;
    this.#receiver?.closed(reason);
  }

  /** Sends what is queued, then closes in an orderly way; resolves when the socket is gone. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#outbox.flush();
    this.#end();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.once("close", () => resolve());
    const timer = setTimeout(() => this.#socket.destroy(), 1000);
    this.#socket.destroySoon();
    await promise;
    clearTimeout(timer);
  }

  #end(): void {
    this.#closed = true;
    this.#framer.stop();
    this.#over.resolve();
  }
}

function tracerOf(
  socket: Socket,
  trace: ByteTrace | undefined,
): ((direction: "sent" | "received", bytes: Uint8Array) => void) | undefined {
  if (trace === undefined) return undefined;
  const { localAddress = "", localPort = 0, remoteAddress: address = "", remotePort: port = 0 } = socket;
  const ends = { localAddress, localPort, address, port };
  return (direction, bytes) => trace(direction, bytes, ends);
}

function connectError(where: string, error: NodeJS.ErrnoException): TransportError {
  const cure = {
    ECONNREFUSED: "nothing listens there; is the target running, and is this its port?",
    ENOTFOUND: "no such host; check its name",
    EAI_AGAIN: "the name could not be resolved; check the name server",
    EHOSTUNREACH: "no route to the host; check the network",
    ENETUNREACH: "no route to the network; check the interface",
    ETIMEDOUT: "no answer; check address and firewall",
  }[error.code ?? ""];
  return new TransportError("CONNECT_FAILED", `cannot connect to ${where}: ${cure ?? error.message}`, {
    cause: error,
    details: { portal: where, reason: error.code ?? null },
  });
}

import type { Socket } from "node:net";
import { Encoder, type EncoderOptions, type HeaderPatch, type PduInit } from "ts-iscsi-pdu";

/** How many bytes of answers make it not worth waiting for more of the same turn of the event loop. */
const flushAt = 256 * 1024;

/**
 * What goes out on one connection. PDUs of one turn of the event loop leave in one gathering write; whoever produces
 * much asks `ready` first, so that a peer that stops reading stops its producers.
 */
export class Outbox {
  readonly #socket: Socket;
  readonly #highWater: number;
  readonly #encoder = new Encoder({ allocate: (length) => Buffer.allocUnsafeSlow(length) });
  readonly #waiting: (() => void)[] = [];
  #corked = 0;
  #closed = false;

  constructor(socket: Socket, highWater: number) {
    this.#socket = socket;
    this.#highWater = highWater;
    socket.on("drain", () => this.#wake());
    socket.once("close", () => {
      this.#closed = true;
      this.#wake();
    });
  }

  configure(options: EncoderOptions): void {
    this.#encoder.configure(options);
  }

  get full(): boolean {
    return !this.#closed && this.#socket.writableLength > this.#highWater;
  }

  /** Bytes that wait for the peer. */
  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  /** Resolves when there is room, or the connection is gone. */
  ready(): Promise<void> {
    if (!this.full) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  send(pdu: PduInit, data?: Uint8Array): void {
    this.write(this.encode(pdu, data));
  }

  /** The bytes of a PDU; `patch` may change its header before digests are made. */
  encode(pdu: PduInit, data?: Uint8Array, patch?: HeaderPatch): Uint8Array[] {
    return this.#encoder.encode(pdu, data, patch);
  }

  write(pieces: readonly Uint8Array[]): void {
    if (this.#closed || !this.#socket.writable) return;
    if (this.#corked === 0) {
      this.#socket.cork();
      setImmediate(this.#flush);
    }
    for (const piece of pieces) {
      this.#socket.write(piece);
      this.#corked += piece.length;
    }
    if (this.#corked > flushAt) {
      this.#socket.uncork();
      this.#socket.cork();
      this.#corked = 1;
    }
  }

  readonly #flush = () => {
    this.#corked = 0;
    this.#socket.uncork();
  };

  #wake(): void {
    while (this.#waiting.length > 0 && !this.full) this.#waiting.shift()?.();
  }
}

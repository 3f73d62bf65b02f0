import type { Socket } from "node:net";
import { PduGatherer, type EncoderOptions, type HeaderPatch, type PduInit } from "ts-iscsi-pdu";
import { giveBuffer } from "./buffer-pool.ts";

/** How many bytes of answers make it not worth waiting for more of the same turn of the event loop. */
const flushAt = 256 * 1024;

/**
 * What goes out on one connection. PDUs of one turn of the event loop leave in one gathering write; whoever produces
 * much asks `ready` first, so that a peer that stops reading stops its producers.
 */
export class Outbox {
  readonly #socket: Socket;
  readonly #highWater: number;
  readonly #gatherer = new PduGatherer({ allocate: (length) => Buffer.allocUnsafeSlow(length) });
  readonly #waiting: (() => void)[] = [];
  /** Buffers with data of what waits to be written. */
  #lent: Uint8Array[] = [];
  #scheduled = false;
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
    this.#gatherer.configure(options);
  }

  get full(): boolean {
    return !this.#closed && this.waitingBytes > this.#highWater;
  }

  /** Bytes that wait for the peer. */
  get waitingBytes(): number {
    return this.#socket.writableLength + this.#gatherer.length;
  }

  /** Resolves when there is room, or the connection is gone. */
  ready(): Promise<void> {
    if (!this.full) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  send(pdu: PduInit, data?: Uint8Array): void {
    if (this.#closed) return;
    this.#gatherer.add(pdu, data);
    this.#schedule();
  }

  /** The bytes of a PDU; `patch` may change its header before digests are made. */
  encode(pdu: PduInit, data?: Uint8Array, patch?: HeaderPatch): Uint8Array[] {
    return this.#gatherer.encode(pdu, data, patch);
  }

  write(pieces: readonly Uint8Array[]): void {
    if (this.#closed) return;
    this.#gatherer.addPieces(pieces);
    this.#schedule();
  }

  /** Gives a buffer of the pool back as soon as what has been sent out of it is written. */
  release(buffer: Uint8Array): void {
    this.#lent.push(buffer);
  }

  /** Hands over what waits. */
  readonly flush = (): void => {
    this.#scheduled = false;
    if (this.#gatherer.length === 0) return;
    const gathered = this.#gatherer.take();
    const lent = this.#lent;
    this.#lent = [];
    if (this.#closed || !this.#socket.writable) return;
    const { pieces } = gathered;
    const last = pieces.length - 1;
    this.#socket.cork();
    for (const [at, piece] of pieces.entries())
      this.#socket.write(
        piece,
        at === last
          ? () => {
              this.#gatherer.reuse(gathered);
              for (const buffer of lent) giveBuffer(buffer);
              this.#wake();
            }
          : undefined,
      );
    this.#socket.uncork();
  };

  #schedule(): void {
    if (this.#gatherer.length > flushAt) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.flush);
    }
  }

  #wake(): void {
    while (this.#waiting.length > 0 && !this.full) this.#waiting.shift()?.();
  }
}

import type { Socket } from "node:net";
import { PduGatherer, type EncoderOptions, type PduInit } from "ts-iscsi-pdu";

/**
 * Collects the PDUs of one turn of the event loop and hands them to the socket in one write. Data given to `send` must
 * not change until its command is done.
 */
export class Outbox {
  readonly #socket: Socket;
  readonly #gatherer = new PduGatherer({ allocate: (length) => Buffer.allocUnsafeSlow(length) });
  readonly #trace: ((bytes: Uint8Array) => void) | undefined;
  #scheduled = false;
  #queued = 0;

  constructor(socket: Socket, trace?: (bytes: Uint8Array) => void) {
    this.#socket = socket;
    this.#trace = trace;
  }

  configure(options: EncoderOptions): void {
    this.#gatherer.configure(options);
  }

  /** PDUs that have not been handed to the socket. */
  get queued(): number {
    return this.#queued;
  }

  send(f: PduInit, data?: Uint8Array): void {
    this.#gatherer.add(f, data);
    this.#queued++;
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#afterMicrotasks);
  }

  /** Writes out what has been queued. */
  readonly flush = (): void => {
    this.#scheduled = false;
    this.#queued = 0;
    if (this.#gatherer.length === 0 || this.#socket.destroyed) return;
    const gathered = this.#gatherer.take();
    const { pieces } = gathered;
    if (this.#trace !== undefined) for (const piece of pieces) this.#trace(piece);
    const last = pieces.length - 1;
    if (last > 0) this.#socket.cork();
    for (const [at, piece] of pieces.entries())
      this.#socket.write(
        piece,
        at === last && gathered.slabs.length > 0 ? () => this.#gatherer.reuse(gathered) : undefined,
      );
    if (last > 0) this.#socket.uncork();
  };

  /** What the promises that this turn resolved will send still joins the same write. */
  readonly #afterMicrotasks = () => process.nextTick(this.flush);
}

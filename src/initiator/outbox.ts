import type { Socket } from "node:net";
import { Encoder, type EncoderOptions, type PduInit } from "ts-iscsi-pdu";

/** PDUs of up to this size are copied into a slab; the data of larger ones goes out of the caller's buffer as it is. */
const copyLimit = 8 * 1024;
const slabSize = 64 * 1024;
const spareSlabs = 4;

/**
 * Collects the PDUs of one turn of the event loop and hands them to the socket in one write. Data given to `send` must
 * not change until its command is done.
 */
export class Outbox {
  readonly #socket: Socket;
  readonly #encoder = new Encoder({ allocate: (length) => Buffer.allocUnsafeSlow(length) });
  readonly #trace: ((bytes: Uint8Array) => void) | undefined;
  readonly #spare: Uint8Array[] = [];
  #slab: Uint8Array = Buffer.allocUnsafeSlow(slabSize);
  /** The slab's bytes before `#from` are queued or written, those up to `#to` wait to be queued. */
  #from = 0;
  #to = 0;
  #queue: Uint8Array[] = [];
  /** Slabs that are full, in use until the queue is written. */
  #full: Uint8Array[] = [];
  #scheduled = false;

  constructor(socket: Socket, trace?: (bytes: Uint8Array) => void) {
    this.#socket = socket;
    this.#trace = trace;
  }

  configure(options: EncoderOptions): void {
    this.#encoder.configure(options);
  }

  send(f: PduInit, data?: Uint8Array): void {
    const size = this.#encoder.size(f, data?.length);
    if (size <= copyLimit) {
      if (this.#to + size > slabSize) this.#nextSlab();
      this.#to += this.#encoder.encodeInto(this.#slab, this.#to, f, data);
    } else {
      this.#cut();
      this.#queue.push(...this.#encoder.encode(f, data));
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#afterMicrotasks);
  }

  /** Writes out what has been queued. */
  readonly flush = (): void => {
    this.#scheduled = false;
    this.#cut();
    if (this.#queue.length === 0 || this.#socket.destroyed) return;
    if (this.#to > slabSize / 2) this.#nextSlab();
    const queue = this.#queue;
    const full = this.#full;
    this.#queue = [];
    this.#full = [];
    if (this.#trace !== undefined) for (const part of queue) this.#trace(part);
    const last = queue.length - 1;
    if (last > 0) this.#socket.cork();
    for (let index = 0; index < last; index++) this.#socket.write(queue[index] ?? Buffer.alloc(0));
    this.#socket.write(
      queue[last] ?? Buffer.alloc(0),
      full.length === 0 ? undefined : () => this.#reuse(full),
    );
    if (last > 0) this.#socket.uncork();
  };

  /** What the promises that this turn resolved will send still joins the same write. */
  readonly #afterMicrotasks = () => process.nextTick(this.flush);

  #cut(): void {
    if (this.#to > this.#from) this.#queue.push(this.#slab.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }

  #nextSlab(): void {
    this.#cut();
    this.#full.push(this.#slab);
    this.#slab = this.#spare.pop() ?? Buffer.allocUnsafeSlow(slabSize);
    this.#from = 0;
    this.#to = 0;
  }

  #reuse(slabs: readonly Uint8Array[]): void {
    for (const slab of slabs) if (this.#spare.length < spareSlabs) this.#spare.push(slab);
  }
}

import { followsFrom } from "./follows-from.ts";
import { encodeData, initialId, type DataPacket } from "./packet.ts";

/**
 * How a packet of ours ended. `acknowledged`, also by what followed from it; `reset`: the kernel began anew and forgot
 * it; `unanswered`: no acknowledgement came to any repeat.
 */
export type Delivery = "acknowledged" | "reset" | "unanswered";

/** Starts a timer; the returned function stops it. */
export type Schedule = (milliseconds: number, call: () => void) => () => void;

export interface SenderOptions {
  readonly write: (bytes: Buffer) => void;
  readonly schedule: Schedule;
  readonly resendMs: number;
  readonly tries: number;
}

interface Outgoing {
  readonly type: number;
  readonly body: Uint8Array;
  readonly done: (delivery: Delivery) => void;
}

/** Sends data packets one after the other, each until it is acknowledged. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #queue: Outgoing[] = [];
  #id = initialId;
  #current: { readonly packet: Buffer; readonly outgoing: Outgoing; tries: number } | undefined;
  #stopTimer: (() => void) | undefined;
  /** The last packet, where it was given up: it may have arrived all the same, a kernel that runs does not say. */
  #unsure: Outgoing | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  send(type: number, body: Uint8Array, done: Outgoing["done"]): void {
    this.#queue.push({ type, body, done });
    this.#next();
  }

  /** An ACK has come; one with another number than ours belongs to an earlier repeat. */
  acknowledge(id: number): void {
    if (id === this.#id) this.#delivered();
  }

  /**
   * A new packet has come while ours was not acknowledged. What follows from ours says that it has arrived; a stop or a
   * print that only crossed with a request does not, and the request goes out again.
   */
  received(packet: DataPacket): void {
    const waiting = this.#current?.outgoing ?? this.#unsure;
    if (waiting !== undefined && followsFrom(waiting, packet)) this.#delivered();
  }

  /** The other side got our packet damaged. */
  resend(): void {
    if (this.#current === undefined) return;
    if (this.#current.tries >= this.#options.tries) this.#finish("unanswered");
    else this.#transmit(this.#current);
  }

  /** Both sides count from the beginning, and what is on the way is forgotten. */
  reset(): void {
    this.#stopTimer?.();
    const dropped = [this.#current?.outgoing, ...this.#queue.splice(0)];
    this.#current = undefined;
    this.#id = initialId;
    this.#unsure = undefined;
    for (const outgoing of dropped) outgoing?.done("reset");
  }

  #next(): void {
    if (this.#current !== undefined) return;
    const outgoing = this.#queue.shift();
    if (outgoing === undefined) return;
    const packet = encodeData(outgoing.type, this.#id, outgoing.body);
    this.#current = { packet, outgoing, tries: 0 };
    this.#transmit(this.#current);
  }

  #transmit(current: { readonly packet: Buffer; tries: number }): void {
    this.#stopTimer?.();
    current.tries++;
    this.#stopTimer = this.#options.schedule(this.#options.resendMs, () => this.resend());
    this.#options.write(current.packet);
  }

  #delivered(): void {
    if (this.#current !== undefined) this.#finish("acknowledged");
    else if (this.#unsure !== undefined) this.#toggle();
  }

  #finish(delivery: Delivery): void {
    this.#stopTimer?.();
    const outgoing = this.#current?.outgoing;
    this.#current = undefined;
    if (delivery === "acknowledged") this.#toggle();
    else this.#unsure = outgoing;
    outgoing?.done(delivery);
    this.#next();
  }

  #toggle(): void {
    this.#id = (this.#id ^ 1) >>> 0;
    this.#unsure = undefined;
  }
}

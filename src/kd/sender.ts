import { encodeData, initialId } from "./packet.ts";

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
  #current: { readonly packet: Buffer; readonly done: Outgoing["done"]; tries: number } | undefined;
  #stopTimer: (() => void) | undefined;
  /** The last packet was given up, and may have arrived all the same: a kernel that runs does not say. */
  #unsure = false;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  send(type: number, body: Uint8Array, done: Outgoing["done"]): void {
    this.#queue.push({ type, body, done });
    this.#next();
  }

  /** An ACK has come; one with another number than ours belongs to an earlier repeat. */
  acknowledge(id: number): void {
    if (id === this.#id) this.delivered();
  }

  /** The other side has what we sent: it said so, or sent what follows from it. */
  delivered(): void {
    if (this.#current !== undefined) this.#finish("acknowledged");
    else if (this.#unsure) this.#toggle();
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
    const dropped = [this.#current, ...this.#queue.splice(0)];
    this.#current = undefined;
    this.#id = initialId;
    this.#unsure = false;
    for (const outgoing of dropped) outgoing?.done("reset");
  }

  #next(): void {
    if (this.#current !== undefined) return;
    const outgoing = this.#queue.shift();
    if (outgoing === undefined) return;
    const packet = encodeData(outgoing.type, this.#id, outgoing.body);
    this.#current = { packet, done: outgoing.done, tries: 0 };
    this.#transmit(this.#current);
  }

  #transmit(current: { readonly packet: Buffer; tries: number }): void {
    this.#stopTimer?.();
    current.tries++;
    this.#stopTimer = this.#options.schedule(this.#options.resendMs, () => this.resend());
    this.#options.write(current.packet);
  }

  #finish(delivery: Delivery): void {
    this.#stopTimer?.();
    const done = this.#current?.done;
    this.#current = undefined;
    if (delivery === "acknowledged") this.#toggle();
    else this.#unsure = true;
    done?.(delivery);
    this.#next();
  }

  #toggle(): void {
    this.#id = (this.#id ^ 1) >>> 0;
    this.#unsure = false;
  }
}

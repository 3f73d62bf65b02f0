import { Framer, type DamageReason } from "./framer.ts";
import { belongsTo } from "./message-api.ts";
import { breakInByte, encodeControl, PacketType, type ControlPacket, type DataPacket } from "./packet.ts";
import { acknowledgedId, Receiver } from "./receiver.ts";
import { Sender, type Delivery, type Schedule } from "./sender.ts";

export interface LinkListener {
  /** A packet that has not been delivered before; it has been acknowledged already. */
  packet(packet: DataPacket): void;
  text(bytes: Buffer): void;
  /** A kernel has started, or had given its debugger up and speaks again. */
  session?(): void;
  /** The kernel counts from the beginning; what it was sending comes again. */
  reset?(): void;
}

export interface LinkOptions {
  /** Called with what is to be sent, at once. */
  readonly write: (bytes: Buffer) => void;
  readonly schedule: Schedule;
  /** How long an acknowledgement is waited for. */
  readonly resendMs?: number | undefined;
  readonly tries?: number | undefined;
}

export interface LinkCounts {
  /** Whole and sound packets received, of data and of control, repeats included. */
  packets: number;
  repeats: number;
  damaged: number;
}

/**
 * The debugger's end of a KDCOM line without any input or output: bytes go in, bytes and packets come out. Every
 * sound packet is acknowledged before anything else happens, because a kernel gives up after a third of a second.
 */
export class KdLink {
  readonly counts: LinkCounts = { packets: 0, repeats: 0, damaged: 0 };
  readonly #listener: LinkListener;
  readonly #write: (bytes: Buffer) => void;
  readonly #framer: Framer;
  readonly #receiver = new Receiver();
  readonly #sender: Sender;
  /** We sent a RESET whose answer has not come; an answer to that would go round for ever. */
  #resetSent = false;

  constructor(listener: LinkListener, options: LinkOptions) {
    this.#listener = listener;
    this.#write = options.write;
    this.#sender = new Sender({
      write: options.write,
      schedule: options.schedule,
      resendMs: options.resendMs ?? 400,
      tries: options.tries ?? 12,
    });
    this.#framer = new Framer({
      data: (packet) => this.#data(packet),
      control: (packet) => this.#control(packet),
      text: (bytes) => listener.text(bytes),
      damaged: (reason) => this.#damaged(reason),
    });
  }

  /** Whether bytes are kept back because they may be the beginning of a packet. */
  get holding(): boolean {
    return this.#framer.holding;
  }

  receive(chunk: Uint8Array): void {
    this.#framer.push(chunk);
  }

  /** Nothing has come for a while: what looked like the beginning of a packet is none. */
  flush(): void {
    this.#framer.flush();
  }

  /** Sends a data packet after those before it; `done` is called once, when its fate is known. */
  send(type: number, body: Uint8Array, done: (delivery: Delivery) => void = () => {}): void {
    this.#sender.send(type, body, done);
  }

  /** Asks a running kernel to stop. There is no acknowledgement; a state change follows. */
  breakIn(): void {
    this.#write(Buffer.of(breakInByte));
  }

  /** Begins anew with a kernel that is stopped, which then sends its state change again. A running one does not hear it. */
  reset(): void {
    this.#resetSent = true;
    this.#startAnew();
    this.#write(encodeControl(PacketType.Reset));
  }

  #data(packet: DataPacket): void {
    if (!belongsTo(packet)) {
      this.#damaged("checksum");
      return;
    }
    this.#write(encodeControl(PacketType.Acknowledge, acknowledgedId(packet.id)));
    this.counts.packets++;
    const reception = this.#receiver.accept(packet);
    if (reception === "repeat") {
      this.counts.repeats++;
      return;
    }
    this.#resetSent = false;
    if (reception === "session") {
      this.#sender.reset();
      this.#listener.session?.();
    } else this.#sender.received(packet);
    this.#listener.packet(packet);
  }

  #control(packet: ControlPacket): void {
    this.counts.packets++;
    if (packet.type === PacketType.Acknowledge) this.#sender.acknowledge(packet.id);
    else if (packet.type === PacketType.Resend) this.#sender.resend();
    else this.#answerReset();
  }

  #answerReset(): void {
    const answered = this.#resetSent;
    this.#resetSent = !answered;
    this.#startAnew();
    if (!answered) this.#write(encodeControl(PacketType.Reset));
    this.#listener.reset?.();
  }

  #startAnew(): void {
    this.#receiver.reset();
    this.#sender.reset();
  }

  #damaged(reason: DamageReason): void {
    this.counts.damaged++;
    // The rest of a cut packet will not come, and whoever owns the line by now would take the answer for typing.
    if (reason !== "cut" && reason !== "empty") this.#write(encodeControl(PacketType.Resend));
  }
}

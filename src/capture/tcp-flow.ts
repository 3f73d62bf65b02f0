import type { Frame } from "./frame.ts";
import { TcpFlag } from "./frame.ts";
import { IscsiWatch } from "./iscsi-watch.ts";
import { isLikelyHeader } from "./pdu-stream.ts";
import { type ByteSink, TcpDirection } from "./tcp-direction.ts";
import type { Tell } from "./wire-report.ts";

const NOTHING: ByteSink = { data: () => undefined, gap: () => undefined };
/** A connection whose beginning was not captured is given up after so many segments with data. */
const TRIES = 8;

/**
 * One TCP connection: tells its opening and its end, and watches it if it is iSCSI: by the target's port, or by a
 * login request as the first that the client sends. Anything else is not even put in order.
 */
export class TcpFlow {
  readonly id: number;
  readonly #tell: Tell;
  readonly #clock: () => number;
  readonly #ports: ReadonlySet<number>;
  readonly #told = new Set<string>();
  #syns = 0;
  #clientKey = "";
  #begun = false;
  #tries = 0;
  #client = new TcpDirection(NOTHING);
  #server = new TcpDirection(NOTHING);
  #watch: IscsiWatch | undefined;

  constructor(id: number, ports: ReadonlySet<number>, tell: Tell, clock: () => number) {
    this.id = id;
    this.#ports = ports;
    this.#tell = (kind, data, time) => tell(kind, { flow: id, ...data }, time);
    this.#clock = clock;
  }

  get isIscsi(): boolean {
    return this.#watch !== undefined;
  }

  /** Whether an end of it has been closed: a SYN opens another connection then. */
  get ended(): boolean {
    return this.#told.size > 0 && [...this.#told].some((kind) => !kind.startsWith("tcp-syn"));
  }

  /** Tells what is summed up: where it is old enough, or all of it. */
  flush(force: boolean): void {
    this.#watch?.flush(force);
  }

  packet(frame: Frame): void {
    const flags = frame.tcpFlags;
    if ((flags & TcpFlag.Syn) !== 0) this.#open(frame);
    if (frame.payloadLength > 0) this.#payload(frame);
    if ((flags & TcpFlag.Ack) !== 0 && this.#watch !== undefined) {
      (this.#isClient(frame) ? this.#server : this.#client).acknowledged(frame.acknowledgement);
    }
    if ((flags & TcpFlag.Fin) !== 0) this.#once("tcp-fin", frame);
    if ((flags & TcpFlag.Rst) !== 0) this.#once("tcp-rst", frame);
  }

  #open(frame: Frame): void {
    if ((frame.tcpFlags & TcpFlag.Ack) !== 0) {
      this.#server.begin(frame.sequence);
      this.#once("tcp-synack", frame);
      return;
    }
    this.#clientKey = sideKey(frame);
    this.#begun = true;
    this.#client.begin(frame.sequence);
    this.#tell("tcp-syn", { ...ends(frame), attempt: ++this.#syns });
  }

  #payload(frame: Frame): void {
    if (this.#watch === undefined && !this.#recognise(frame)) return;
    const direction = this.#isClient(frame) ? this.#client : this.#server;
    direction.segment(frame.sequence, frame.payload, frame.payloadLength);
  }

  /** Whether this is iSCSI; sets up the watch at the first segment that says so. */
  #recognise(frame: Frame): boolean {
    if (this.#tries >= TRIES) return false;
    this.#tries++;
    const toTarget = this.#ports.has(frame.destinationPort);
    const fromTarget = this.#ports.has(frame.sourcePort);
    const login = isLikelyHeader(frame.payload, "initiator") && (frame.payload.readUInt8(0) & 0x7f) === 0x43;
    if (!toTarget && !fromTarget && !(this.#begun && login)) {
      if (this.#begun) this.#tries = TRIES;
      return false;
    }
    if (!this.#begun) this.#clientKey = toTarget ? sideKey(frame) : "";
    const watch = new IscsiWatch(this.#tell, this.#clock);
    this.#watch = watch;
    // Sequence numbers seen so far hold on: only where the bytes go changes.
    this.#client = this.#client.withSink(watch.initiator);
    this.#server = this.#server.withSink(watch.target);
    if (!this.#begun) {
      watch.initiator.gap(Infinity);
      watch.target.gap(Infinity);
    }
    return true;
  }

  #isClient(frame: Frame): boolean {
    if (this.#clientKey === "") return this.#ports.has(frame.destinationPort);
    return sideKey(frame) === this.#clientKey;
  }

  #once(kind: string, frame: Frame): void {
    const from = this.#isClient(frame) ? "client" : "server";
    if (this.#told.has(kind + from)) return;
    this.#told.add(kind + from);
    this.flush(true);
    this.#tell(kind, { ...ends(frame), by: from, iscsi: this.isIscsi });
  }
}

/** Which end of the connection sent the frame. */
function sideKey(frame: Frame): string {
  return `${frame.sourcePort} ${frame.addressKey}`;
}

function ends(frame: Frame): Readonly<Record<string, unknown>> {
  return {
    from: frame.sourceIp,
    fromPort: frame.sourcePort,
    to: frame.destinationIp,
    toPort: frame.destinationPort,
    mac: frame.sourceMac,
    toMac: frame.destinationMac,
    ...(frame.vlan !== undefined && { vlan: frame.vlan }),
  };
}

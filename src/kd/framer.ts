import {
  checksum,
  controlLeader,
  dataLeader,
  headerLength,
  isPacketId,
  maxBody,
  PacketType,
  trailer,
  type ControlPacket,
  type DataPacket,
} from "./packet.ts";

/** Why bytes that began as a packet are none: `cut` when the rest never came, `empty` for a body of no bytes. */
export type DamageReason = "checksum" | "trailer" | "overrun" | "cut" | "empty";

export interface FrameSink {
  data(packet: DataPacket): void;
  control(packet: ControlPacket): void;
  /** Bytes that belong to no packet, in order; a piece of text may come in any number of parts. */
  text(bytes: Buffer): void;
  damaged(reason: DamageReason, length: number): void;
}

/**
 * Finds packets in a stream of bytes that is cut anywhere and may hold plain text, garbage and damaged packets. It never
 * keeps more than the longest packet: bytes that cannot be one are passed on at once as text, one by one, so that
 * a leader right behind them is seen.
 */
export class Framer {
  readonly #sink: FrameSink;
  readonly #buffer = Buffer.alloc(4 * (headerLength + maxBody + 1));
  #end = 0;
  /** Where the search for a packet inside the unfinished one goes on. */
  #innerFrom = 0;
  #swallowTrailer = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Whether bytes are kept back because they may be the beginning of a packet. */
  get holding(): boolean {
    return this.#end > 0;
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      const piece = chunk.subarray(at, at + this.#buffer.length - this.#end);
      this.#buffer.set(piece, this.#end);
      this.#end += piece.length;
      at += piece.length;
      this.#parse();
    }
  }

  /** Nothing more comes for what is held: passes it on as text, but for whole packets inside it. */
  flush(): void {
    if (this.#headerAt(0) === "data") {
      const empty = this.#u16(6) === 0;
      this.#sink.damaged(empty ? "empty" : "cut", this.#end);
      if (empty) this.#end = 0;
    }
    while (this.#end > 0) {
      this.#emitText(0, 1);
      this.#discard(1);
      this.#innerFrom = 0;
      this.#parse();
    }
  }

  #parse(): void {
    let at = 0;
    for (;;) {
      const start = this.#nextLeader(at);
      this.#emitText(at, start);
      const used = start === this.#end ? 0 : this.#take(start);
      at = start + used;
      if (used === 0) break;
    }
    this.#discard(at);
  }

  /** Takes what begins at `start`, which looks like a packet. Returns its length, or 0 when more bytes are needed. */
  #take(start: number): number {
    const kind = this.#headerAt(start);
    this.#swallowTrailer = false;
    if (kind === "control") {
      this.#sink.control({ type: this.#u16(start + 4), id: this.#u32(start + 8) });
      return headerLength;
    }
    if (kind !== "data") return 0;
    const count = this.#u16(start + 6);
    if (count === 0) return this.#skipEmpty(start);
    const length = headerLength + count + 1;
    if (start + length > this.#end) return this.#findOverrun(start);
    const reason = this.#damageOf(start);
    if (reason !== undefined) return this.#skipDamaged(start, start + length, reason);
    const body = Buffer.from(this.#buffer.subarray(start + headerLength, start + length - 1));
    this.#innerFrom = 0;
    this.#sink.data({ type: this.#u16(start + 4), id: this.#u32(start + 8), body });
    return length;
  }

  /** A data packet without a body means nothing; its trailer may be missing. */
  #skipEmpty(start: number): number {
    if (start + headerLength >= this.#end) return 0;
    this.#sink.damaged("empty", headerLength);
    return this.#buffer[start + headerLength] === trailer ? headerLength + 1 : headerLength;
  }

  /** Drops a damaged packet up to the leader inside it, if there is one: a lost byte makes it reach into the next. */
  #skipDamaged(start: number, end: number, reason: DamageReason): number {
    const next = Math.min(this.#nextLeader(start + 1), end);
    this.#innerFrom = 0;
    this.#swallowTrailer = next === end && reason === "trailer";
    this.#sink.damaged(reason, next - start);
    return next - start;
  }

  /**
   * A damaged byte count may make an unfinished packet swallow all the repeats of it, until the kernel gives up. So a
   * whole and sound packet inside it proves it wrong; not so in a reply, which may carry any piece of memory.
   */
  #findOverrun(start: number): number {
    if (this.#u16(start + 4) === PacketType.StateManipulate) return 0;
    let at = Math.max(start + headerLength, start + this.#innerFrom);
    for (;;) {
      at = this.#nextLeader(at);
      if (at + headerLength > this.#end) break;
      if (this.#headerAt(at) === "data" && this.#u16(at + 6) > 0) {
        if (at + headerLength + this.#u16(at + 6) + 1 > this.#end) break;
        if (this.#damageOf(at) === undefined) {
          this.#innerFrom = 0;
          this.#sink.damaged("overrun", at - start);
          return at - start;
        }
      }
      at++;
    }
    this.#innerFrom = at - start;
    return 0;
  }

  #damageOf(start: number): "checksum" | "trailer" | undefined {
    const bodyEnd = start + headerLength + this.#u16(start + 6);
    if (this.#buffer[bodyEnd] !== trailer) return "trailer";
    const sum = checksum(this.#buffer.subarray(start + headerLength, bodyEnd));
    return sum === this.#u32(start + 12) ? undefined : "checksum";
  }

  /** The first place from `at` on where a packet begins or, at the end of the bytes, may begin. */
  #nextLeader(at: number): number {
    let place = at;
    while (place < this.#end) {
      const byte = this.#buffer[place];
      if ((byte === dataLeader || byte === controlLeader) && this.#headerAt(place) !== "none") return place;
      place++;
    }
    return place;
  }

  /** What the bytes at `at` are by as much of a header as there is. */
  #headerAt(at: number): "data" | "control" | "unfinished" | "none" {
    const leader = this.#buffer[at];
    const have = this.#end - at;
    if (have <= 0) return "none";
    for (let i = 1; i < 4 && i < have; i++) if (this.#buffer[at + i] !== leader) return "none";
    const control = leader === controlLeader;
    if (have > 4 && !isTypeByte(this.#buffer[at + 4], control)) return "none";
    if (have > 5 && this.#buffer[at + 5] !== 0) return "none";
    if (have >= 8 && !isCount(this.#u16(at + 4), this.#u16(at + 6))) return "none";
    if (have >= 12 && !isIdFor(this.#u16(at + 4), this.#u32(at + 8))) return "none";
    if (have < headerLength) return "unfinished";
    return control ? "control" : "data";
  }

  #emitText(from: number, to: number): void {
    let start = from;
    if (to > from && this.#swallowTrailer) {
      this.#swallowTrailer = false;
      if (this.#buffer[from] === trailer) start++;
    }
    if (to > start) this.#sink.text(Buffer.from(this.#buffer.subarray(start, to)));
  }

  #discard(length: number): void {
    if (length === 0) return;
    this.#buffer.copyWithin(0, length, this.#end);
    this.#end -= length;
  }

  #u16(at: number): number {
    return this.#buffer.readUInt16LE(at);
  }

  #u32(at: number): number {
    return this.#buffer.readUInt32LE(at);
  }
}

/** The shortest body of each type, by the fixed part of its messages. */
const shortestBody: Readonly<Record<number, number>> = {
  [PacketType.StateManipulate]: 56,
  [PacketType.DebugIo]: 16,
  [PacketType.StateChange64]: 192,
  [PacketType.FileIo]: 64,
};

function isControlType(type: number): boolean {
  return type >= PacketType.Acknowledge && type <= PacketType.Reset;
}

function isTypeByte(type: number | undefined, control: boolean): boolean {
  return type !== undefined && type >= 1 && type <= PacketType.FileIo && isControlType(type) === control;
}

function isCount(type: number, count: number): boolean {
  if (isControlType(type)) return count === 0;
  return count === 0 || (count <= maxBody && count >= (shortestBody[type] ?? 1));
}

/** RESEND and RESET may carry any number: Xen's stub answers a RESET with 0xdeadbeef. One of a packet is a damaged ACK. */
function isIdFor(type: number, id: number): boolean {
  if (type === PacketType.Resend || type === PacketType.Reset) return !isPacketId(id);
  return isPacketId(id);
}

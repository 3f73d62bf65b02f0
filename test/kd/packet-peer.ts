import type { Duplex } from "node:stream";
import { ack, data } from "./frames.ts";

export interface PeerPacket {
  readonly kind: "data" | "control";
  readonly type: number;
  readonly id: number;
  readonly body: Buffer;
}

const initial = 0x8080_0000;

/** A debugger's end of a line that does nothing by itself: frames by hand, one after the other. Shares nothing with src/kd. */
export class PacketPeer {
  /** What was printed while `ask` and `taken` waited for something else. */
  readonly prints: string[] = [];
  readonly #line: Duplex;
  #bytes = Buffer.alloc(0);
  #wake: () => void = () => {};
  #ended = false;
  #id = initial;
  #expected: number | undefined;

  constructor(line: Duplex) {
    this.#line = line;
    line.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    line.on("error", () => {});
    line.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Bytes that have come and were not looked at. */
  get waiting(): number {
    return this.#bytes.length;
  }

  send(bytes: Uint8Array): void {
    this.#line.write(bytes);
  }

  async data(): Promise<PeerPacket> {
    return this.next(({ kind }) => kind === "data");
  }

  /** The next control packet; a kernel may send data again before it. */
  async control(): Promise<Pick<PeerPacket, "type" | "id">> {
    const { type, id } = await this.next(({ kind }) => kind === "control");
    return { type, id };
  }

  /** The next packet that fits; those before it are dropped. */
  async next(fits: (packet: PeerPacket) => boolean): Promise<PeerPacket> {
    for (;;) {
      const packet = await this.#packet();
      if (fits(packet)) return packet;
    }
  }

  /** The next new packet that is no print, acknowledged as a debugger does. */
  async taken(): Promise<PeerPacket> {
    for (;;) {
      const packet = await this.next(({ kind }) => kind === "data");
      const id = (packet.id & ~0x800) >>> 0;
      this.send(ack(id));
      if (id === this.#expected || this.#expected === undefined) this.#expected = (id ^ 1) >>> 0;
      else continue;
      if (packet.type !== 3) return packet;
      this.prints.push(packet.body.toString("latin1", 16));
    }
  }

  /** Sends a request and gives the reply. */
  async ask(body: Buffer): Promise<Buffer> {
    this.send(data(2, this.#id, body));
    this.#id = (this.#id ^ 1) >>> 0;
    const packet = await this.taken();
    return packet.body;
  }

  async #packet(): Promise<PeerPacket> {
    await this.#more(16);
    const leader = this.#bytes.toString("latin1", 0, 4);
    if (leader !== "0000" && leader !== "iiii")
      throw new Error(`no leader: ${this.#bytes.toString("hex", 0, 16)}`);
    const [type, length] = [this.#bytes.readUInt16LE(4), this.#bytes.readUInt16LE(6)];
    const [id, sum] = [this.#bytes.readUInt32LE(8), this.#bytes.readUInt32LE(12)];
    const kind = leader === "0000" ? "data" : "control";
    const whole = kind === "data" ? 17 + length : 16;
    await this.#more(whole);
    const body = Buffer.from(this.#bytes.subarray(16, 16 + length));
    if (
      kind === "data" &&
      (this.#bytes[whole - 1] !== 0xaa || sum !== body.reduce((all, byte) => all + byte, 0))
    )
      throw new Error("a damaged packet");
    this.#bytes = this.#bytes.subarray(whole);
    return { kind, type, id, body };
  }

  async #more(count: number): Promise<void> {
    while (this.#bytes.length < count) {
      if (this.#ended) throw new Error("the line has closed");
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

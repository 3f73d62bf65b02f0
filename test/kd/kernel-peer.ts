import type { Duplex } from "node:stream";
import { control, data } from "./frames.ts";

type Received = "received" | "timeout" | "resend";

export interface KernelPeerOptions {
  /** How long a byte is waited for; a real kernel polls for 16.5 ms under QEMU's TCG. */
  readonly byteMs?: number;
  readonly memory?: ReadonlyMap<bigint, Buffer>;
  readonly context?: Buffer;
  readonly version?: Buffer;
  /** Requests that get no reply at all, so many times. */
  readonly deaf?: Map<number, number>;
}

const initial = 0x8080_0000;
const syncBit = 0x800;
const repliesEnd = new Set([0x3136, 0x313c]);

/**
 * A kernel's side of the line, written from the description of how one behaves and sharing nothing with src/kd: it repeats
 * what is not acknowledged, gives a silent debugger up, checks numbers and sums, answers requests while it is
 * stopped, and while it runs reads nothing but break-ins.
 */
export class KernelPeer {
  readonly #stream: Duplex;
  readonly #options: KernelPeerOptions;
  readonly #input: number[] = [];
  #wake: (() => void) | undefined;
  #current = (initial | syncBit) >>> 0;
  #remote = initial;
  #contextAsked = false;
  /** No debugger answered: nothing more is sent until a break-in. */
  absent = false;
  breakInSeen = false;
  readonly log: string[] = [];
  /** The last context that was set. */
  context: Buffer;
  readonly requests: { readonly api: number; readonly body: Buffer }[] = [];

  constructor(stream: Duplex, options: KernelPeerOptions = {}) {
    this.#stream = stream;
    this.#options = options;
    this.context = Buffer.from(options.context ?? Buffer.alloc(716));
    stream.on("data", (chunk: Buffer) => {
      for (const byte of chunk) this.#input.push(byte);
      this.#wake?.();
    });
    stream.on("error", () => {});
  }

  /** DbgPrint; a running kernel looks for a break-in after it. */
  async print(body: Buffer): Promise<void> {
    if (!this.absent) await this.#send(3, body, false);
    this.poll();
  }

  /** A prompt waits for its answer for ever. */
  async prompt(body: Buffer): Promise<Buffer> {
    return this.#sendAndWait(3, body);
  }

  async fileIo(body: Buffer): Promise<Buffer> {
    return this.#sendAndWait(11, body);
  }

  /** Stops until a Continue comes; the requests in between are answered. */
  async stop(body: Buffer, options: { readonly forever?: boolean } = {}): Promise<Buffer | undefined> {
    if (this.absent && options.forever !== true) return undefined;
    this.#contextAsked = false;
    for (;;) {
      if (!(await this.#send(7, body, options.forever === true))) return undefined;
      const continued = await this.#serve();
      if (continued !== undefined) return continued;
    }
  }

  /** What a running kernel does at each tick: bytes other than a break-in are thrown away. */
  poll(): void {
    if (this.#input.splice(0).includes(0x62)) this.breakInSeen = true;
  }

  /** The machine starts again. */
  restart(): void {
    this.#input.length = 0;
    this.#current = (initial | syncBit) >>> 0;
    this.#remote = initial;
    this.absent = false;
  }

  /** Undefined: the state change has to be sent again. */
  async #serve(): Promise<Buffer | undefined> {
    for (;;) {
      const received = await this.#receive(2);
      if (received === "timeout") {
        if (this.#stream.destroyed) throw new Error("the line has closed");
        continue;
      }
      if (received === "resend") return undefined;
      const api = this.#body.readUInt32LE(0);
      this.requests.push({ api, body: this.#body });
      if (repliesEnd.has(api)) return this.#body;
      const deaf = this.#options.deaf?.get(api) ?? 0;
      if (deaf > 0) this.#options.deaf?.set(api, deaf - 1);
      else await this.#send(2, this.#reply(api, this.#body), false);
    }
  }

  #reply(api: number, request: Buffer): Buffer {
    const reply = Buffer.from(request.subarray(0, 56));
    const status = (value: number) => reply.writeUInt32LE(value, 8);
    status(0);
    if (api === 0x3146) {
      (this.#options.version ?? Buffer.alloc(40)).copy(reply, 16);
      return reply;
    }
    if (api === 0x3130 || api === 0x313d) return this.#readMemory(reply);
    if (api === 0x3132) {
      this.#contextAsked = true;
      return Buffer.concat([reply, this.context]);
    }
    if (api === 0x3133 && this.#contextAsked) {
      this.context = Buffer.from(request.subarray(56));
      return reply;
    }
    if (api === 0x3134) {
      reply.writeUInt32LE(7, 24);
      return reply;
    }
    if (api === 0x3135 || api === 0x3131 || api === 0x313e) return reply;
    status(0xc000_0001);
    return reply;
  }

  #readMemory(reply: Buffer): Buffer {
    const address = reply.readBigUInt64LE(16);
    const count = reply.readUInt32LE(24);
    for (const [base, bytes] of this.#options.memory ?? []) {
      if (address < base || address >= base + BigInt(bytes.length)) continue;
      const from = Number(address - base);
      const piece = bytes.subarray(from, from + count);
      reply.writeUInt32LE(piece.length, 28);
      if (piece.length < count) reply.writeUInt32LE(0xc000_0001, 8);
      return Buffer.concat([reply, piece]);
    }
    reply.writeUInt32LE(0, 28);
    reply.writeUInt32LE(0xc000_0001, 8);
    return reply;
  }

  async #sendAndWait(type: number, body: Buffer): Promise<Buffer> {
    for (;;) {
      await this.#send(type, body, true);
      for (;;) {
        const received = await this.#receive(type);
        if (received === "received") return this.#body;
        if (received === "resend") break;
        if (this.#stream.destroyed) throw new Error("the line has closed");
      }
    }
  }

  async #send(type: number, body: Buffer, forever: boolean): Promise<boolean> {
    for (let left = forever ? Infinity : 20; left > 0;) {
      if (this.#stream.destroyed) throw new Error("the line has closed");
      this.#stream.write(data(type, this.#current, body));
      const received = await this.#receive(4);
      if (received === "received") return true;
      if (received === "timeout") left--;
    }
    this.absent = true;
    this.#current = (initial | syncBit) >>> 0;
    this.#remote = initial;
    this.log.push("gave up");
    return false;
  }

  #body: Buffer = Buffer.alloc(0);

  /** Waits for a packet of one type, or for the acknowledgement of what was sent (4). */
  async #receive(wanted: number): Promise<Received> {
    for (;;) {
      const leader = await this.#leader();
      if (leader === "timeout" || leader === "resend") return leader;
      const head = await this.#bytes(12);
      if (head === undefined) return "timeout";
      const [type, count] = [head.readUInt16LE(0), head.readUInt16LE(2)];
      const [id, sum] = [head.readUInt32LE(4), head.readUInt32LE(8)];
      if (leader === 0x69) {
        if (type === 4) {
          if (wanted !== 4 || id !== (this.#current & ~syncBit) >>> 0) continue;
          this.#current = ((this.#current & ~syncBit) ^ 1) >>> 0;
          return "received";
        }
        if (type === 6) {
          this.#current = initial;
          this.#remote = initial;
          this.#stream.write(control(6, 0));
        }
        return "resend";
      }
      if (wanted === 4) {
        this.#stream.write(control(5, 0));
        this.#current = ((this.#current & ~syncBit) ^ 1) >>> 0;
        return "received";
      }
      if (count > 4000) continue;
      const body = await this.#bytes(count);
      if (body === undefined) return "timeout";
      const trailer = await this.#bytes(1);
      if (trailer === undefined) return "timeout";
      if (trailer[0] !== 0xaa || body.reduce((all, byte) => all + byte, 0) !== sum) {
        this.#stream.write(control(5, 0));
        continue;
      }
      this.#stream.write(control(4, (id & ~syncBit) >>> 0));
      if (id !== this.#remote || type !== wanted) continue;
      this.#remote = (this.#remote ^ 1) >>> 0;
      this.#body = body;
      return "received";
    }
  }

  async #leader(): Promise<number | "timeout" | "resend"> {
    let [last, equal] = [-1, 0];
    for (;;) {
      const byte = (await this.#bytes(1))?.[0];
      if (byte === undefined) return "timeout";
      if (byte === 0x62 && equal === 0) {
        this.breakInSeen = true;
        return "resend";
      }
      if (byte !== 0x30 && byte !== 0x69) equal = 0;
      else equal = byte === last ? equal + 1 : 1;
      last = byte;
      if (equal === 4) return byte;
    }
  }

  async #bytes(count: number): Promise<Buffer | undefined> {
    while (this.#input.length < count) {
      const arrived = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), this.#options.byteMs ?? 15);
        this.#wake = () => {
          clearTimeout(timer);
          resolve(true);
        };
      });
      this.#wake = undefined;
      if (!arrived) {
        this.#input.length = 0;
        return undefined;
      }
    }
    return Buffer.from(this.#input.splice(0, count));
  }
}

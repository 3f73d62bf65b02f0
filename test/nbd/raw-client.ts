import { once } from "node:events";
import { connect, type Socket } from "node:net";

/**
 * An NBD client written from the protocol's description alone: it sends whatever it is told, right or wrong, and takes
 * replies apart by their lengths.
 */
export class RawClient implements Disposable {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  #received = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#received += chunk.length;
      this.#wake?.();
    });
    socket.on("close", () => {
      this.#closed = true;
      this.#wake?.();
    });
  }

  static async connect(path: string): Promise<RawClient> {
    const socket = connect({ path });
    await once(socket, "connect");
    return new RawClient(socket);
  }

  /** Greets with the flags "fixed newstyle" and "no zeroes". */
  static async greeted(path: string): Promise<RawClient> {
    const client = await RawClient.connect(path);
    await client.read(18);
    client.send(hex("00000003"));
    return client;
  }

  /** In transmission phase with "disk", with structured replies and base:allocation unless told. */
  static async ready(path: string, { structured = true } = {}): Promise<RawClient> {
    const client = await RawClient.greeted(path);
    if (structured) {
      await client.ask(8, Buffer.alloc(0));
      await client.ask(10, Buffer.concat([counted("disk"), hex("00000001"), counted("base:allocation")]));
    }
    await client.ask(7, Buffer.concat([counted("disk"), hex("00010003")]));
    return client;
  }

  send(...parts: readonly Uint8Array[]): void {
    for (const part of parts) this.socket.write(part);
  }

  async read(length: number): Promise<Buffer> {
    while (this.#received < length) {
      if (this.#closed) throw new Error(`closed with ${this.#received} of ${length} bytes`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const bytes = Buffer.concat(this.#chunks.splice(0));
    if (bytes.length > length) this.#chunks.push(bytes.subarray(length));
    this.#received -= length;
    return bytes.subarray(0, length);
  }

  /** Resolves with what came before the server hung up. */
  async closed(): Promise<Buffer> {
    while (!this.#closed) await new Promise<void>((resolve) => (this.#wake = resolve));
    return Buffer.concat(this.#chunks);
  }

  /** Sends an option and reads its answers up to the one that ends it. */
  async ask(option: number, data: Uint8Array): Promise<readonly { type: number; data: Buffer }[]> {
    this.send(optionBytes(option, data));
    const replies: { type: number; data: Buffer }[] = [];
    for (;;) {
      const head = await this.read(20);
      const type = head.readUInt32BE(12);
      replies.push({ type, data: await this.read(head.readUInt32BE(16)) });
      if (type === 1 || type >= 2 ** 31) return replies;
    }
  }

  /** Sends a request; resolves with its structured reply's only chunk. */
  async request(
    fields: Partial<RequestFields>,
    payload?: Uint8Array,
  ): Promise<{ type: number; data: Buffer }> {
    this.send(requestBytes(fields), ...(payload === undefined ? [] : [payload]));
    return await this.chunk();
  }

  async chunk(): Promise<{ type: number; cookie: bigint; data: Buffer }> {
    const head = await this.read(20);
    if (head.readUInt32BE(0) !== 0x668e33ef) throw new Error(`no structured reply: ${head.toString("hex")}`);
    const data = await this.read(head.readUInt32BE(16));
    return { type: head.readUInt16BE(6), cookie: head.readBigUInt64BE(8), data };
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

export interface RequestFields {
  readonly flags: number;
  readonly type: number;
  readonly cookie: bigint;
  readonly offset: bigint;
  readonly length: number;
}

export function requestBytes(fields: Partial<RequestFields>): Buffer {
  const { flags = 0, type = 0, cookie = 1n, offset = 0n, length = 512 } = fields;
  const bytes = hex("25609513".padEnd(56, "0"));
  bytes.writeUInt16BE(flags, 4);
  bytes.writeUInt16BE(type, 6);
  bytes.writeBigUInt64BE(cookie, 8);
  bytes.writeBigUInt64BE(offset, 16);
  bytes.writeUInt32BE(length, 24);
  return bytes;
}

export function optionBytes(option: number, data: Uint8Array, length = data.length): Buffer {
  const head = hex("49484156454f5054".padEnd(32, "0"));
  head.writeUInt32BE(option, 8);
  head.writeUInt32BE(length, 12);
  return Buffer.concat([head, data]);
}

export function counted(text: string): Buffer {
  const bytes = Buffer.from(`\0\0\0\0${text}`);
  bytes.writeUInt32BE(bytes.length - 4);
  return bytes;
}

export const hex = (text: string) => Buffer.from(text, "hex");

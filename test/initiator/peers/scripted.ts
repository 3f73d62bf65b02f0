import { createServer, type Server, type Socket } from "node:net";
import { logoutResponse } from "./raw-pdu.ts";

/** What an initiator sent, cut out of the stream by its lengths and not looked at any further. */
export interface RawPdu {
  /** The 48 bytes of the basic header segment. */
  readonly bhs: Buffer;
  readonly ahs: Buffer;
  readonly data: Buffer;
  /** What fills the last word of the data. */
  readonly padding: Buffer;
  /** Connections are counted from 0. */
  readonly connection: number;
}

export type Reply = (bhs: Buffer, data?: Uint8Array) => void;
export type Script = (pdu: RawPdu, reply: Reply) => void;

export interface ScriptOptions {
  /** Commands that the login's MaxCmdSN allows; 32 unless told. */
  readonly window?: number;
  /** Answers Login Requests instead of the target itself. */
  readonly login?: Script;
  /** Answers Logout Requests instead of the target itself. */
  readonly logout?: Script;
}

/**
 * A target that says what a test tells it to, byte by byte. It has nothing of this project's codec: fields lie where
 * RFC 7143 §11 puts them. The login it answers by itself: each offer is accepted as it is, unless `answers` has another
 * value. The logout it answers too.
 */
export class ScriptedTarget implements AsyncDisposable {
  /** All that came, in its order. */
  readonly received: RawPdu[] = [];
  readonly #server: Server;
  readonly #links: { readonly socket: Socket; readonly closed: Promise<void>; statSn: number }[] = [];
  readonly #waiting: { readonly which: (pdu: RawPdu) => boolean; readonly found: (pdu: RawPdu) => void }[] =
    [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(
    answers: Readonly<Record<string, string>>,
    script: Script,
    options: ScriptOptions = {},
  ): Promise<ScriptedTarget> {
    const server = createServer();
    const target = new ScriptedTarget(server);
    server.on("connection", (socket) => target.#serve(socket, answers, script, options));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return target;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** How many connections there have been. */
  get connections(): number {
    return this.#links.length;
  }

  /** The first PDU of that opcode byte, of those that came or that will come, of which `which` is true. */
  async seen(opcode: number, which: (pdu: RawPdu) => boolean = () => true): Promise<RawPdu> {
    const wanted = (pdu: RawPdu) => pdu.bhs[0] === opcode && which(pdu);
    const before = this.received.find(wanted);
    if (before !== undefined) return before;
    return await new Promise((found) => this.#waiting.push({ which: wanted, found }));
  }

  /** StatSN of the next status on a connection; each call uses one up. */
  nextStatSn(connection = 0): number {
    const link = this.#links[connection];
    return link === undefined ? 0 : link.statSn++;
  }

  /** StatSN that the next status will have. */
  statSn(connection = 0): number {
    return this.#links[connection]?.statSn ?? 0;
  }

  send(bhs: Buffer, data: Uint8Array = Buffer.alloc(0), connection = 0): void {
    bhs.writeUIntBE(data.length, 5, 3);
    this.raw(Buffer.concat([bhs, data, Buffer.alloc(-data.length & 3)]), connection);
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array, connection = 0): void {
    this.#links[connection]?.socket.write(bytes);
  }

  drop(connection = 0): void {
    this.#links[connection]?.socket.destroy();
  }

  /** Closes a connection in order; it is gone when the initiator has closed it too. */
  end(connection = 0): void {
    this.#links[connection]?.socket.end();
  }

  /** Resolves when a connection is gone. */
  async closed(connection = 0): Promise<void> {
    await this.#links[connection]?.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.#links) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(
    socket: Socket,
    answers: Readonly<Record<string, string>>,
    script: Script,
    options: ScriptOptions,
  ): void {
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const connection = this.#links.push({ socket, closed, statSn: 0 }) - 1;
    socket.on("error", () => undefined);
    const reply: Reply = (bhs, data) => this.send(bhs, data, connection);
    let bytes = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      for (let next = cut(bytes); next !== undefined; next = cut(bytes)) {
        bytes = bytes.subarray(next.size);
        const pdu = { ...next, connection };
        this.received.push(pdu);
        this.#answer(pdu, reply, answers, script, options);
        this.#tell(pdu);
      }
    });
  }

  #tell(pdu: RawPdu): void {
    const waiting = this.#waiting.splice(0);
    this.#waiting.push(...waiting.filter(({ which }) => !which(pdu)));
    for (const { which, found } of waiting) if (which(pdu)) found(pdu);
  }

  #answer(
    pdu: RawPdu,
    reply: Reply,
    answers: Readonly<Record<string, string>>,
    script: Script,
    { login, logout, window = 32 }: ScriptOptions,
  ): void {
    const link = this.#links[pdu.connection];
    const opcode = pdu.bhs[0] ?? 0;
    if (opcode === 0x43 && login !== undefined) login(pdu, reply);
    else if (opcode === 0x43) {
      if (link !== undefined) link.statSn = pdu.bhs.readUInt32BE(28) + 1;
      reply(...loginResponse(pdu, answers, window));
    } else if (opcode === 0x46 && logout === undefined) reply(logoutResponse(this, pdu));
    else if (opcode === 0x46) logout?.(pdu, reply);
    else script(pdu, reply);
  }
}

function cut(bytes: Buffer): (Omit<RawPdu, "connection"> & { readonly size: number }) | undefined {
  if (bytes.length < 48) return undefined;
  const data = 48 + (bytes[4] ?? 0) * 4;
  const length = bytes.readUIntBE(5, 3);
  const size = data + length + (-length & 3);
  if (bytes.length < size) return undefined;
  return {
    size,
    bhs: bytes.subarray(0, 48),
    ahs: bytes.subarray(48, data),
    data: bytes.subarray(data, data + length),
    padding: bytes.subarray(data + length, size),
  };
}

/** RFC 7143 §11.13: the stages as asked, ISID and tag back, TSIH 1, StatSN 1 + what the request expects. */
export function loginResponse(
  { bhs, data }: RawPdu,
  answers: Readonly<Record<string, string>>,
  window = 32,
): [Buffer, Buffer] {
  const response = Buffer.alloc(48);
  response[0] = 0x23;
  response[1] = bhs[1] ?? 0;
  bhs.copy(response, 8, 8, 14);
  response.writeUInt16BE(1, 14);
  bhs.copy(response, 16, 16, 20);
  bhs.copy(response, 24, 28, 32);
  bhs.copy(response, 28, 24, 28);
  response.writeUInt32BE((bhs.readUInt32BE(24) + window - 1) >>> 0, 32);
  const declared = new Set(["InitiatorName", "InitiatorAlias", "TargetName", "SessionType"]);
  const text = data
    .toString()
    .split("\0")
    .map((pair) => pair.split("="))
    .filter(([key = ""]) => key !== "" && !declared.has(key))
    .map(([key = "", value = ""]) => `${key}=${answers[key] ?? value.split(",")[0] ?? ""}\0`)
    .join("");
  return [response, Buffer.from(text)];
}

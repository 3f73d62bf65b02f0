import { createServer, type Server, type Socket } from "node:net";

/** What an initiator sent, cut out of the stream by its lengths and not looked at any further. */
export interface RawPdu {
  /** The 48 bytes of the basic header segment. */
  readonly bhs: Buffer;
  readonly ahs: Buffer;
  readonly data: Buffer;
}

export type Script = (pdu: RawPdu, reply: (bhs: Buffer, data?: Uint8Array) => void) => void;

/**
 * A target that says what a test tells it to, byte by byte. It has nothing of this project's codec: fields lie where
 * RFC 7143 §11 puts them. The login it answers by itself: each offer is accepted as it is, unless `answers` has another
 * value. The logout it answers too.
 */
export class ScriptedTarget implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(answers: Readonly<Record<string, string>>, script: Script): Promise<ScriptedTarget> {
    const server = createServer();
    const target = new ScriptedTarget(server);
    server.on("connection", (socket) => target.#serve(socket, answers, script));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return target;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket, answers: Readonly<Record<string, string>>, script: Script): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => undefined);
    const reply = (bhs: Buffer, data: Uint8Array = Buffer.alloc(0)) => {
      bhs.writeUIntBE(data.length, 5, 3);
      socket.write(Buffer.concat([bhs, data, Buffer.alloc(-data.length & 3)]));
    };
    let bytes = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      for (let next = cut(bytes); next !== undefined; next = cut(bytes)) {
        bytes = bytes.subarray(next.size);
        if ((next.bhs[0] ?? 0) === 0x43) reply(...loginResponse(next, answers));
        else if ((next.bhs[0] ?? 0) === 0x46) reply(logoutResponse(next));
        else script(next, reply);
      }
    });
  }
}

function cut(bytes: Buffer): (RawPdu & { readonly size: number }) | undefined {
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
  };
}

/** RFC 7143 §11.15: closed successfully. */
function logoutResponse({ bhs }: RawPdu): Buffer {
  const response = Buffer.alloc(48);
  response[0] = 0x26;
  response[1] = 0x80;
  bhs.copy(response, 16, 16, 20);
  bhs.copy(response, 24, 28, 32);
  bhs.copy(response, 28, 24, 28);
  response.writeUInt32BE(bhs.readUInt32BE(24) + 31, 32);
  return response;
}

/** RFC 7143 §11.13: the stages as asked, ISID and tag back, TSIH 1, StatSN 1 + what the request expects. */
function loginResponse({ bhs, data }: RawPdu, answers: Readonly<Record<string, string>>): [Buffer, Buffer] {
  const response = Buffer.alloc(48);
  response[0] = 0x23;
  response[1] = bhs[1] ?? 0;
  bhs.copy(response, 8, 8, 14);
  response.writeUInt16BE(1, 14);
  bhs.copy(response, 16, 16, 20);
  bhs.copy(response, 24, 28, 32);
  bhs.copy(response, 28, 24, 28);
  response.writeUInt32BE(bhs.readUInt32BE(24) + 31, 32);
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

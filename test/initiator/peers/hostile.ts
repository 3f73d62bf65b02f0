import { connect, createServer, type Server, type Socket } from "node:net";
import type { SeededRandom } from "#core";
import { Framer, Opcode, type AnyPdu } from "ts-iscsi-pdu";

/** Where a BHS has numbers that a reader might trust: offset and length. */
const fields = [
  [0, 1],
  [1, 1],
  [2, 1],
  [3, 1],
  [4, 1],
  [5, 3],
  [8, 8],
  [16, 4],
  [20, 4],
  [24, 4],
  [28, 4],
  [32, 4],
  [36, 4],
  [40, 4],
  [44, 4],
] as const;

/**
 * A real target's words, turned over: it relays to a target and mutates, repeats, drops, swaps and floods the PDUs on
 * the way back, as its generator draws. The login is spared in most connections, or nothing behind it would be seen.
 */
export class HostileTarget implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  mutated = 0;
  pdus = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(targetPort: number, random: SeededRandom, chance: number): Promise<HostileTarget> {
    const server = createServer();
    const hostile = new HostileTarget(server);
    server.on("connection", (client) =>
      hostile.#pair(client, connect(targetPort, "127.0.0.1"), random, chance),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return hostile;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pair(client: Socket, target: Socket, random: SeededRandom, chance: number): void {
    const spareLogin = random.below(8) !== 0;
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on("error", () => undefined);
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
    client.on("data", (bytes) => target.write(bytes));
    let held: Buffer | undefined;
    const framer = new Framer(
      {
        header: () => null,
        pdu: (pdu, data) => {
          this.pdus++;
          const bytes = whole(pdu, data);
          const login = pdu.opcode === Opcode.LoginResponse && spareLogin;
          if (login || random.float() >= chance) {
            client.write(bytes);
            if (held !== undefined) client.write(held);
            held = undefined;
            return;
          }
          this.mutated++;
          switch (random.below(8)) {
            case 0:
              held = bytes;
              return;
            case 1:
              client.write(Buffer.concat([bytes, bytes]));
              return;
            case 2:
              return;
            case 3:
              client.write(Buffer.concat(Array.from({ length: 50 }, () => mutate(bytes, random))));
              return;
            case 4:
              client.write(random.bytes(48 + random.below(200)));
              return;
            default:
              client.write(mutate(bytes, random));
          }
        },
        error: () => target.destroy(),
      },
      { maxDataLength: 2 ** 24 - 1 },
    );
    target.on("data", (bytes) => framer.push(bytes));
  }
}

function whole(pdu: AnyPdu, data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(48 + pdu.ahsLength + pdu.paddedDataLength);
  bytes.set(pdu.headerBytes);
  bytes.set(data, 48 + pdu.ahsLength);
  return bytes;
}

/** One to three fields set to something near, small, huge or random; sometimes text instead of the data. */
function mutate(pdu: Buffer, random: SeededRandom): Buffer {
  const bytes = Buffer.from(pdu);
  for (let count = 1 + random.below(3); count > 0; count--) {
    const [at, length] = random.pick(fields);
    const last = bytes[at + length - 1] ?? 0;
    switch (random.below(5)) {
      case 0:
        bytes[at + length - 1] = last + 1;
        break;
      case 1:
        bytes[at + length - 1] = last - 1;
        break;
      case 2:
        bytes.fill(0, at, at + length);
        break;
      case 3:
        bytes.fill(0xff, at, at + length);
        break;
      default:
        bytes.set(random.bytes(length), at);
    }
  }
  if (bytes.length > 48 && random.below(4) === 0)
    bytes.set(random.bytes(Math.min(16, bytes.length - 48)), 48);
  return bytes;
}

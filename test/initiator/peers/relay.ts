import { connect, createServer, type Server, type Socket } from "node:net";
import type { SeededRandom } from "#core";

type Mishap = "cut" | "corrupt" | "stall";

export interface RelayFaults {
  /** What the distances are drawn from. */
  readonly random: SeededRandom;
  /** Ends the connection, turns one bit over, or stops passing anything on while staying open; one of several. */
  readonly kind: Mishap | readonly Mishap[];
  /** Bytes between mishaps, both directions together, on average; never in the first 8 KiB, where the login is. */
  readonly everyBytes: number;
}

const login = 8192;

/** A TCP relay in front of a target that cuts, stalls and corrupts connections, reproducibly for its own part. */
export class Relay implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #counts = { connections: 0, mishaps: 0 };

  /** Where new connections lead. */
  targetPort: number;

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    this.targetPort = targetPort;
  }

  static async start(targetPort: number, faults?: RelayFaults): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server, targetPort);
    server.on("connection", (client) => relay.#pair(client, faults));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return relay;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  get counts(): Readonly<Record<"connections" | "mishaps", number>> {
    return this.#counts;
  }

  /** Ends all connections as a network does that breaks. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pair(client: Socket, faults: RelayFaults | undefined): void {
    this.#counts.connections++;
    const target = connect(this.targetPort, "127.0.0.1");
    const distance = () => (faults === undefined ? Infinity : faults.random.below(2 * faults.everyBytes));
    let left = login + distance();
    let stalled = false;
    const pass = (from: Socket, to: Socket) => {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on("error", () => undefined);
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on("data", (bytes) => {
        if (stalled) return;
        left -= bytes.length;
        if (left >= 0 || faults === undefined) {
          to.write(bytes);
          return;
        }
        this.#counts.mishaps++;
        const at = bytes.length + left;
        left = distance();
        const kind = typeof faults.kind === "string" ? faults.kind : faults.random.pick(faults.kind);
        if (kind === "corrupt") {
          bytes[at] = (bytes[at] ?? 0) ^ (1 << faults.random.below(8));
          to.write(bytes);
          return;
        }
        to.write(bytes.subarray(0, at));
        if (kind === "cut") from.resetAndDestroy();
        else stalled = true;
      });
    };
    pass(client, target);
    pass(target, client);
  }
}

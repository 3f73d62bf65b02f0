import { connect, createServer, type Server, type Socket } from "node:net";
import { BHS_LENGTH, viewPdu, type AnyPdu } from "ts-iscsi-pdu";
import { Digests, PduCutter } from "./pdu-cutter.ts";

/** What becomes of a PDU: a bit of its header or data turned over, it vanishes, or the connection ends in front of it. */
export type Fate = "pass" | "drop" | "damage header" | "damage data" | "cut";

export interface Passing {
  readonly pdu: AnyPdu;
  readonly from: "initiator" | "target";
  /** Connections are counted from 0. */
  readonly connection: number;
}

/** Says what becomes of a PDU; all that follows it in its direction, the end of the connection too, waits for the answer. */
export type Judge = (passing: Passing) => Fate | Promise<Fate>;

/** A relay that knows where PDUs begin and end, and does to each as it is told. */
export class PduRelay implements AsyncDisposable {
  readonly #server: Server;
  readonly #judge: Judge;
  readonly #sockets = new Set<Socket>();
  readonly #closed: PromiseWithResolvers<void>[] = [];

  private constructor(server: Server, judge: Judge) {
    this.#server = server;
    this.#judge = judge;
  }

  static async start(targetPort: number, judge: Judge): Promise<PduRelay> {
    const server = createServer();
    const relay = new PduRelay(server, judge);
    server.on("connection", (client) => relay.#pair(client, connect(targetPort, "127.0.0.1")));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return relay;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Resolves when the initiator has closed that connection, which must have been made. */
  async closed(connection: number): Promise<void> {
    await this.#closed[connection]?.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pair(client: Socket, target: Socket): void {
    const closed = Promise.withResolvers<void>();
    const connection = this.#closed.push(closed) - 1;
    client.on("close", () => closed.resolve());
    const digests = new Digests();
    this.#pass(client, target, new PduCutter(digests), { from: "initiator", connection });
    this.#pass(target, client, new PduCutter(digests), { from: "target", connection });
  }

  #pass(from: Socket, to: Socket, cutter: PduCutter, place: Omit<Passing, "pdu">): void {
    let chain = Promise.resolve();
    const take = async (chunk: Buffer) => {
      for (const whole of cutter.push(chunk)) {
        const pdu = viewPdu(whole);
        const fate = await this.#judge({ pdu, ...place });
        if (fate === "cut") {
          // What passed before still arrives.
          to.destroySoon();
          from.resetAndDestroy();
          return;
        }
        if (fate === "drop") continue;
        if (fate !== "pass") damage(whole, fate === "damage header" ? 20 : pdu.ahsLength + BHS_LENGTH + 4);
        to.write(whole);
      }
    };
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on("error", () => undefined);
    from.on("data", (chunk: Buffer) => {
      chain = chain.then(() => take(chunk));
    });
    from.on("close", () => {
      this.#sockets.delete(from);
      void chain.then(() => to.destroySoon());
    });
  }
}

function damage(bytes: Buffer, at: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
}

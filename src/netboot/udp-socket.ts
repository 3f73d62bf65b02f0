import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { parseIpv4 } from "./ipv4.ts";
import { nativeSockets, type NativeSockets } from "./native-sockets.ts";
import { socketError } from "./socket-error.ts";
import type { Wire } from "./wire.ts";

export interface UdpSocketOptions {
  readonly wire: Wire;
  /** 0 for any free one. */
  readonly port: number;
  /** Whether datagrams to broadcast addresses are wanted too; else only those to the wire's address. */
  readonly broadcast: boolean;
  /** What the socket is for, in errors. */
  readonly service: string;
  readonly onMessage: (datagram: Buffer, from: RemoteInfo) => void;
  /** An ICMP error for an earlier datagram, as a rule: that peer is gone, the others are not. */
  readonly onError: (error: Error) => void;
}

/**
 * UDP on one wire. The socket receives from, and sends through, that interface only, whatever other interfaces and
 * routes the network namespace has. The port is not shared, so a second server on it is an error.
 *
 * Where koffi is missing the interface cannot be named. Then a socket bound to the wire's address does the sending,
 * since its broadcasts leave by the interface of that address, and a second one receives broadcasts, from everywhere.
 */
export class UdpSocket implements AsyncDisposable {
  readonly #sockets: readonly Socket[];
  readonly #sending = new Set<Promise<unknown>>();

  private constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets;
  }

  /** @throws LabError PORT_IN_USE, PORT_FORBIDDEN, INTERFACE_MISSING or ADDRESS_MISSING */
  static async open(options: UdpSocketOptions): Promise<UdpSocket> {
    const native = await nativeSockets();
    const sockets: Socket[] = [];
    try {
      for (const binding of await bindings(options, native)) sockets.push(await bound(binding));
    } catch (error) {
      for (const socket of sockets) socket.close();
      throw socketError(error, "UDP", options);
    }
    for (const socket of sockets) {
      socket.setBroadcast(true);
      socket.on("message", options.onMessage);
      socket.on("error", options.onError);
    }
    return new UdpSocket(sockets);
  }

  get port(): number {
    return this.#sockets[0]?.address().port ?? 0;
  }

  /** Resolves, when the system took the datagram or refused it, to what went wrong. Any datagram may be lost. */
  send(data: Uint8Array, to: Pick<RemoteInfo, "address" | "port">): Promise<Error | undefined> {
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.#sending.add(promise);
    this.#sockets[0]?.send(data, to.port, to.address, (error) => {
      this.#sending.delete(promise);
      resolve(error ?? undefined);
    });
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.removeAllListeners("message");
    await Promise.all(this.#sending);
    await Promise.all(
      this.#sockets.map(async (socket) => {
        const closed = once(socket, "close");
        socket.close();
        await closed;
      }),
    );
  }
}

/** How one socket is bound: to a descriptor that is bound already, or by Node.js itself. */
type Binding =
  | { readonly fd: number }
  | { readonly address: string; readonly port: number; readonly reuseAddr: boolean };

/** The sockets that a wire takes; the first one sends. */
async function bindings(options: UdpSocketOptions, native: NativeSockets | undefined): Promise<Binding[]> {
  const { wire, port, broadcast } = options;
  if (native) return [{ fd: boundToDevice(native, options) }];
  if (!broadcast) return [{ address: wire.address, port, reuseAddr: false }];
  // The two share the port, and so would not notice that they share it with another program as well.
  const probe = await bound({ address: "0.0.0.0", port, reuseAddr: false });
  const closed = once(probe, "close");
  probe.close();
  await closed;
  return [
    { address: wire.address, port, reuseAddr: true },
    { address: "0.0.0.0", port, reuseAddr: true },
  ];
}

async function bound(binding: Binding): Promise<Socket> {
  const reuseAddr = "reuseAddr" in binding && binding.reuseAddr;
  const socket = createSocket({ type: "udp4", reuseAddr });
  try {
    const listening = once(socket, "listening");
    socket.bind({ ...binding, exclusive: true });
    await listening;
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;

function boundToDevice(native: NativeSockets, { wire, port, broadcast }: UdpSocketOptions): number {
  const fd = native.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  try {
    native.setOption(fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${wire.name}\0`));
    const name = Buffer.alloc(16);
    name.writeUInt16LE(AF_INET, 0);
    name.writeUInt16BE(port, 2);
    name.writeUInt32BE(broadcast ? 0 : (parseIpv4(wire.address) ?? 0), 4);
    native.bind(fd, name);
    return fd;
  } catch (error) {
    native.close(fd);
    throw error;
  }
}

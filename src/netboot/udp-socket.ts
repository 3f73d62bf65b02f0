import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { parseIpv4 } from "./ipv4.ts";
import { nativeSockets, type NativeSockets } from "./native-sockets.ts";
import { socketError } from "./socket-error.ts";
import type { Wire } from "./wire.ts";

export interface UdpSocketOptions {
  readonly wire: Wire;
  readonly port: number;
  /** The local address; `0.0.0.0` where broadcasts are to be received as well. */
  readonly address: string;
  readonly service: string;
}

/**
 * A UDP socket that receives from, and sends through, one interface only, whatever other interfaces and routes the
 * network namespace has. The port is taken without SO_REUSEADDR, so a second server on it is an error.
 *
 * Where koffi is missing the socket is bound by its address alone.
 * @throws LabError PORT_IN_USE, PORT_FORBIDDEN, INTERFACE_MISSING or ADDRESS_MISSING
 */
export async function openUdpSocket(options: UdpSocketOptions): Promise<Socket> {
  const native = nativeSockets();
  const socket = createSocket("udp4");
  try {
    const bound = once(socket, "listening");
    if (native) socket.bind({ fd: boundToDevice(native, options), exclusive: true });
    else socket.bind({ port: options.port, address: options.address, exclusive: true });
    await bound;
    socket.setBroadcast(true);
    return socket;
  } catch (error) {
    socket.close();
    throw socketError(error, "UDP", options);
  }
}

/** Sends and tells whether the system took it. A datagram may be lost at any time, so this is never fatal. */
export async function sendDatagram(
  socket: Socket,
  data: Uint8Array,
  to: Pick<RemoteInfo, "address" | "port">,
): Promise<Error | undefined> {
  const { promise, resolve } = Promise.withResolvers<Error | undefined>();
  try {
    socket.send(data, to.port, to.address, (error) => resolve(error ?? undefined));
  } catch (error) {
    resolve(error as Error);
  }
  return promise;
}

export async function closeUdpSocket(socket: Socket): Promise<void> {
  const closed = once(socket, "close");
  socket.close();
  await closed;
}

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;

function boundToDevice(native: NativeSockets, { wire, port, address }: UdpSocketOptions): number {
  const fd = native.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  try {
    native.setOption(fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${wire.name}\0`));
    const name = Buffer.alloc(16);
    name.writeUInt16LE(AF_INET, 0);
    name.writeUInt16BE(port, 2);
    name.writeUInt32BE(parseIpv4(address) ?? 0, 4);
    native.bind(fd, name);
    return fd;
  } catch (error) {
    native.close(fd);
    throw error;
  }
}

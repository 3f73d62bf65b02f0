import { endianness } from "node:os";
import { LabError, errorCode, errorMessage, formatIp } from "#core";
import { requireNativeSockets, type NativeSockets } from "../native-sockets.ts";
import { ipv6Bytes } from "./router-advertisement.ts";

const AF_INET6 = 10;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_ICMPV6 = 58;
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
const IPPROTO_IPV6 = 41;
const IPV6_UNICAST_HOPS = 16;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_MULTICAST_LOOP = 19;
const IPV6_ADD_MEMBERSHIP = 20;
const ICMP6_FILTER = 1;
const ROUTER_SOLICITATION = 133;

/** A received ICMPv6 message and the address that it came from. */
export interface Icmpv6Datagram {
  readonly bytes: Uint8Array;
  readonly from: string;
}

/**
 * A raw ICMPv6 socket on one interface that hears router solicitations only. The kernel computes and checks
 * checksums. Node.js cannot wait for such a socket, so `receive` is to be called from time to time; it never blocks.
 */
export class Icmpv6Socket implements Disposable {
  readonly #native: NativeSockets;
  readonly #fd: number;
  readonly #index: number;
  readonly #buffer = Buffer.alloc(2048);
  readonly #sender = Buffer.alloc(28);
  #closed = false;

  private constructor(native: NativeSockets, fd: number, index: number) {
    this.#native = native;
    this.#fd = fd;
    this.#index = index;
  }

  /** @throws LabError KOFFI_MISSING, RAW_SOCKET_FORBIDDEN, INTERFACE_MISSING or IPV6_MISSING */
  static async open(interfaceName: string): Promise<Icmpv6Socket> {
    const native = await requireNativeSockets("the IPv6 router advertisement");
    let fd: number | undefined;
    try {
      const index = native.interfaceIndex(interfaceName);
      fd = native.socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6);
      native.setOption(fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${interfaceName}\0`));
      // RFC 4861 §6.1.2: hosts drop advertisements whose hop limit shows that they passed a router.
      native.setOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, nativeInt(255));
      native.setOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, nativeInt(255));
      native.setOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, nativeInt(0));
      native.setOption(fd, IPPROTO_ICMPV6, ICMP6_FILTER, passOnly(ROUTER_SOLICITATION));
      const allRouters = Buffer.concat([ipv6Bytes("ff02::2"), nativeInt(index)]);
      native.setOption(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, allRouters);
      return new Icmpv6Socket(native, fd, index);
    } catch (error) {
      if (fd !== undefined) native.close(fd);
      throw openError(error, interfaceName);
    }
  }

  /** @throws SystemCallError, e.g. EADDRNOTAVAIL while the interface has no usable link-local address yet */
  send(message: Uint8Array, to: string): void {
    this.#native.send(this.#fd, message, socketAddress(to, this.#index));
  }

  /** The next message, or undefined where none waits. */
  receive(): Icmpv6Datagram | undefined {
    if (this.#closed) return undefined;
    const length = this.#native.receive(this.#fd, this.#buffer, this.#sender);
    if (length === undefined) return undefined;
    return {
      bytes: Uint8Array.from(this.#buffer.subarray(0, length)),
      from: formatIp(this.#sender.subarray(8, 24)),
    };
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#native.close(this.#fd);
  }
}

function openError(error: unknown, interfaceName: string): LabError {
  const what = `router advertisement on ${interfaceName}`;
  const init = { cause: error, details: { interface: interfaceName } };
  switch (errorCode(error)) {
    case "EPERM":
    case "EACCES":
      return new LabError(
        "RAW_SOCKET_FORBIDDEN",
        `${what}: this user may not open raw sockets; run as root or in a namespace made by "unshare -rn"`,
        init,
      );
    case "ENODEV":
    case "ENXIO":
      return new LabError(
        "INTERFACE_MISSING",
        `${what}: there is no such interface; "ip link" lists those there are`,
        init,
      );
    case "EAFNOSUPPORT":
    case "EADDRNOTAVAIL":
      return new LabError(
        "IPV6_MISSING",
        `${what}: IPv6 is off here; switch it on with "sysctl net.ipv6.conf.${interfaceName}.disable_ipv6=0"`,
        init,
      );
    default:
      return new LabError("SOCKET_FAILED", `${what}: ${errorMessage(error)}`, init);
  }
}

/** struct sockaddr_in6: family, port, flow, address, scope. */
function socketAddress(address: string, scope: number): Uint8Array {
  return Buffer.concat([
    nativeInt(AF_INET6).subarray(0, 2),
    Buffer.alloc(6),
    ipv6Bytes(address),
    nativeInt(scope),
  ]);
}

/** RFC 3542 §3.2: a set bit blocks its message type. */
function passOnly(type: number): Uint8Array {
  const words = Array.from({ length: 8 }, (_, i) => (i === type >> 5 ? ~(1 << (type & 31)) : -1));
  return Buffer.concat(words.map(nativeInt));
}

function nativeInt(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  if (endianness() === "LE") bytes.writeInt32LE(value);
  else bytes.writeInt32BE(value);
  return bytes;
}

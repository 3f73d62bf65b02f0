import { parseIp } from "#core";
import type { PacketOptions, PcapngWriter } from "./pcapng-writer.ts";
import { TcpFlag } from "./frame.ts";

export interface Endpoint {
  /** IPv4 or IPv6 address in text. */
  readonly address: string;
  readonly port: number;
}

export interface SessionTraceOptions {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** Who opened the connection: the local end where left out, as an initiator's is. */
  readonly openedBy?: "local" | "remote";
  /** Seconds since 1970 for the packets; the wall clock where left out. */
  readonly now?: () => number;
}

/** Payload of one segment: what fits into an IPv4 packet, in a round number. */
const SEGMENT = 32 * 1024;
const HEADER_LENGTH = { ethernet: 14, ipv4: 20, ipv6: 40, tcp: 20 } as const;
/** Maximum segment size 32 KiB, no operation, window scale 14. */
const OPTIONS_OF_SYN = Buffer.from("020480000103030e", "hex");

interface Side {
  readonly address: Buffer;
  readonly port: number;
  readonly mac: Buffer;
  /** Sequence number of the next byte. */
  next: number;
}

/**
 * Writes what was sent and received on one connection as a TCP conversation that Wireshark and tshark dissect: the
 * handshake, segments whose numbers and checksums are right, and the end. It needs no privilege and no wire, and
 * shows what the program handed over, not how the kernel cut it up.
 */
export class SessionTrace {
  readonly #writer: PcapngWriter;
  readonly #local: Side;
  readonly #remote: Side;
  readonly #now: () => number;
  #closed = false;
  #packets = 0;

  /** Throws a TypeError for an address that is none. */
  constructor(writer: PcapngWriter, options: SessionTraceOptions) {
    this.#writer = writer;
    this.#now = options.now ?? (() => (performance.timeOrigin + performance.now()) / 1000);
    const addresses = sameFamily(addressOf(options.local), addressOf(options.remote));
    const earlier = conversations.get(writer) ?? 0;
    conversations.set(writer, earlier + 1);
    this.#local = side(addresses[0], options.local.port, 1, earlier);
    this.#remote = side(addresses[1], options.remote.port, 2, earlier);
    const opened = options.openedBy ?? "local";
    const [client, server] = opened === "local" ? [this.#local, this.#remote] : [this.#remote, this.#local];
    this.#segment(client, server, TcpFlag.Syn, []);
    this.#segment(server, client, TcpFlag.Syn | TcpFlag.Ack, []);
    this.#segment(client, server, TcpFlag.Ack, []);
  }

  /** Bytes that this end has sent, in pieces as they were handed to the socket. */
  sent(...pieces: readonly Uint8Array[]): void {
    this.#data(this.#local, this.#remote, pieces, {});
  }

  received(...pieces: readonly Uint8Array[]): void {
    this.#data(this.#remote, this.#local, pieces, {});
  }

  /** Like `sent` and `received`, with a comment on the first packet. */
  record(direction: "sent" | "received", pieces: readonly Uint8Array[], options: PacketOptions): void {
    const [from, to] = direction === "sent" ? [this.#local, this.#remote] : [this.#remote, this.#local];
    this.#data(from, to, pieces, options);
  }

  /** The connection's end: in order, or (`reset`) not. Later calls write nothing. */
  close(by: "local" | "remote" = "local", options: { readonly reset?: boolean } = {}): void {
    if (this.#closed) return;
    const [from, to] = by === "local" ? [this.#local, this.#remote] : [this.#remote, this.#local];
    if (options.reset === true) this.#segment(from, to, TcpFlag.Rst | TcpFlag.Ack, []);
    else {
      this.#segment(from, to, TcpFlag.Fin | TcpFlag.Ack, []);
      this.#segment(to, from, TcpFlag.Fin | TcpFlag.Ack, []);
      this.#segment(from, to, TcpFlag.Ack, []);
    }
    this.#closed = true;
  }

  #data(from: Side, to: Side, pieces: readonly Uint8Array[], options: PacketOptions): void {
    const bytes = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
    for (let at = 0; at < bytes.length && !this.#closed; at += SEGMENT) {
      const flags = TcpFlag.Ack | (at + SEGMENT >= bytes.length ? TcpFlag.Psh : 0);
      this.#segment(from, to, flags, [bytes.subarray(at, at + SEGMENT)], at === 0 ? options : {});
    }
  }

  #segment(
    from: Side,
    to: Side,
    flags: number,
    data: readonly Uint8Array[],
    options: PacketOptions = {},
  ): void {
    const length = data.reduce((sum, piece) => sum + piece.length, 0);
    const syn = (flags & TcpFlag.Syn) !== 0;
    const tcp = Buffer.alloc(HEADER_LENGTH.tcp + (syn ? OPTIONS_OF_SYN.length : 0));
    tcp.writeUInt16BE(from.port, 0);
    tcp.writeUInt16BE(to.port, 2);
    tcp.writeUInt32BE(from.next, 4);
    tcp.writeUInt32BE((flags & TcpFlag.Ack) === 0 ? 0 : to.next, 8);
    tcp.writeUInt8((tcp.length / 4) << 4, 12);
    tcp.writeUInt8(flags, 13);
    tcp.writeUInt16BE(0xffff, 14);
    if (syn) OPTIONS_OF_SYN.copy(tcp, HEADER_LENGTH.tcp);
    tcp.writeUInt16BE(tcpChecksum(from, to, tcp, data, length), 16);
    from.next = (from.next + length + ((flags & (TcpFlag.Syn | TcpFlag.Fin)) === 0 ? 0 : 1)) >>> 0;
    const ip = ipHeader(from, to, tcp.length + length, this.#packets++);
    const ethernet = Buffer.concat([
      to.mac,
      from.mac,
      Buffer.from(ip.length === 20 ? "0800" : "86dd", "hex"),
    ]);
    this.#writer.packet([ethernet, ip, tcp, ...data], this.#now(), options);
  }
}

/** How many each file has so far. */
const conversations = new WeakMap<PcapngWriter, number>();

/** Each conversation begins at another number, by which readers tell two between the same ports apart. */
function side(address: Buffer, port: number, number: number, earlier: number): Side {
  // Locally administered addresses: no card has them.
  const mac = Buffer.of(0x02, 0, 0, 0, 0, number);
  return { address, port, mac, next: (number * 1000 + earlier * 0x1_0000) >>> 0 };
}

function addressOf(endpoint: Endpoint): Buffer {
  const address = parseIp(endpoint.address.split("%")[0] ?? "");
  if (address === undefined) throw new TypeError(`address: "${endpoint.address}" is no IP address`);
  return Buffer.from(address);
}

function sameFamily(a: Buffer, b: Buffer): readonly [Buffer, Buffer] {
  return a.length === b.length ? [a, b] : [mapped(a), mapped(b)];
}

/** ::ffff:a.b.c.d, as sockets that accept both families show an IPv4 peer. */
function mapped(address: Buffer): Buffer {
  return address.length === 16
    ? address
    : Buffer.concat([Buffer.alloc(10), Buffer.from("ffff", "hex"), address]);
}

function ipHeader(from: Side, to: Side, length: number, id: number): Buffer {
  if (from.address.length === 16) {
    const header = Buffer.alloc(HEADER_LENGTH.ipv6);
    header.writeUInt8(0x60, 0);
    header.writeUInt16BE(length, 4);
    header.writeUInt8(6, 6);
    header.writeUInt8(64, 7);
    from.address.copy(header, 8);
    to.address.copy(header, 24);
    return header;
  }
  const header = Buffer.alloc(HEADER_LENGTH.ipv4);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(HEADER_LENGTH.ipv4 + length, 2);
  header.writeUInt16BE(id & 0xffff, 4);
  header.writeUInt16BE(0x4000, 6);
  header.writeUInt8(64, 8);
  header.writeUInt8(6, 9);
  from.address.copy(header, 12);
  to.address.copy(header, 16);
  header.writeUInt16BE(folded(sumOf(header)) ^ 0xffff, 10);
  return header;
}

/** Over the pseudo header, the header and the data (RFC 9293, section 3.1). */
function tcpChecksum(from: Side, to: Side, tcp: Buffer, data: readonly Uint8Array[], length: number): number {
  const total = tcp.length + length;
  let sum = sumOf(from.address) + sumOf(to.address) + 6 + (total >>> 16) + (total & 0xffff) + sumOf(tcp);
  // One piece, or none: an odd length in front of another piece would shift its words.
  for (const piece of data) sum += sumOf(piece);
  return folded(sum) ^ 0xffff;
}

/** Sum of 16-bit words, not folded: exact for the sizes of packets. */
function sumOf(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let sum = 0;
  const even = bytes.length & ~1;
  for (let at = 0; at < even; at += 2) sum += view.getUint16(at);
  return even === bytes.length ? sum : sum + (view.getUint8(even) << 8);
}

function folded(sum: number): number {
  let rest = sum;
  while (rest > 0xffff) rest = (rest & 0xffff) + Math.floor(rest / 0x10000);
  return rest;
}

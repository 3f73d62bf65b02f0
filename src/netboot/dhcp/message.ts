import { formatIpv4 } from "../ipv4.ts";
import { readOptionArea, type RawOptions } from "./option-bytes.ts";

export const MessageType = {
  Discover: 1,
  Offer: 2,
  Request: 3,
  Decline: 4,
  Ack: 5,
  Nak: 6,
  Release: 7,
  Inform: 8,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/**
 * A DHCP message (RFC 2131 §2):
 *
 *     0 op  1 htype  2 hlen  3 hops  4 xid  8 secs  10 flags  12 ciaddr  16 yiaddr  20 siaddr  24 giaddr
 *     28 chaddr (16 bytes, hlen of them used)  44 sname (64)  108 file (128)  236 magic cookie  240 options
 *
 * Addresses are unsigned 32-bit numbers. `sname` and `file` are "" where the fields hold options.
 */
export interface DhcpMessage {
  readonly op: 1 | 2;
  readonly htype: number;
  readonly hops: number;
  readonly xid: number;
  readonly secs: number;
  readonly flags: number;
  readonly ciaddr: number;
  readonly yiaddr: number;
  readonly siaddr: number;
  readonly giaddr: number;
  readonly chaddr: Uint8Array;
  readonly sname: string;
  readonly file: string;
  readonly options: RawOptions;
}

/** What `encodeMessage` needs: as a message, but the options already packed into their areas. */
export interface OutgoingMessage extends Omit<DhcpMessage, "options" | "sname" | "file"> {
  readonly sname: string | Uint8Array;
  readonly file: string | Uint8Array;
  readonly optionArea: Uint8Array;
}

/** Bytes before the options, the magic cookie among them. */
export const OPTIONS_OFFSET = 240;
const COOKIE = 0x63825363;
/** Kernels and ROMs exist that ignore anything shorter than a BOOTP message (RFC 1542 §2.1). */
const SHORTEST = 300;

/** Decodes a datagram; undefined where it is no well-formed DHCP message. Never throws, copies nothing but options in pieces. */
export function decodeMessage(datagram: Uint8Array): DhcpMessage | undefined {
  if (datagram.length < OPTIONS_OFFSET) return undefined;
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.length);
  const op = bytes[0];
  const hlen = bytes.readUInt8(2);
  if ((op !== 1 && op !== 2) || hlen > 16 || bytes.readUInt32BE(236) !== COOKIE) return undefined;

  const options = new Map<number, Uint8Array>();
  if (!readOptionArea(bytes.subarray(OPTIONS_OFFSET), options)) return undefined;
  const overload = options.get(52)?.[0] ?? 0;
  const file = bytes.subarray(108, 236);
  const sname = bytes.subarray(44, 108);
  if (overload & 1 && !readOptionArea(file, options)) return undefined;
  if (overload & 2 && !readOptionArea(sname, options)) return undefined;

  return {
    op,
    htype: bytes.readUInt8(1),
    hops: bytes.readUInt8(3),
    xid: bytes.readUInt32BE(4),
    secs: bytes.readUInt16BE(8),
    flags: bytes.readUInt16BE(10),
    ciaddr: bytes.readUInt32BE(12),
    yiaddr: bytes.readUInt32BE(16),
    siaddr: bytes.readUInt32BE(20),
    giaddr: bytes.readUInt32BE(24),
    chaddr: bytes.subarray(28, 28 + hlen),
    sname: overload & 2 ? "" : fieldText(sname),
    file: overload & 1 ? "" : fieldText(file),
    options,
  };
}

export function encodeMessage(message: OutgoingMessage): Uint8Array {
  const bytes = Buffer.alloc(Math.max(SHORTEST, OPTIONS_OFFSET + message.optionArea.length));
  bytes.writeUInt8(message.op, 0);
  bytes.writeUInt8(message.htype, 1);
  bytes.writeUInt8(message.chaddr.length, 2);
  bytes.writeUInt8(message.hops, 3);
  bytes.writeUInt32BE(message.xid, 4);
  bytes.writeUInt16BE(message.secs, 8);
  bytes.writeUInt16BE(message.flags, 10);
  bytes.writeUInt32BE(message.ciaddr, 12);
  bytes.writeUInt32BE(message.yiaddr, 16);
  bytes.writeUInt32BE(message.siaddr, 20);
  bytes.writeUInt32BE(message.giaddr, 24);
  bytes.set(message.chaddr.subarray(0, 16), 28);
  bytes.set(fieldBytes(message.sname, 64), 44);
  bytes.set(fieldBytes(message.file, 128), 108);
  bytes.writeUInt32BE(COOKIE, 236);
  bytes.set(message.optionArea, OPTIONS_OFFSET);
  return bytes;
}

/** The message type, or undefined for plain BOOTP and unknown types. */
export function messageType(message: DhcpMessage): MessageType | undefined {
  const value = message.options.get(53);
  return Object.values(MessageType).find((type) => value?.length === 1 && value[0] === type);
}

export function describeAddress(address: number): string | undefined {
  return address === 0 ? undefined : formatIpv4(address);
}

/** Text up to the first zero; not every client ends it with one. */
function fieldText(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString("latin1", 0, end === -1 ? field.length : end);
}

/** A text field keeps room for its terminating zero. */
function fieldBytes(value: string | Uint8Array, size: number): Uint8Array {
  if (typeof value !== "string") return value.subarray(0, size);
  return Buffer.from(value, "latin1").subarray(0, size - 1);
}

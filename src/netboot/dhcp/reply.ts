import { formatIpv4 } from "../ipv4.ts";
import { encodeMessage, MessageType, OPTIONS_OFFSET, type DhcpMessage } from "./message.ts";
import { packOptions, writeOption } from "./option-bytes.ts";
import { DHCP_OPTIONS, readOption } from "./options.ts";

export interface ReplyFields {
  readonly type: MessageType;
  readonly yiaddr: number;
  readonly siaddr: number;
  /** The boot file; goes into the `file` field where it fits, since not all firmware reads option 67. */
  readonly file: string;
  readonly options: readonly (readonly [number, Uint8Array])[];
}

/** The reply as bytes, and the options for which the client has no room. */
export function buildReply(
  request: DhcpMessage,
  reply: ReplyFields,
): { readonly bytes: Uint8Array; readonly dropped: readonly number[] } {
  const relayAgent = request.options.get(82);
  const echo = relayAgent ? writeOption(82, relayAgent) : new Uint8Array();
  const file = reply.file.length <= 127 ? reply.file : "";
  const options = reply.options.filter(([code]) => code !== 82);
  const limit = optionSpace(request) - echo.length;
  const packed = packOptions(options, limit, { file: file === "", sname: true });
  const bytes = encodeMessage({
    op: 2,
    htype: request.htype,
    hops: 0,
    xid: request.xid,
    secs: 0,
    flags: request.flags,
    ciaddr: reply.type === MessageType.Ack ? request.ciaddr : 0,
    yiaddr: reply.yiaddr,
    siaddr: reply.siaddr,
    giaddr: request.giaddr,
    chaddr: request.chaddr,
    sname: packed.sname ?? "",
    file: packed.file ?? file,
    // RFC 3046 §2.2: the relay's own option is the last before the end.
    optionArea: Buffer.concat([packed.options.subarray(0, -1), echo, Uint8Array.of(255)]),
  });
  return { bytes, dropped: packed.dropped };
}

/**
 * Where a reply goes (RFC 2131 §4.1). A client without an address gets a broadcast even where it could take a
 * unicast: to send one before it answers ARP would take an entry in the kernel's neighbour table.
 */
export function replyAddress(
  request: DhcpMessage,
  type: MessageType,
  from: { readonly address: string },
): { readonly address: string; readonly port: number } {
  if (request.giaddr !== 0) return { address: formatIpv4(request.giaddr), port: 67 };
  if (type !== MessageType.Nak) {
    if (request.ciaddr !== 0) return { address: formatIpv4(request.ciaddr), port: 68 };
    const informed = request.options.get(53)?.[0] === MessageType.Inform && from.address !== "0.0.0.0";
    if (informed) return { address: from.address, port: 68 };
  }
  return { address: "255.255.255.255", port: 68 };
}

/** Bytes for options: 576 for the whole IP datagram unless the client takes more (RFC 2131 §2), one frame at most. */
function optionSpace(request: DhcpMessage): number {
  const asked = readOption(DHCP_OPTIONS, request.options, "maximumMessageSize") ?? 576;
  const headers = 20 + 8;
  return Math.min(Math.max(asked, 576), 1500) - headers - OPTIONS_OFFSET;
}

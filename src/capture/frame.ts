import { formatIp } from "#core";

export const EtherType = {
  Ipv4: 0x0800,
  Arp: 0x0806,
  Vlan: 0x8100,
  Ipv6: 0x86dd,
  ServiceVlan: 0x88a8,
} as const;
export const IpProtocol = { Icmp: 1, Tcp: 6, Udp: 17, Icmpv6: 58 } as const;
export const TcpFlag = { Fin: 1, Syn: 2, Rst: 4, Psh: 8, Ack: 16 } as const;

/** Where the link layer's header ends and what follows, by LINKTYPE_ number. */
const LinkType = { Null: 0, Ethernet: 1, Raw: 101, Loop: 108, LinuxCooked: 113, LinuxCooked2: 276 } as const;
const IPV6_EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 60, 135]);
const NO_BYTES = Buffer.alloc(0);

/**
 * The headers of one packet, decoded in place. One object is reused for all packets: `parse` overwrites it, and the
 * views it hands out are those of the packet given last. Fields of layers that the packet lacks are 0 or empty.
 */
export class Frame {
  #bytes: Buffer = NO_BYTES;
  #addressAt = 0;
  #hasMacs = false;
  /** EtherType, behind VLAN tags. */
  etherType = 0;
  /** VLAN identifier of the innermost tag; undefined where the frame is untagged. */
  vlan: number | undefined;
  /** 4, 6, or 0 for no (whole) IP header. */
  ipVersion: 0 | 4 | 6 = 0;
  /** Protocol behind the IP header and its extensions; -1 for a fragment that is not the first. */
  protocol = 0;
  sourcePort = 0;
  destinationPort = 0;
  sequence = 0;
  acknowledgement = 0;
  tcpFlags = 0;
  /** What follows the deepest header decoded, as far as it was captured. */
  payload: Buffer = NO_BYTES;
  /** Bytes of `payload` on the wire: more than are there where the capture cut the frame off. */
  payloadLength = 0;

  /** False where not even the link layer could be read. */
  parse(bytes: Buffer, linkType: number = LinkType.Ethernet): boolean {
    this.#bytes = bytes;
    this.#hasMacs = linkType === LinkType.Ethernet;
    this.vlan = undefined;
    this.ipVersion = 0;
    this.protocol = this.sourcePort = this.destinationPort = 0;
    this.sequence = this.acknowledgement = this.tcpFlags = 0;
    const at = this.#link(linkType);
    if (at < 0 || at > bytes.length) return false;
    this.#setPayload(at, bytes.length - at);
    if (this.etherType === EtherType.Ipv4) this.#ipv4(at);
    else if (this.etherType === EtherType.Ipv6) this.#ipv6(at);
    return true;
  }

  /** The sender's MAC address, empty where the link layer has none. */
  get sourceMac(): string {
    return this.#hasMacs ? macText(this.#bytes, 6) : "";
  }

  get destinationMac(): string {
    return this.#hasMacs ? macText(this.#bytes, 0) : "";
  }

  get sourceIp(): string {
    return this.#address(0);
  }

  get destinationIp(): string {
    return this.#address(1);
  }

  /** Sender's and receiver's MAC, or the IP addresses, as bytes for use in keys. */
  get sourceMacKey(): string {
    return this.#hasMacs ? this.#bytes.toString("latin1", 6, 12) : "";
  }

  get addressKey(): string {
    const size = this.ipVersion === 4 ? 8 : 32;
    return this.#bytes.toString("latin1", this.#addressAt, this.#addressAt + size);
  }

  #address(which: 0 | 1): string {
    if (this.ipVersion === 0) return "";
    const size = this.ipVersion === 4 ? 4 : 16;
    return formatIp(
      this.#bytes.subarray(this.#addressAt + which * size, this.#addressAt + (which + 1) * size),
    );
  }

  /** Sets `etherType` and `vlan`; returns where the link layer's header ends, or -1. */
  #link(linkType: number): number {
    const bytes = this.#bytes;
    if (linkType === LinkType.Ethernet) return bytes.length < 14 ? -1 : this.#tags(12);
    if (linkType === LinkType.LinuxCooked) return bytes.length < 16 ? -1 : this.#tags(14);
    if (linkType === LinkType.LinuxCooked2) {
      if (bytes.length < 20) return -1;
      this.etherType = bytes.readUInt16BE(0);
      return 20;
    }
    const at =
      linkType === LinkType.Raw ? 0 : linkType === LinkType.Null || linkType === LinkType.Loop ? 4 : -1;
    if (at < 0 || bytes.length <= at) return -1;
    this.etherType = bytes.readUInt8(at) >> 4 === 6 ? EtherType.Ipv6 : EtherType.Ipv4;
    return at;
  }

  #tags(at: number): number {
    this.etherType = this.#bytes.readUInt16BE(at);
    let end = at + 2;
    while (this.etherType === EtherType.Vlan || this.etherType === EtherType.ServiceVlan) {
      if (end + 4 > this.#bytes.length) return -1;
      this.vlan = this.#bytes.readUInt16BE(end) & 0xfff;
      this.etherType = this.#bytes.readUInt16BE(end + 2);
      end += 4;
    }
    return end;
  }

  #ipv4(at: number): void {
    const bytes = this.#bytes;
    if (at + 20 > bytes.length) return;
    const header = (bytes.readUInt8(at) & 0x0f) * 4;
    if (bytes.readUInt8(at) >> 4 !== 4 || header < 20 || at + header > bytes.length) return;
    // Segmentation offload leaves 0 where the packet is longer than 16 bits can say.
    const total = bytes.readUInt16BE(at + 2) || bytes.length - at;
    this.ipVersion = 4;
    this.#addressAt = at + 12;
    const laterFragment = (bytes.readUInt16BE(at + 6) & 0x1fff) !== 0;
    this.#setPayload(at + header, Math.max(0, total - header));
    this.protocol = laterFragment ? -1 : bytes.readUInt8(at + 9);
    this.#transport(at + header);
  }

  #ipv6(at: number): void {
    const bytes = this.#bytes;
    if (at + 40 > bytes.length || bytes.readUInt8(at) >> 4 !== 6) return;
    this.ipVersion = 6;
    this.#addressAt = at + 8;
    let next = bytes.readUInt8(at + 6);
    let from = at + 40;
    const end = from + (bytes.readUInt16BE(at + 4) || bytes.length - from);
    while (IPV6_EXTENSIONS.has(next) && from + 8 <= Math.min(end, bytes.length)) {
      next = bytes.readUInt8(from);
      from += (bytes.readUInt8(from + 1) + 1) * 8;
    }
    this.protocol = next === 44 ? -1 : next;
    this.#setPayload(Math.min(from, bytes.length), Math.max(0, end - from));
    this.#transport(from);
  }

  #transport(at: number): void {
    const bytes = this.#bytes;
    const end = at + this.payloadLength;
    if (this.protocol === IpProtocol.Tcp && at + 20 <= Math.min(end, bytes.length)) {
      const header = (bytes.readUInt8(at + 12) >> 4) * 4;
      if (header < 20 || at + header > end) return;
      this.#ports(at);
      this.sequence = bytes.readUInt32BE(at + 4);
      this.acknowledgement = bytes.readUInt32BE(at + 8);
      this.tcpFlags = bytes.readUInt8(at + 13);
      this.#setPayload(at + header, end - at - header);
    } else if (this.protocol === IpProtocol.Udp && at + 8 <= Math.min(end, bytes.length)) {
      this.#ports(at);
      this.#setPayload(at + 8, end - at - 8);
    }
  }

  #ports(at: number): void {
    this.sourcePort = this.#bytes.readUInt16BE(at);
    this.destinationPort = this.#bytes.readUInt16BE(at + 2);
  }

  #setPayload(at: number, length: number): void {
    this.payloadLength = length;
    this.payload = this.#bytes.subarray(at, at + length);
  }
}

export function macText(bytes: Buffer, at: number): string {
  return bytes.toString("hex", at, at + 6).replaceAll(/..(?=.)/g, "$&:");
}

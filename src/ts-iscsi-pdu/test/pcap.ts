/** One PDU, or some bytes of the stream, as one TCP segment. */
export interface Segment {
  readonly from: "initiator" | "target";
  readonly bytes: Uint8Array;
}

const PORTS = { initiator: 50_000, target: 3260 } as const;
const LINKTYPE_RAW = 101;

/** A pcap file of one TCP connection on the loopback: raw IPv4 packets, one a segment, without checksums. */
export function pcap(segments: readonly Segment[]): Uint8Array {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2_c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(262_144, 16);
  head.writeUInt32LE(LINKTYPE_RAW, 20);
  const next = { initiator: 1, target: 1 };
  const records = segments.map((segment, index) => {
    const packet = tcpPacket(segment, next);
    next[segment.from] += segment.bytes.length;
    const record = Buffer.alloc(16);
    record.writeUInt32LE(1 + index, 0);
    record.writeUInt32LE(packet.length, 8);
    record.writeUInt32LE(packet.length, 12);
    return Buffer.concat([record, packet]);
  });
  return Buffer.concat([head, ...records]);
}

function tcpPacket({ from, bytes }: Segment, next: Readonly<Record<Segment["from"], number>>): Uint8Array {
  const to = from === "initiator" ? "target" : "initiator";
  const head = Buffer.alloc(40);
  head.writeUInt8(0x45, 0);
  head.writeUInt16BE(40 + bytes.length, 2);
  head.writeUInt8(64, 8);
  head.writeUInt8(6, 9);
  head.set([127, 0, 0, 1, 127, 0, 0, 1], 12);
  head.writeUInt16BE(PORTS[from], 20);
  head.writeUInt16BE(PORTS[to], 22);
  head.writeUInt32BE(next[from], 24);
  head.writeUInt32BE(next[to], 28);
  head.writeUInt8(0x50, 32);
  head.writeUInt8(0x18, 33);
  head.writeUInt16BE(65_535, 34);
  return Buffer.concat([head, bytes]);
}

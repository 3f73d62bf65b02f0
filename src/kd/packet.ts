/** Type words of packets; 4 to 6 are control packets, the rest carry a body. */
export const PacketType = {
  StateChange32: 1,
  StateManipulate: 2,
  DebugIo: 3,
  Acknowledge: 4,
  Resend: 5,
  Reset: 6,
  StateChange64: 7,
  PollBreakIn: 8,
  TraceIo: 9,
  ControlRequest: 10,
  FileIo: 11,
} as const;

export const dataLeader = 0x30;
export const controlLeader = 0x69;
export const headerLength = 16;
export const trailer = 0xaa;
/** The longest body that a kernel sends or takes. */
export const maxBody = 4000;
/** The number of each side's first packet; bit 0 toggles with each acknowledged one. */
export const initialId = 0x8080_0000;
/** Set in the number of the first packet of a kernel that starts, or that had given its debugger up. */
export const syncBit = 0x800;
/** The byte that stops a running kernel; it is sent outside any packet. */
export const breakInByte = 0x62;

export interface DataPacket {
  readonly type: number;
  readonly id: number;
  readonly body: Buffer;
}

export interface ControlPacket {
  readonly type: number;
  readonly id: number;
}

/** Leader `0000`, type (2), byte count (2), id (4), sum of the body's bytes (4), the body, `AA`; little-endian. */
export function encodeData(type: number, id: number, body: Uint8Array): Buffer {
  const packet = Buffer.alloc(headerLength + body.length + 1, trailer);
  writeHeader(packet, dataLeader, { type, count: body.length, id, sum: checksum(body) });
  packet.set(body, headerLength);
  return packet;
}

/** The 16 bytes of a control packet: leader `iiii`, type (2), 0 (2), id (4), 0 (4). */
export function encodeControl(type: number, id = 0): Buffer {
  const packet = Buffer.alloc(headerLength);
  writeHeader(packet, controlLeader, { type, count: 0, id, sum: 0 });
  return packet;
}

export function checksum(body: Uint8Array): number {
  let sum = 0;
  for (const byte of body) sum += byte;
  return sum >>> 0;
}

/** Whether a number is one that packets carry: the initial one, toggled or not, with or without the SYNC bit. */
export function isPacketId(id: number): boolean {
  return (id & ~(syncBit | 1)) >>> 0 === initialId;
}

function writeHeader(
  packet: Buffer,
  leader: number,
  fields: { readonly type: number; readonly count: number; readonly id: number; readonly sum: number },
): void {
  packet.fill(leader, 0, 4);
  packet.writeUInt16LE(fields.type, 4);
  packet.writeUInt16LE(fields.count, 6);
  packet.writeUInt32LE(fields.id, 8);
  packet.writeUInt32LE(fields.sum, 12);
}

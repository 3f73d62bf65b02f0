import { PacketType, type DataPacket } from "./packet.ts";

/** The first word of each type's messages. The high half of a state change's word may hold flags. */
const ranges: readonly (readonly [type: number, first: number, last: number])[] = [
  [PacketType.StateChange64, 0x3030, 0x3032],
  [PacketType.StateManipulate, 0x3130, 0x3160],
  [PacketType.DebugIo, 0x3230, 0x3231],
  [PacketType.FileIo, 0x3430, 0x3433],
];

/**
 * Whether a packet's body is of the kind that its type says. The checksum does not cover the header, so a damaged type
 * would make a message be acknowledged and then lost. A type or message that is not known is believed.
 */
export function belongsTo({ type, body }: DataPacket): boolean {
  if (body.length < 4) return true;
  const api = apiOf(body) & 0xffff;
  const range = ranges.find(([, first, last]) => api >= first && api <= last);
  return range === undefined || range[0] === type || type === PacketType.StateChange32;
}

/** The word that tells which message a body holds. */
export function apiOf(body: Buffer): number {
  return body.readUInt32LE(0);
}

import type { RawPdu, ScriptedTarget } from "./scripted.ts";

/*
 * A target's PDUs as bytes, by the layouts of RFC 7143 §11: nothing here knows the project's own codec.
 */

export type Fields = readonly (readonly [offset: number, value: number])[];

export const op = {
  nopOut: 0x40,
  command: 0x01,
  immediateCommand: 0x41,
  tmf: 0x42,
  login: 0x43,
  text: 0x44,
  dataOut: 0x05,
  logout: 0x46,
  snack: 0x10,
} as const;
export const none = 0xffff_ffff;

export const u32 = ({ bhs }: RawPdu, at: number): number => bhs.readUInt32BE(at);
export const itt = (pdu: RawPdu): number => u32(pdu, 16);
export const ttt = (pdu: RawPdu): number => u32(pdu, 20);
export const cmdSn = (pdu: RawPdu): number => u32(pdu, 24);
export const expStatSn = (pdu: RawPdu): number => u32(pdu, 28);
export const flags = ({ bhs }: RawPdu): number => bhs[1] ?? 0;

/** A header: opcode, flags, the request's tag, ExpCmdSN behind it and 32 more, and 32-bit fields at their offsets. */
export function header(opcode: number, flagBits: number, request: RawPdu, fields: Fields): Buffer {
  const bhs = Buffer.alloc(48);
  bhs[0] = opcode;
  bhs[1] = flagBits;
  request.bhs.copy(bhs, 16, 16, 20);
  bhs.writeUInt32BE(none, 20);
  const next = cmdSn(request) + ((request.bhs[0] ?? 0) >= 0x40 ? 0 : 1);
  bhs.writeUInt32BE(next >>> 0, 28);
  bhs.writeUInt32BE((next + 31) >>> 0, 32);
  for (const [offset, value] of fields) bhs.writeUInt32BE(value >>> 0, offset);
  return bhs;
}

/** Data-In; with the S bit (1) in `flagBits` the status GOOD goes along. */
export function dataIn(
  target: ScriptedTarget,
  command: RawPdu,
  dataSn: number,
  offset: number,
  flagBits = 0,
  fields: Fields = [],
): Buffer {
  const status = (flagBits & 1) === 1 ? [[24, target.nextStatSn(command.connection)] as const] : [];
  return header(0x25, flagBits, command, [[36, dataSn], [40, offset], ...status, ...fields]);
}

/** R2T with the Target Transfer Tag 0x1000 + R2TSN. */
export const r2t = (
  target: ScriptedTarget,
  command: RawPdu,
  r2tSn: number,
  offset: number,
  length: number,
  fields: Fields = [],
): Buffer =>
  header(0x31, 0x80, command, [
    [20, 0x1000 + r2tSn],
    [24, target.statSn(command.connection)],
    [36, r2tSn],
    [40, offset],
    [44, length],
    ...fields,
  ]);

export const response = (
  target: ScriptedTarget,
  command: RawPdu,
  expDataSn = 0,
  flagBits = 0x80,
  fields: Fields = [],
): Buffer =>
  header(0x21, flagBits, command, [
    [20, 0],
    [24, target.nextStatSn(command.connection)],
    [36, expDataSn],
    ...fields,
  ]);

/** A status other than GOOD, with fixed-format sense data behind its length where it is CHECK CONDITION. */
export function failure(
  target: ScriptedTarget,
  command: RawPdu,
  status: number,
  sense?: readonly [key: number, asc: number, ascq: number],
): [Buffer, Buffer] {
  const bhs = response(target, command);
  bhs[3] = status;
  if (sense === undefined) return [bhs, Buffer.alloc(0)];
  const data = Buffer.alloc(2 + 18);
  data.writeUInt16BE(18, 0);
  data[2] = 0x70;
  data[4] = sense[0];
  data[9] = 10;
  data[14] = sense[1];
  data[15] = sense[2];
  return [bhs, data];
}

/** NOP-In that asks for an answer under `tag`, or only tells numbers. */
export const nopIn = (target: ScriptedTarget, near: RawPdu, tag = none, fields: Fields = []): Buffer =>
  header(0x20, 0x80, near, [[16, none], [20, tag], [24, target.statSn(near.connection)], ...fields]);

/** The answer to a NOP-Out of the initiator. */
export const pong = (target: ScriptedTarget, ping: RawPdu): Buffer =>
  header(0x20, 0x80, ping, [[24, target.nextStatSn(ping.connection)]]);

export function asyncMessage(
  target: ScriptedTarget,
  near: RawPdu,
  event: number,
  parameters: readonly [number, number, number] = [0, 0, 0],
  lun = 0,
): Buffer {
  const bhs = header(0x32, 0x80, near, [
    [16, none],
    [24, target.nextStatSn(near.connection)],
  ]);
  bhs[9] = lun;
  bhs[36] = event;
  for (const [index, parameter] of parameters.entries()) bhs.writeUInt16BE(parameter, 38 + 2 * index);
  return bhs;
}

/** The header of the PDU that is refused goes along as data. */
export function reject(target: ScriptedTarget, refused: RawPdu, reason: number): [Buffer, Buffer] {
  const bhs = header(0x3f, 0x80, refused, [
    [16, none],
    [24, target.nextStatSn(refused.connection)],
  ]);
  bhs[2] = reason;
  return [bhs, refused.bhs];
}

export function tmfResponse(target: ScriptedTarget, request: RawPdu, code = 0): Buffer {
  const bhs = header(0x22, 0x80, request, [
    [20, 0],
    [24, target.nextStatSn(request.connection)],
  ]);
  bhs[2] = code;
  return bhs;
}

/** Text Response; with a tag the exchange goes on. */
export const textResponse = (
  target: ScriptedTarget,
  request: RawPdu,
  tag = none,
  flagBits = tag === none ? 0x80 : 0,
): Buffer =>
  header(0x24, flagBits, request, [
    [20, tag],
    [24, target.nextStatSn(request.connection)],
  ]);

export function logoutResponse(
  target: ScriptedTarget,
  request: RawPdu,
  code = 0,
  [time2Wait, time2Retain]: readonly [number, number] = [0, 0],
): Buffer {
  const bhs = header(0x26, 0x80, request, [
    [20, 0],
    [24, target.nextStatSn(request.connection)],
  ]);
  bhs[2] = code;
  bhs.writeUInt16BE(time2Wait, 40);
  bhs.writeUInt16BE(time2Retain, 42);
  return bhs;
}

/** Frames written from the description of the wire, sharing nothing with src/kd. */

export function data(type: number, id: number, body: Uint8Array): Buffer {
  const head = Buffer.from("30303030" + "00".repeat(12), "hex");
  head.writeUInt16LE(type, 4);
  head.writeUInt16LE(body.length, 6);
  head.writeUInt32LE(id, 8);
  head.writeUInt32LE(
    body.reduce((sum, byte) => sum + byte, 0),
    12,
  );
  return Buffer.concat([head, body, Buffer.of(0xaa)]);
}

export function control(type: number, id: number): Buffer {
  const frame = Buffer.from("69696969" + "00".repeat(12), "hex");
  frame.writeUInt16LE(type, 4);
  frame.writeUInt32LE(id, 8);
  return frame;
}

export const ack = (id: number) => control(4, id);
export const resend = control(5, 0);
export const reset = control(6, 0);

export function printBody(text: string, length = text.length): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(0x3230, 0);
  head.writeUInt32LE(length, 8);
  return Buffer.concat([head, Buffer.from(text, "latin1")]);
}

export function promptBody(text: string, room: number): Buffer {
  const body = printBody(text);
  body.writeUInt32LE(0x3231, 0);
  body.writeUInt32LE(room, 12);
  return body;
}

export const print = (id: number, text: string) => data(3, id, printBody(text));

export interface StopFields {
  readonly state?: number;
  readonly processor?: number;
  readonly pc?: bigint;
  readonly code?: number;
  readonly firstChance?: boolean;
  readonly parameters?: readonly bigint[];
  readonly instructions?: string;
  readonly wide?: boolean;
  readonly dr7?: number;
  readonly extra?: Buffer;
}

/** A state change with the control report of x86 at 192, or of x64. */
export function stopBody(fields: StopFields = {}): Buffer {
  const body = Buffer.alloc(240);
  body.writeUInt32LE(fields.state ?? 0x3030, 0);
  body.writeUInt16LE(6, 4);
  body.writeUInt16LE(fields.processor ?? 0, 6);
  body.writeUInt32LE(1, 8);
  body.writeBigUInt64LE(fields.pc ?? 0xffff_ffff_8059_ceban, 24);
  body.writeUInt32LE(fields.code ?? 0x8000_0003, 32);
  body.writeBigUInt64LE(fields.pc ?? 0xffff_ffff_8059_ceban, 48);
  const parameters = fields.parameters ?? [];
  body.writeUInt32LE(parameters.length, 56);
  for (const [index, value] of parameters.entries()) body.writeBigUInt64LE(value, 64 + 8 * index);
  body.writeUInt32LE(fields.firstChance === false ? 0 : 1, 184);
  const instructions = Buffer.from(fields.instructions ?? "ccc20400", "hex");
  if (fields.wide) {
    body.writeBigUInt64LE(BigInt(fields.dr7 ?? 0x400), 200);
    body.writeUInt16LE(instructions.length, 212);
    instructions.copy(body, 216);
    body.writeUInt16LE(0x10, 232);
  } else {
    body.writeUInt32LE(fields.dr7 ?? 0x400, 196);
    body.writeUInt16LE(instructions.length, 200);
    instructions.copy(body, 204);
    body.writeUInt16LE(8, 220);
    body.writeUInt32LE(0x246, 228);
  }
  return Buffer.concat([body, fields.extra ?? Buffer.alloc(0)]);
}

export interface ModuleFields {
  readonly path: string;
  readonly base?: bigint;
  readonly size?: number;
  readonly unload?: boolean;
  readonly pathLength?: number;
  readonly wide?: boolean;
}

export function moduleBody(fields: ModuleFields): Buffer {
  const path = fields.path === "" ? Buffer.alloc(0) : Buffer.from(`${fields.path}\0`, "latin1");
  const body = stopBody({
    state: 0x3031,
    instructions: "cc",
    extra: path,
    ...(fields.wide === undefined ? {} : { wide: fields.wide }),
  });
  body.fill(0, 32, 192);
  body.writeUInt32LE(fields.pathLength ?? path.length, 32);
  body.writeBigUInt64LE(fields.base ?? 0xffff_ffff_8040_0000n, 40);
  body.writeUInt32LE(fields.size ?? 0x1000, 60);
  body.writeUInt8(fields.unload ? 1 : 0, 64);
  return body;
}

export function fileCreateBody(name: string): Buffer {
  const body = Buffer.alloc(64);
  body.writeUInt32LE(0x3430, 0);
  return Buffer.concat([body, Buffer.from(`${name}\0`, "utf16le")]);
}

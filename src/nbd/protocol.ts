/**
 * The NBD protocol's numbers, as its "proto.md" names them. Everything on the wire is big-endian.
 * https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
 */
export const Magic = {
  /** "NBDMAGIC", the server's first eight bytes. */
  Server: 0x4e42_444d_4147_4943n,
  /** "IHAVEOPT", newstyle greeting and each option. */
  Option: 0x4948_4156_454f_5054n,
  OptionReply: 0x0003_e889_0455_65a9n,
  Request: 0x2560_9513,
  SimpleReply: 0x6744_6698,
  StructuredReply: 0x668e_33ef,
} as const;

/** The server's flags in the greeting; the client's answer has the same bits. */
export const HandshakeFlag = { FixedNewstyle: 1, NoZeroes: 2 } as const;

export const Option = {
  ExportName: 1,
  Abort: 2,
  List: 3,
  StartTls: 5,
  Info: 6,
  Go: 7,
  StructuredReply: 8,
  ListMetaContext: 9,
  SetMetaContext: 10,
} as const;

export const OptionReply = {
  Ack: 1,
  Server: 2,
  Info: 3,
  MetaContext: 4,
  Unsupported: 0x8000_0001,
  Policy: 0x8000_0002,
  Invalid: 0x8000_0003,
  Platform: 0x8000_0004,
  TlsRequired: 0x8000_0005,
  Unknown: 0x8000_0006,
  Shutdown: 0x8000_0007,
  BlockSizeRequired: 0x8000_0008,
  TooBig: 0x8000_0009,
} as const;

export const Info = { Export: 0, Name: 1, Description: 2, BlockSize: 3 } as const;

export const TransmissionFlag = {
  HasFlags: 1,
  ReadOnly: 2,
  SendFlush: 4,
  SendFua: 8,
  SendTrim: 32,
  SendWriteZeroes: 64,
  SendDf: 128,
  CanMultiConn: 256,
  SendCache: 1024,
} as const;

export const Command = {
  Read: 0,
  Write: 1,
  Disconnect: 2,
  Flush: 3,
  Trim: 4,
  Cache: 5,
  WriteZeroes: 6,
  BlockStatus: 7,
} as const;

export const CommandFlag = { Fua: 1, NoHole: 2, Df: 4, ReqOne: 8 } as const;

export const ReplyFlag = { Done: 1 } as const;

export const ReplyType = {
  None: 0,
  OffsetData: 1,
  OffsetHole: 2,
  BlockStatus: 5,
  Error: 0x8001,
  ErrorOffset: 0x8002,
} as const;

/** States of an extent in the `base:allocation` context. */
export const ExtentFlag = { Hole: 1, Zero: 2 } as const;

export const baseAllocation = "base:allocation";

/** Bytes of a request's header, of a simple reply and of a structured reply chunk's header. */
export const requestSize = 28;
export const simpleReplySize = 16;
export const structuredReplySize = 20;

/** Longest payload of a read or write that a peer must be ready for where none was agreed, bytes. */
export const defaultMaxPayload = 32 * 1024 * 1024;

/** Longest string of the protocol, bytes: names of exports and contexts, descriptions, messages. */
export const maxString = 4096;

/** A request's header, 28 bytes: magic, u16 flags, u16 type, u64 cookie, u64 offset, u32 length. */
export interface Request {
  readonly flags: number;
  readonly type: number;
  readonly cookie: bigint;
  readonly offset: bigint;
  readonly length: number;
}

/** @returns undefined where the bytes are no request. */
export function readRequest(bytes: Buffer): Request | undefined {
  if (bytes.readUInt32BE(0) !== Magic.Request) return undefined;
  return {
    flags: bytes.readUInt16BE(4),
    type: bytes.readUInt16BE(6),
    cookie: bytes.readBigUInt64BE(8),
    offset: bytes.readBigUInt64BE(16),
    length: bytes.readUInt32BE(24),
  };
}

export function writeRequest(request: Request): Buffer {
  const bytes = Buffer.allocUnsafe(requestSize);
  bytes.writeUInt32BE(Magic.Request, 0);
  bytes.writeUInt16BE(request.flags, 4);
  bytes.writeUInt16BE(request.type, 6);
  bytes.writeBigUInt64BE(request.cookie, 8);
  bytes.writeBigUInt64BE(request.offset, 16);
  bytes.writeUInt32BE(request.length, 24);
  return bytes;
}

/** A 32-bit length and the text. */
export function countedString(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

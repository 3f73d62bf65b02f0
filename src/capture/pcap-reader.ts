/** One packet of a capture. `bytes` is a view that is valid only during the call that delivers it. */
export interface CapturedPacket {
  readonly bytes: Buffer;
  /** Seconds since 1970, as the capturing machine's wall clock had it. */
  readonly time: number;
  /** LINKTYPE_ number: 1 is Ethernet. */
  readonly linkType: number;
}

/** What reads one of the two formats: how many bytes the record at `at` has, and what it says. */
interface Format {
  /** Bytes of the record at `at`; undefined while too few are there to tell; an Error where it cannot be one. */
  size(bytes: Buffer, at: number): number | Error | undefined;
  record(bytes: Buffer, at: number, size: number): CapturedPacket | undefined;
}

/** Longer records than this are damage: no NIC offload makes a frame of 1 MiB. */
const RECORD_LIMIT = 1 << 20;
const PCAPNG_MAGIC = 0x0a0d0d0a;

/**
 * Reads a capture (classic pcap or pcapng, either byte order) that may still be growing: `push` takes any split and
 * delivers each packet as soon as it is whole. Never throws; where the bytes are no capture, or stop being one,
 * `problem` says why and everything further is ignored.
 */
export class PcapReader {
  readonly #deliver: (packet: CapturedPacket) => void;
  #format: Format | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #problem: string | undefined;
  #offset = 0;

  constructor(deliver: (packet: CapturedPacket) => void) {
    this.#deliver = deliver;
  }

  /** Why reading stopped, if it did. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Bytes of a record that is not whole yet. */
  get pending(): number {
    return this.#rest.length;
  }

  push(chunk: Uint8Array): void {
    if (this.#problem !== undefined) return;
    const fresh = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    const bytes = this.#rest.length === 0 ? fresh : Buffer.concat([this.#rest, fresh]);
    const used = this.#read(bytes);
    this.#offset += used;
    // A copy: the chunk belongs to the caller.
    this.#rest = this.#problem === undefined ? Buffer.from(bytes.subarray(used)) : Buffer.alloc(0);
  }

  #read(bytes: Buffer): number {
    let at = 0;
    if (this.#format === undefined) {
      if (bytes.length < 24) return 0;
      this.#format = openPcap(bytes) ?? openPcapng(bytes);
      if (this.#format === undefined) return this.#fail("neither pcap nor pcapng: unknown magic number", at);
      if (this.#format instanceof Pcap) at = 24;
    }
    for (;;) {
      const size = this.#format.size(bytes, at);
      if (size instanceof Error) return this.#fail(size.message, at);
      if (size === undefined || at + size > bytes.length) return at;
      const packet = this.#format.record(bytes, at, size);
      if (packet !== undefined) this.#deliver(packet);
      at += size;
    }
  }

  #fail(reason: string, at: number): number {
    this.#problem = `${reason} (at byte ${this.#offset + at})`;
    return at;
  }
}

function openPcap(bytes: Buffer): Pcap | undefined {
  for (const little of [true, false]) {
    const magic = little ? bytes.readUInt32LE(0) : bytes.readUInt32BE(0);
    if (magic !== 0xa1b2c3d4 && magic !== 0xa1b23c4d) continue;
    const network = little ? bytes.readUInt32LE(20) : bytes.readUInt32BE(20);
    return new Pcap(little, magic === 0xa1b23c4d ? 1e9 : 1e6, network & 0x0fff_ffff);
  }
  return undefined;
}

function openPcapng(bytes: Buffer): Pcapng | undefined {
  return bytes.readUInt32LE(0) === PCAPNG_MAGIC ? new Pcapng() : undefined;
}

/** Classic pcap: a 24-byte header, then records of 16 bytes and the packet. */
class Pcap implements Format {
  readonly #little: boolean;
  readonly #resolution: number;
  readonly #linkType: number;

  constructor(little: boolean, resolution: number, linkType: number) {
    this.#little = little;
    this.#resolution = resolution;
    this.#linkType = linkType;
  }

  size(bytes: Buffer, at: number): number | Error | undefined {
    if (at + 16 > bytes.length) return undefined;
    const captured = this.#uint32(bytes, at + 8);
    return captured > RECORD_LIMIT ? new Error(`a record of ${captured} bytes`) : 16 + captured;
  }

  record(bytes: Buffer, at: number, size: number): CapturedPacket {
    const time = this.#uint32(bytes, at) + this.#uint32(bytes, at + 4) / this.#resolution;
    return { bytes: bytes.subarray(at + 16, at + size), time, linkType: this.#linkType };
  }

  #uint32(bytes: Buffer, at: number): number {
    return this.#little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
  }
}

interface Interface {
  readonly linkType: number;
  readonly snapLength: number;
  /** Seconds of one unit of a timestamp. */
  readonly unit: number;
  /** Seconds to add to a timestamp. */
  readonly base: number;
}

const BlockType = { Section: PCAPNG_MAGIC, Interface: 1, SimplePacket: 3, EnhancedPacket: 6 } as const;

/** pcapng (draft-ietf-opsawg-pcapng): blocks; sections may differ in byte order; interfaces count per section. */
class Pcapng implements Format {
  #little = true;
  #interfaces: Interface[] = [];
  #time = 0;

  size(bytes: Buffer, at: number): number | Error | undefined {
    if (at + 12 > bytes.length) return undefined;
    if (bytes.readUInt32LE(at) === BlockType.Section) {
      const order = bytes.readUInt32LE(at + 8);
      if (order !== 0x1a2b3c4d && order !== 0x4d3c2b1a)
        return new Error("a section without byte-order magic");
      this.#little = order === 0x1a2b3c4d;
    }
    const size = this.#uint32(bytes, at + 4);
    return size < 12 || size % 4 !== 0 || size > RECORD_LIMIT + 4096
      ? new Error(`a block of ${size} bytes`)
      : size;
  }

  record(bytes: Buffer, at: number, size: number): CapturedPacket | undefined {
    const body = bytes.subarray(at + 8, at + size - 4);
    const type = this.#uint32(bytes, at);
    if (type === BlockType.Section) this.#interfaces = [];
    else if (type === BlockType.Interface && body.length >= 8) this.#interfaces.push(this.#interface(body));
    else if (type === BlockType.EnhancedPacket && body.length >= 20) return this.#enhanced(body);
    else if (type === BlockType.SimplePacket && body.length >= 4) return this.#simple(body);
    return undefined;
  }

  #interface(body: Buffer): Interface {
    let unit = 1e-6;
    let base = 0;
    for (let at = 8; at + 4 <= body.length;) {
      const code = this.#uint16(body, at);
      const length = this.#uint16(body, at + 2);
      if (code === 0 || at + 4 + length > body.length) break;
      if (code === 9 && length === 1) unit = timeUnit(body.readUInt8(at + 4));
      if (code === 14 && length === 8) base = this.#seconds64(body, at + 4);
      at += 4 + Math.ceil(length / 4) * 4;
    }
    return { linkType: this.#uint16(body, 0), snapLength: this.#uint32(body, 4), unit, base };
  }

  #enhanced(body: Buffer): CapturedPacket | undefined {
    const source = this.#interfaces[this.#uint32(body, 0)];
    const length = this.#uint32(body, 12);
    if (source === undefined || 20 + length > body.length) return undefined;
    const ticks = this.#uint32(body, 4) * 0x1_0000_0000 + this.#uint32(body, 8);
    this.#time = source.base + ticks * source.unit;
    return { bytes: body.subarray(20, 20 + length), time: this.#time, linkType: source.linkType };
  }

  /** Simple packets have no time; the last known one stands in, which keeps the order. */
  #simple(body: Buffer): CapturedPacket | undefined {
    const [source] = this.#interfaces;
    if (source === undefined) return undefined;
    const original = this.#uint32(body, 0);
    const length = Math.min(original, source.snapLength || original, body.length - 4);
    return { bytes: body.subarray(4, 4 + length), time: this.#time, linkType: source.linkType };
  }

  #seconds64(body: Buffer, at: number): number {
    return Number(this.#little ? body.readBigInt64LE(at) : body.readBigInt64BE(at));
  }

  #uint16(bytes: Buffer, at: number): number {
    return this.#little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
  }

  #uint32(bytes: Buffer, at: number): number {
    return this.#little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
  }
}

/** The option if_tsresol: a power of ten, or of two where the top bit is set. */
function timeUnit(resolution: number): number {
  return resolution < 0x80 ? 10 ** -resolution : 2 ** -(resolution & 0x7f);
}

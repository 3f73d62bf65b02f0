export interface PcapngWriterOptions {
  /** The program that captures, for readers of the file. */
  readonly application?: string;
  readonly interfaceName?: string;
  /** LINKTYPE_ number; Ethernet where left out. */
  readonly linkType?: number;
}

export interface PacketOptions {
  /** Shown with the packet by Wireshark and tshark (`frame.comment`). */
  readonly comment?: string;
}

const Option = { End: 0, Comment: 1, InterfaceName: 2, Application: 4, TimeResolution: 9 } as const;
/** Timestamps are in units of 10^-9 s. */
const NANOSECONDS = 9;

/**
 * Writes a capture in the pcapng format (draft-ietf-opsawg-pcapng), little endian, one section with one interface.
 * `write` receives each block whole, in order; where it ends up is the caller's business. A file with credentials in
 * it, as captures of logins are, belongs to its owner alone (mode 0600).
 */
export class PcapngWriter {
  readonly #write: (block: Buffer) => void;

  constructor(write: (block: Buffer) => void, options: PcapngWriterOptions = {}) {
    this.#write = write;
    const section = Buffer.alloc(16);
    section.writeUInt32LE(0x1a2b3c4d, 0);
    section.writeUInt16LE(1, 4);
    // The section's length is not known yet: -1.
    section.writeBigInt64LE(-1n, 8);
    this.#block(0x0a0d0d0a, [
      section,
      ...optionList([[Option.Application, options.application ?? "sanlab"]]),
    ]);
    const link = Buffer.alloc(8);
    link.writeUInt16LE(options.linkType ?? 1, 0);
    const name = options.interfaceName;
    this.#block(1, [
      link,
      ...optionList([
        ...(name === undefined ? [] : [[Option.InterfaceName, name] as const]),
        [Option.TimeResolution, Buffer.of(NANOSECONDS)],
      ]),
    ]);
  }

  /** One packet in pieces; `time` is seconds since 1970. */
  packet(pieces: readonly Uint8Array[], time: number, options: PacketOptions = {}): void {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const head = Buffer.alloc(20);
    // A double holds today's time to 0.2 µs.
    const ticks = BigInt(Math.round(time * 1e6)) * 1000n;
    head.writeUInt32LE(Number(BigInt.asUintN(32, ticks >> 32n)), 4);
    head.writeUInt32LE(Number(BigInt.asUintN(32, ticks)), 8);
    head.writeUInt32LE(length, 12);
    head.writeUInt32LE(length, 16);
    const comment = options.comment;
    const list = comment === undefined ? [] : optionList([[Option.Comment, comment]]);
    this.#block(6, [head, ...pieces, padding(length), ...list]);
  }

  #block(type: number, pieces: readonly Uint8Array[]): void {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 12);
    const frame = Buffer.alloc(8);
    frame.writeUInt32LE(type, 0);
    frame.writeUInt32LE(length, 4);
    this.#write(Buffer.concat([frame, ...pieces, frame.subarray(4)], length));
  }
}

/** Options with their terminator: code, length, value, padding to 32 bits. */
function optionList(list: readonly (readonly [code: number, value: string | Buffer])[]): readonly Buffer[] {
  const written = list.flatMap(([code, value]) => {
    const bytes = Buffer.from(value).subarray(0, 0xffff);
    const head = Buffer.alloc(4);
    head.writeUInt16LE(code, 0);
    head.writeUInt16LE(bytes.length, 2);
    return [head, bytes, padding(bytes.length)];
  });
  return [...written, Buffer.alloc(4)];
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}

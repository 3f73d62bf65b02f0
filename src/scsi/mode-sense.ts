import { concat, readUint, writeUint } from "./bytes.ts";

/** Mode pages by number (SPC-4, section 7.5; SBC-4, section 6.5). */
export const ModePage = {
  ErrorRecovery: 0x01,
  DisconnectReconnect: 0x02,
  Caching: 0x08,
  Control: 0x0a,
  InformationalExceptions: 0x1c,
  CdCapabilities: 0x2a,
  All: 0x3f,
} as const;

/** A page of mode parameters: its code, and the bytes after its length byte. */
export interface ModePageData {
  readonly page: number;
  readonly subpage?: number;
  readonly savable?: boolean;
  readonly body: Uint8Array;
}

/** What MODE SENSE answers and MODE SELECT sends. */
export interface ModeParameters {
  readonly mediumType: number;
  /** DEVICE-SPECIFIC PARAMETER: for disks bit 7 WP, bit 4 DPOFUA. */
  readonly deviceSpecific: number;
  /** One short (8 bytes) or long (16 bytes) block descriptor, or none. */
  readonly blockDescriptor?: { readonly blocks: number; readonly blockSize: number; readonly long?: boolean };
  readonly pages: readonly ModePageData[];
}

export const writeProtectBit = 0x80;
export const dpoFuaBit = 0x10;

/** Encodes the 4-byte (6) or 8-byte (10) header, the block descriptor and the pages. */
export function writeModeParameters(parameters: ModeParameters, command: 6 | 10): Uint8Array {
  const descriptor = writeBlockDescriptor(parameters.blockDescriptor);
  const pages = concat(parameters.pages.map(writeModePage));
  const header = new Uint8Array(command === 6 ? 4 : 8);
  const length = header.length + descriptor.length + pages.length;
  if (command === 6) {
    header.set([length - 1, parameters.mediumType, parameters.deviceSpecific, descriptor.length]);
  } else {
    writeUint(header, 0, 2, length - 2);
    header.set([parameters.mediumType, parameters.deviceSpecific], 2);
    header[4] = parameters.blockDescriptor?.long === true ? 1 : 0;
    writeUint(header, 6, 2, descriptor.length);
  }
  return concat([header, descriptor, pages]);
}

/** Decodes mode parameters; undefined where a length points past the end. */
export function readModeParameters(bytes: Uint8Array, command: 6 | 10): ModeParameters | undefined {
  const header = command === 6 ? 4 : 8;
  if (bytes.length < header) return undefined;
  const descriptorLength = command === 6 ? (bytes[3] ?? 0) : readUint(bytes, 6, 2);
  const long = command === 10 && ((bytes[4] ?? 0) & 1) === 1;
  if (header + descriptorLength > bytes.length) return undefined;
  const pages = readModePages(bytes.subarray(header + descriptorLength));
  if (pages === undefined) return undefined;
  return {
    mediumType: bytes[command === 6 ? 1 : 2] ?? 0,
    deviceSpecific: bytes[command === 6 ? 2 : 3] ?? 0,
    ...readBlockDescriptor(bytes.subarray(header, header + descriptorLength), long),
    pages,
  };
}

function writeBlockDescriptor(descriptor: ModeParameters["blockDescriptor"]): Uint8Array {
  if (descriptor === undefined) return new Uint8Array(0);
  if (descriptor.long === true) {
    const out = new Uint8Array(16);
    writeUint(out, 0, 8, descriptor.blocks);
    writeUint(out, 12, 4, descriptor.blockSize);
    return out;
  }
  const out = new Uint8Array(8);
  writeUint(out, 0, 4, Math.min(descriptor.blocks, 0xffff_ffff));
  writeUint(out, 5, 3, descriptor.blockSize);
  return out;
}

function readBlockDescriptor(bytes: Uint8Array, long: boolean): Pick<ModeParameters, "blockDescriptor"> {
  if (long && bytes.length >= 16)
    return {
      blockDescriptor: { blocks: readUint(bytes, 0, 8), blockSize: readUint(bytes, 12, 4), long: true },
    };
  if (bytes.length >= 8)
    return { blockDescriptor: { blocks: readUint(bytes, 0, 4), blockSize: readUint(bytes, 5, 3) } };
  return {};
}

function writeModePage({ page, subpage, savable, body }: ModePageData): Uint8Array {
  const out = new Uint8Array((subpage === undefined ? 2 : 4) + body.length);
  out[0] = page | (savable === true ? 0x80 : 0) | (subpage === undefined ? 0 : 0x40);
  if (subpage === undefined) {
    out[1] = body.length;
  } else {
    out[1] = subpage;
    writeUint(out, 2, 2, body.length);
  }
  out.set(body, out.length - body.length);
  return out;
}

function readModePages(bytes: Uint8Array): readonly ModePageData[] | undefined {
  const pages: ModePageData[] = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at] ?? 0;
    const sub = (first & 0x40) !== 0;
    const start = at + (sub ? 4 : 2);
    const end = start + (sub ? readUint(bytes, at + 2, 2) : (bytes[at + 1] ?? 0));
    if (start > bytes.length || end > bytes.length) return undefined;
    pages.push({
      page: first & 0x3f,
      ...(sub && { subpage: bytes[at + 1] ?? 0 }),
      ...((first & 0x80) !== 0 && { savable: true }),
      body: bytes.slice(start, end),
    });
    at = end;
  }
  return pages;
}

import { readFlag, readText, readUint, writeFlag, writeText, writeUint } from "./bytes.ts";

/** PERIPHERAL DEVICE TYPE of SPC-4, table 148. */
export const DeviceType = { Disk: 0x00, CdRom: 0x05, Unknown: 0x1f } as const;

/** Standard INQUIRY data (SPC-4, section 6.6.2). */
export interface StandardInquiry {
  /** 0: a unit is here; 1: it could be; 3: this LUN cannot be. */
  readonly qualifier: number;
  readonly deviceType: number;
  readonly removable: boolean;
  /** 5 is SPC-3, 6 SPC-4. */
  readonly version: number;
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
  /** Command queuing. */
  readonly commandQueuing: boolean;
  /** The unit is a target of EXTENDED COPY. */
  readonly thirdPartyCopy: boolean;
  /** Asymmetric access: 0 none, 1 implicit, 2 explicit, 3 both. */
  readonly targetPortGroups: number;
  /** The standards claimed, as the codes of SPC-4, section 6.6.2.2. */
  readonly versionDescriptors: readonly number[];
}

/** Decodes standard INQUIRY data of at least 5 bytes; fields past the end are zero or empty. */
export function readInquiry(bytes: Uint8Array): StandardInquiry {
  const descriptors: number[] = [];
  for (let at = 58; at + 2 <= Math.min(bytes.length, 74); at += 2)
    if (readUint(bytes, at, 2) !== 0) descriptors.push(readUint(bytes, at, 2));
  return {
    qualifier: (bytes[0] ?? 0) >> 5,
    deviceType: (bytes[0] ?? 0) & 0x1f,
    removable: readFlag(bytes, 1, 7),
    version: bytes[2] ?? 0,
    vendor: readText(bytes, 8, 8),
    product: readText(bytes, 16, 16),
    revision: readText(bytes, 32, 4),
    commandQueuing: readFlag(bytes, 7, 1),
    thirdPartyCopy: readFlag(bytes, 5, 3),
    targetPortGroups: ((bytes[5] ?? 0) >> 4) & 3,
    versionDescriptors: descriptors,
  };
}

/** Encodes 96 bytes of standard INQUIRY data with HISUP set and response data format 2. */
export function writeInquiry(inquiry: StandardInquiry): Uint8Array {
  const out = new Uint8Array(96);
  out[0] = (inquiry.qualifier << 5) | inquiry.deviceType;
  writeFlag(out, 1, 7, inquiry.removable);
  out[2] = inquiry.version;
  out[3] = 0x12;
  out[4] = out.length - 5;
  out[5] = inquiry.targetPortGroups << 4;
  writeFlag(out, 5, 3, inquiry.thirdPartyCopy);
  writeFlag(out, 7, 1, inquiry.commandQueuing);
  writeText(out, 8, 8, inquiry.vendor);
  writeText(out, 16, 16, inquiry.product);
  writeText(out, 32, 4, inquiry.revision);
  for (const [index, code] of inquiry.versionDescriptors.slice(0, 8).entries())
    writeUint(out, 58 + 2 * index, 2, code);
  return out;
}

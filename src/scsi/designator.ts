import { concat, readText, readUint } from "./bytes.ts";

/** An identification descriptor of VPD page 83 (SPC-4, section 7.8.6). */
export interface Designator {
  /** 0 vendor, 1 T10 vendor ID, 2 EUI-64, 3 NAA, 4 relative port, 5 port group, 8 SCSI name string. */
  readonly type: number;
  /** 1 binary, 2 ASCII, 3 UTF-8. */
  readonly codeSet: number;
  /** 0 logical unit, 1 target port, 2 target device. */
  readonly association: number;
  /** PROTOCOL IDENTIFIER where valid; 5 is iSCSI. */
  readonly protocol?: number;
  readonly value: Uint8Array;
}

export const DesignatorType = {
  Vendor: 0,
  T10Vendor: 1,
  Eui64: 2,
  Naa: 3,
  RelativePort: 4,
  PortGroup: 5,
  ScsiName: 8,
} as const;

export function writeDesignators(designators: readonly Designator[]): Uint8Array {
  return concat(designators.map(writeDesignator));
}

export function writeDesignator(designator: Designator): Uint8Array {
  const out = new Uint8Array(4 + designator.value.length);
  out[0] = ((designator.protocol ?? 0) << 4) | designator.codeSet;
  out[1] = (designator.protocol === undefined ? 0 : 0x80) | (designator.association << 4) | designator.type;
  out[3] = designator.value.length;
  out.set(designator.value, 4);
  return out;
}

/** Decodes the body of page 83; a descriptor that runs past the end is left out. */
export function readDesignators(body: Uint8Array): readonly Designator[] {
  const found: Designator[] = [];
  for (let at = 0; at + 4 <= body.length;) {
    const first = body[at] ?? 0;
    const second = body[at + 1] ?? 0;
    const end = at + 4 + (body[at + 3] ?? 0);
    if (end > body.length) break;
    found.push({
      type: second & 0xf,
      codeSet: first & 0xf,
      association: (second >> 4) & 3,
      ...((second & 0x80) !== 0 && { protocol: first >> 4 }),
      value: body.slice(at + 4, end),
    });
    at = end;
  }
  return found;
}

/** A designator in words: "naa.6001405…", "t10.SANLAB  disk0", "iqn.…". */
export function formatDesignator({ type, codeSet, value }: Designator): string {
  const hex = Buffer.from(value).toString("hex");
  const text = codeSet === 1 ? hex : readText(value, 0, value.length);
  if (type === DesignatorType.Naa) return `naa.${hex}`;
  if (type === DesignatorType.Eui64) return `eui.${hex}`;
  if (type === DesignatorType.T10Vendor) return `t10.${text}`;
  if (type === DesignatorType.RelativePort) return `port ${readUint(value, 2, 2)}`;
  if (type === DesignatorType.PortGroup) return `port group ${readUint(value, 2, 2)}`;
  return text;
}

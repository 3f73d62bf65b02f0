import { additionalSenseText } from "./additional-sense.ts";
import { readFlag, readUint, writeFlag, writeUint } from "./bytes.ts";
import { senseKeyName } from "./sense-key.ts";

/** Sense data in either format of SPC-4, section 4.5. */
export interface Sense {
  /** Sense key, 0-15. */
  readonly key: number;
  /** ADDITIONAL SENSE CODE. */
  readonly asc: number;
  /** ADDITIONAL SENSE CODE QUALIFIER. */
  readonly ascq: number;
  /** The error is of an earlier command (response codes 71h and 73h). */
  readonly deferred?: boolean;
  /** INFORMATION: an LBA or a residue, as the command says. */
  readonly information?: number;
  readonly commandSpecific?: number;
  /** Where in the CDB or parameter list the offending field is (SKSV with an ILLEGAL REQUEST). */
  readonly field?: SenseField;
  /** PROGRESS INDICATION, 0-65535 of 65536 (SKSV with NO SENSE or NOT READY). */
  readonly progress?: number;
}

export interface SenseField {
  readonly inCdb: boolean;
  readonly byte: number;
  readonly bit?: number;
}

/** Decodes fixed (70h, 71h) and descriptor (72h, 73h) sense data; undefined where the bytes are neither. */
export function readSense(bytes: Uint8Array): Sense | undefined {
  const response = (bytes[0] ?? 0) & 0x7f;
  const deferred = response === 0x71 || response === 0x73;
  if (response === 0x70 || response === 0x71) return readFixed(bytes, deferred);
  if (response === 0x72 || response === 0x73) return readDescriptors(bytes, deferred);
  return undefined;
}

/** Encodes 18 bytes of fixed-format sense data, or descriptor-format sense data with as many descriptors as needed. */
export function writeSense(sense: Sense, options: { readonly descriptor?: boolean } = {}): Uint8Array {
  const large = (sense.information ?? 0) > 0xffff_ffff;
  return options.descriptor === true || large ? writeDescriptors(sense) : writeFixed(sense);
}

/** "ILLEGAL REQUEST: Invalid field in CDB (24h/00h, byte 2 bit 3)". */
export function formatSense(sense: Sense): string {
  const code = `${hex(sense.asc)}/${hex(sense.ascq)}`;
  const bit = sense.field?.bit === undefined ? "" : ` bit ${sense.field.bit}`;
  const place =
    sense.field === undefined
      ? ""
      : `, ${sense.field.inCdb ? "CDB" : "parameter"} byte ${sense.field.byte}${bit}`;
  const late = sense.deferred === true ? ", deferred" : "";
  return `${senseKeyName(sense.key)}: ${additionalSenseText(sense.asc, sense.ascq)} (${code}${place}${late})`;
}

const hex = (value: number) => `${value.toString(16).toUpperCase().padStart(2, "0")}h`;

function readFixed(bytes: Uint8Array, deferred: boolean): Sense {
  const key = (bytes[2] ?? 0) & 0xf;
  return {
    key,
    asc: bytes[12] ?? 0,
    ascq: bytes[13] ?? 0,
    ...(deferred && { deferred }),
    ...(readFlag(bytes, 0, 7) && { information: readUint(bytes, 3, 4) }),
    ...(readUint(bytes, 8, 4) !== 0 && { commandSpecific: readUint(bytes, 8, 4) }),
    ...readKeySpecific(bytes, 15, key),
  };
}

function readDescriptors(bytes: Uint8Array, deferred: boolean): Sense {
  const key = (bytes[1] ?? 0) & 0xf;
  let sense: Sense = { key, asc: bytes[2] ?? 0, ascq: bytes[3] ?? 0, ...(deferred && { deferred }) };
  const end = Math.min(bytes.length, 8 + (bytes[7] ?? 0));
  for (let at = 8; at + 2 <= end; at += 2 + (bytes[at + 1] ?? 0)) {
    if (bytes[at] === 0x00) sense = { ...sense, information: readUint(bytes, at + 4, 8) };
    if (bytes[at] === 0x01) sense = { ...sense, commandSpecific: readUint(bytes, at + 4, 8) };
    if (bytes[at] === 0x02) sense = { ...sense, ...readKeySpecific(bytes, at + 4, key) };
  }
  return sense;
}

function readKeySpecific(bytes: Uint8Array, at: number, key: number): Partial<Sense> {
  if (!readFlag(bytes, at, 7)) return {};
  if (key === 0x0 || key === 0x2) return { progress: readUint(bytes, at + 1, 2) };
  if (key !== 0x5) return {};
  const bit = readFlag(bytes, at, 3) ? { bit: (bytes[at] ?? 0) & 7 } : {};
  return { field: { inCdb: readFlag(bytes, at, 6), byte: readUint(bytes, at + 1, 2), ...bit } };
}

function writeFixed(sense: Sense): Uint8Array {
  const out = new Uint8Array(18);
  out[0] = sense.deferred === true ? 0x71 : 0x70;
  out[2] = sense.key;
  out[7] = 10;
  if (sense.information !== undefined) {
    writeFlag(out, 0, 7, true);
    writeUint(out, 3, 4, sense.information);
  }
  writeUint(out, 8, 4, sense.commandSpecific ?? 0);
  out[12] = sense.asc;
  out[13] = sense.ascq;
  writeKeySpecific(out, 15, sense);
  return out;
}

function writeDescriptors(sense: Sense): Uint8Array {
  const information = sense.information === undefined ? 0 : 12;
  const command = sense.commandSpecific === undefined ? 0 : 12;
  const specific = sense.field === undefined && sense.progress === undefined ? 0 : 8;
  const out = new Uint8Array(8 + information + command + specific);
  out.set([sense.deferred === true ? 0x73 : 0x72, sense.key, sense.asc, sense.ascq]);
  out[7] = out.length - 8;
  if (information > 0) {
    out.set([0x00, 10, 0x80], 8);
    writeUint(out, 12, 8, sense.information ?? 0);
  }
  if (command > 0) {
    out.set([0x01, 10], 8 + information);
    writeUint(out, 12 + information, 8, sense.commandSpecific ?? 0);
  }
  if (specific > 0) {
    out.set([0x02, 6], 8 + information + command);
    writeKeySpecific(out, 12 + information + command, sense);
  }
  return out;
}

function writeKeySpecific(out: Uint8Array, at: number, sense: Sense): void {
  if (sense.field !== undefined) {
    const bit = sense.field.bit === undefined ? 0 : 0x08 | sense.field.bit;
    out[at] = 0x80 | (sense.field.inCdb ? 0x40 : 0) | bit;
    writeUint(out, at + 1, 2, sense.field.byte);
  } else if (sense.progress !== undefined) {
    out[at] = 0x80;
    writeUint(out, at + 1, 2, sense.progress);
  }
}

import {
  ahsLength,
  AhsType,
  bidirectionalReadAhs,
  bidirectionalReadLength,
  extendedCdbAhs,
  type AhsSegment,
} from "../ahs.ts";
import { putU32, copyBytes } from "../bytes.ts";
import type { Init, RequestFields } from "../fields.ts";
import { encodeLun, lunValue, type LunValue } from "../lun.ts";
import { Opcode } from "../opcode.ts";
import { RequestView } from "../view.ts";
import { ahsField, finalBit, immediateBit, writeRequest, writeTotalAhsLength } from "../write.ts";

/** RFC 7143 §11.3. */
export interface ScsiCommandFields extends RequestFields {
  readonly opcode: typeof Opcode.ScsiCommand;
  /** False when unsolicited Data-Out PDUs follow. */
  readonly final: boolean;
  readonly read: boolean;
  readonly write: boolean;
  /** One of TaskAttribute, or a code that it lacks. */
  readonly attribute: number;
  /** PRI, 0 to 15; only with iSCSIProtocolLevel 2 (RFC 7144 §5.1). */
  readonly priority: number;
  readonly lun: LunValue;
  /** Expected Data Transfer Length, bytes; of the write where the command is bidirectional. */
  readonly edtl: number;
  /** Any length from 16 to 260 bytes when read; shorter ones are padded with zeros when written. */
  readonly cdb: Uint8Array;
  /** Bidirectional Expected Read-Data Length, bytes; travels in an AHS. */
  readonly bidirectionalReadLength?: number;
  /** Further additional header segments, after those of the CDB and the read length. */
  readonly ahs?: readonly AhsSegment[];
}
export type ScsiCommandInit = Init<ScsiCommandFields, "itt" | "cdb" | "cmdSn" | "expStatSn">;

export class ScsiCommandView extends RequestView {
  readonly opcode = Opcode.ScsiCommand;

  get read(): boolean {
    return (this.byte(1) & 0x40) !== 0;
  }

  get write(): boolean {
    return (this.byte(1) & 0x20) !== 0;
  }

  get attribute(): number {
    return this.byte(1) & 0x07;
  }

  get priority(): number {
    return this.byte(2) >>> 4;
  }

  get edtl(): number {
    return this.word(20);
  }

  /** The 16 bytes in the BHS, as a view; `fullCdb()` adds an extended CDB. */
  get cdb(): Uint8Array {
    return this.bytes.subarray(this.offset + 32, this.offset + 48);
  }

  /** The CDB with its extension; a copy only when there is one. Throws as `ahs()` does. */
  fullCdb(): Uint8Array {
    if (this.ahsLength === 0) return this.cdb;
    const extension = this.ahs().find((segment) => segment.type === AhsType.ExtendedCdb);
    return extension === undefined ? this.cdb : joinCdb(this.cdb, extension);
  }

  /** Expected bytes to read of a bidirectional command, or undefined. Throws as `ahs()` does. */
  bidirectionalReadLength(): number | undefined {
    if (this.ahsLength === 0) return undefined;
    return this.ahs()
      .map(bidirectionalReadLength)
      .find((length) => length !== undefined);
  }

  toFields(): ScsiCommandFields {
    const segments = [...this.ahs()];
    let cdb = copyBytes(this.cdb);
    // Only what the writer would put in the same place and form is lifted out of the list of segments.
    const first = segments[0];
    if (first?.type === AhsType.ExtendedCdb && first.specific.length > 1 && first.specific[0] === 0) {
      cdb = joinCdb(cdb, first);
      segments.shift();
    }
    const next = segments[0];
    const readLength = next?.specific[0] === 0 ? bidirectionalReadLength(next) : undefined;
    if (readLength !== undefined) segments.shift();
    return {
      opcode: this.opcode,
      immediate: this.immediate,
      final: this.final,
      read: this.read,
      write: this.write,
      attribute: this.attribute,
      priority: this.priority,
      dataLength: this.dataLength,
      lun: lunValue(this.bytes, this.offset + 8),
      itt: this.itt,
      edtl: this.edtl,
      cmdSn: this.cmdSn,
      expStatSn: this.expStatSn,
      cdb,
      ...(readLength === undefined ? {} : { bidirectionalReadLength: readLength }),
      ...ahsField(segments),
    };
  }
}

/** Writes the BHS; `scsiCommandAhs(f)` are the segments that have to follow it. */
export function writeScsiCommand(into: Uint8Array, offset: number, f: ScsiCommandInit): void {
  const byte1 =
    finalBit(f) | (f.read === true ? 0x40 : 0) | (f.write === true ? 0x20 : 0) | ((f.attribute ?? 0) & 0x07);
  writeRequest(into, offset, Opcode.ScsiCommand | immediateBit(f), byte1, f);
  if (f.priority !== undefined) into[offset + 2] = f.priority << 4;
  encodeLun(into, offset + 8, f.lun ?? 0);
  putU32(into, offset + 20, f.edtl ?? 0);
  const { cdb } = f;
  if (cdb.length <= 16) into.set(cdb, offset + 32);
  else into.set(cdb.subarray(0, 16), offset + 32);
  if (cdb.length > 16 || f.bidirectionalReadLength !== undefined) {
    writeTotalAhsLength(into, offset, ahsLength(scsiCommandAhs(f)));
  }
}

const NO_SEGMENTS: readonly AhsSegment[] = [];

/** All additional header segments of a SCSI Command: extended CDB, read length, then those in `ahs`. */
export function scsiCommandAhs(
  f: Pick<ScsiCommandInit, "cdb" | "bidirectionalReadLength" | "ahs">,
): readonly AhsSegment[] {
  if (f.cdb.length <= 16 && f.bidirectionalReadLength === undefined) return f.ahs ?? NO_SEGMENTS;
  return [
    ...(f.cdb.length > 16 ? [extendedCdbAhs(f.cdb)] : []),
    ...(f.bidirectionalReadLength === undefined ? [] : [bidirectionalReadAhs(f.bidirectionalReadLength)]),
    ...(f.ahs ?? []),
  ];
}

function joinCdb(start: Uint8Array, extension: AhsSegment): Uint8Array<ArrayBuffer> {
  const cdb = new Uint8Array(16 + Math.max(0, extension.specific.length - 1));
  cdb.set(start);
  cdb.set(extension.specific.subarray(1), 16);
  return cdb;
}

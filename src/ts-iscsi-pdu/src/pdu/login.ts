import { putU16, u16, copyBytes } from "../bytes.ts";
import type { Init, RequestFields, ResponseFields } from "../fields.ts";
import { decodeIsid, ISID_LENGTH, type Isid } from "../isid.ts";
import { Opcode } from "../opcode.ts";
import { RequestView, ResponseView } from "../view.ts";
import { ahsField, writeRequest, writeResponse } from "../write.ts";

interface StageFields {
  /** T bit: ready to go from stage `csg` to stage `nsg`. */
  readonly transit: boolean;
  /** C bit: the text goes on in the next PDU; never together with `transit`. */
  readonly continues: boolean;
  /** Current stage, one of LoginStage. */
  readonly csg: number;
  /** Next stage, one of LoginStage, where `transit` is set; else 0. */
  readonly nsg: number;
  readonly versionMax: number;
  /** 6 bytes; see decodeIsid. */
  readonly isid: Uint8Array;
  /** 0 for a new session. */
  readonly tsih: number;
}

/** RFC 7143 §11.12. The I bit is always set: `immediate` is true unless told otherwise. */
export interface LoginRequestFields extends RequestFields, StageFields {
  readonly opcode: typeof Opcode.LoginRequest;
  readonly versionMin: number;
  readonly cid: number;
}
export type LoginRequestInit = Init<LoginRequestFields, "itt" | "csg" | "isid" | "cmdSn" | "expStatSn">;

export class LoginRequestView extends RequestView {
  readonly opcode = Opcode.LoginRequest;

  get transit(): boolean {
    return this.final;
  }

  get continues(): boolean {
    return (this.byte(1) & 0x40) !== 0;
  }

  get csg(): number {
    return (this.byte(1) >>> 2) & 3;
  }

  get nsg(): number {
    return this.byte(1) & 3;
  }

  get versionMax(): number {
    return this.byte(2);
  }

  get versionMin(): number {
    return this.byte(3);
  }

  /** The 6 bytes, as a view. */
  get isid(): Uint8Array {
    return this.bytes.subarray(this.offset + 8, this.offset + 14);
  }

  get tsih(): number {
    return u16(this.bytes, this.offset + 14);
  }

  get cid(): number {
    return u16(this.bytes, this.offset + 20);
  }

  decodedIsid(): Isid {
    return decodeIsid(this.bytes, this.offset + 8);
  }

  toFields(): LoginRequestFields {
    return {
      opcode: this.opcode,
      immediate: this.immediate,
      transit: this.transit,
      continues: this.continues,
      csg: this.csg,
      nsg: this.nsg,
      versionMax: this.versionMax,
      versionMin: this.versionMin,
      dataLength: this.dataLength,
      isid: copyBytes(this.isid),
      tsih: this.tsih,
      itt: this.itt,
      cid: this.cid,
      cmdSn: this.cmdSn,
      expStatSn: this.expStatSn,
      ...ahsField(this.ahs()),
    };
  }
}

export function writeLoginRequest(into: Uint8Array, offset: number, f: LoginRequestInit): void {
  writeRequest(into, offset, Opcode.LoginRequest | (f.immediate === false ? 0 : 0x40), stageByte(f), f);
  into[offset + 2] = f.versionMax ?? 0;
  into[offset + 3] = f.versionMin ?? 0;
  writeIdentity(into, offset, f);
  putU16(into, offset + 20, f.cid ?? 0);
}

/** RFC 7143 §11.13. StatSN, ExpCmdSN and MaxCmdSN hold only while `statusClass` is 0. */
export interface LoginResponseFields extends ResponseFields, StageFields {
  readonly opcode: typeof Opcode.LoginResponse;
  readonly versionActive: number;
  /** 0 success, 1 redirection, 2 initiator error, 3 target error. */
  readonly statusClass: number;
  readonly statusDetail: number;
}
export type LoginResponseInit = Init<
  LoginResponseFields,
  "itt" | "csg" | "isid" | "statSn" | "expCmdSn" | "maxCmdSn"
>;

export class LoginResponseView extends ResponseView {
  readonly opcode = Opcode.LoginResponse;

  get transit(): boolean {
    return this.final;
  }

  get continues(): boolean {
    return (this.byte(1) & 0x40) !== 0;
  }

  get csg(): number {
    return (this.byte(1) >>> 2) & 3;
  }

  get nsg(): number {
    return this.byte(1) & 3;
  }

  get versionMax(): number {
    return this.byte(2);
  }

  get versionActive(): number {
    return this.byte(3);
  }

  /** The 6 bytes, as a view. */
  get isid(): Uint8Array {
    return this.bytes.subarray(this.offset + 8, this.offset + 14);
  }

  get tsih(): number {
    return u16(this.bytes, this.offset + 14);
  }

  get statusClass(): number {
    return this.byte(36);
  }

  get statusDetail(): number {
    return this.byte(37);
  }

  /** Class and detail in one number, as in the table LoginStatus: 0x0201. */
  get status(): number {
    return u16(this.bytes, this.offset + 36);
  }

  toFields(): LoginResponseFields {
    return {
      opcode: this.opcode,
      transit: this.transit,
      continues: this.continues,
      csg: this.csg,
      nsg: this.nsg,
      versionMax: this.versionMax,
      versionActive: this.versionActive,
      dataLength: this.dataLength,
      isid: copyBytes(this.isid),
      tsih: this.tsih,
      itt: this.itt,
      statSn: this.statSn,
      expCmdSn: this.expCmdSn,
      maxCmdSn: this.maxCmdSn,
      statusClass: this.statusClass,
      statusDetail: this.statusDetail,
      ...ahsField(this.ahs()),
    };
  }
}

export function writeLoginResponse(into: Uint8Array, offset: number, f: LoginResponseInit): void {
  writeResponse(into, offset, Opcode.LoginResponse, stageByte(f), f);
  into[offset + 2] = f.versionMax ?? 0;
  into[offset + 3] = f.versionActive ?? 0;
  writeIdentity(into, offset, f);
  into[offset + 36] = f.statusClass ?? 0;
  into[offset + 37] = f.statusDetail ?? 0;
}

function stageByte(f: Partial<StageFields> & Pick<StageFields, "csg">): number {
  return (
    (f.transit === true ? 0x80 : 0) |
    (f.continues === true ? 0x40 : 0) |
    ((f.csg & 3) << 2) |
    ((f.nsg ?? 0) & 3)
  );
}

function writeIdentity(
  into: Uint8Array,
  offset: number,
  f: Pick<StageFields, "isid"> & { readonly tsih?: number },
): void {
  if (f.isid.length !== ISID_LENGTH) throw new RangeError(`an ISID has 6 bytes, not ${f.isid.length}`);
  into.set(f.isid, offset + 8);
  putU16(into, offset + 14, f.tsih ?? 0);
}

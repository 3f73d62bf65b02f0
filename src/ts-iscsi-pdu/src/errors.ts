/** Stable words that programs may rely on. */
export type ProtocolErrorCode =
  /** Fewer bytes than the structure needs. */
  | "PDU_SHORT"
  /** An opcode that RFC 7143 does not define, or that the peer may not send. */
  | "PDU_OPCODE"
  /** The DataSegmentLength is beyond what this side declared. */
  | "PDU_DATA_LENGTH"
  /** An additional header segment that cannot be taken apart. */
  | "PDU_AHS"
  | "PDU_HEADER_DIGEST"
  | "PDU_DATA_DIGEST"
  /** After a header digest error no valid header was found in time. */
  | "PDU_RESYNC"
  /** A value that the RFC forbids in that place: a reserved bit, a tag, a combination of flags. */
  | "PDU_FIELD"
  | "TEXT_FORMAT"
  | "TEXT_TOO_LONG"
  | "TEXT_VALUE";

export interface ProtocolErrorInit {
  readonly code: ProtocolErrorCode;
  /** Section of the specification that was broken: "RFC 7143 §11.2.1.6". */
  readonly section: string;
  /** The field at fault, in the words of the specification. */
  readonly field: string;
  readonly got: number | string;
  readonly limit?: number | string;
  readonly message: string;
  /** The bad PDU's BHS (48 bytes), as a Reject PDU must carry it back (RFC 7143 §11.17). */
  readonly header?: Uint8Array;
  /** True when the framer goes on with the next PDU. */
  readonly recoverable?: boolean;
}

/**
 * The peer broke the protocol. `code` is stable; `section`, `field`, `got` and `limit` say what was wrong in
 * terms of the specification. It carries header bytes at most, never a data segment, so no secret travels in it.
 */
export class ProtocolError extends Error {
  readonly code: ProtocolErrorCode;
  readonly section: string;
  readonly field: string;
  readonly got: number | string;
  readonly limit: number | string | undefined;
  readonly header: Uint8Array | undefined;
  readonly recoverable: boolean;

  constructor(init: ProtocolErrorInit) {
    super(`${init.message} (${init.section})`);
    this.name = "ProtocolError";
    this.code = init.code;
    this.section = init.section;
    this.field = init.field;
    this.got = init.got;
    this.limit = init.limit;
    this.header = init.header;
    this.recoverable = init.recoverable ?? false;
  }
}

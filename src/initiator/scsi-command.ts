import { readSense, type Sense } from "#scsi";
import type { LunValue, TaskAttribute } from "ts-iscsi-pdu";

/** A SCSI command to execute. Give `readInto`, `write`, both (a bidirectional command) or neither. */
export interface ScsiCommand {
  readonly lun: LunValue;
  /** 6 to 260 bytes. */
  readonly cdb: Uint8Array;
  /**
   * Where the data goes; its length is the Expected Data Transfer Length. It may hold wrong bytes until the command is
   * done, and after it failed.
   */
  readonly readInto?: Uint8Array;
  /** What is sent; it must not change before the command is done. */
  readonly write?: Uint8Array;
  /** Simple unless told. */
  readonly attribute?: TaskAttribute;
  /** Delivered at once, outside of the command window. */
  readonly immediate?: boolean;
  /** Aborts the task at the target; the promise rejects with the signal's reason once the buffers are free again. */
  readonly signal?: AbortSignal;
  /**
   * Whether the command may be sent again when the connection broke before its status came; found from the CDB unless
   * told. Without, such a command rejects with TransportError OUTCOME_UNKNOWN.
   */
  readonly replay?: boolean;
}

/** Bytes of the Expected Data Transfer Length that were not moved, or that did not fit (RFC 7143 §11.4.5). */
export interface Residual {
  readonly kind: "none" | "underflow" | "overflow";
  readonly bytes: number;
}

/** How a command ended at the logical unit; any status is a result, not an error. */
export interface ScsiResult {
  /** SAM status byte. */
  readonly status: number;
  readonly sense: Sense | undefined;
  /** The sense data as it came. */
  readonly senseData: Uint8Array;
  readonly residual: Residual;
  /** Residual of the read half of a bidirectional command. */
  readonly readResidual: Residual;
  /** Bytes now in `readInto`. */
  readonly read: number;
  /** Bytes of `write` that the logical unit took. */
  readonly written: number;
}

export const noResidual: Residual = { kind: "none", bytes: 0 };
const noSense = new Uint8Array(0);

/** A result with status GOOD, everything moved: made once a command, so kept small. */
export function completeResult(status: number, read: number, written: number): ScsiResult {
  return {
    status,
    sense: undefined,
    senseData: noSense,
    residual: noResidual,
    readResidual: noResidual,
    read,
    written,
  };
}

/** Cuts SenseLength (2 bytes) and the sense data out of a SCSI Response's data segment (RFC 7143 §11.4.7). */
export function senseOf(data: Uint8Array): { sense: Sense | undefined; senseData: Uint8Array } {
  if (data.length < 2) return { sense: undefined, senseData: noSense };
  const length = ((data[0] ?? 0) << 8) | (data[1] ?? 0);
  // A copy: the result outlives the buffer in which the PDU came.
  const senseData = Uint8Array.from(data.subarray(2, 2 + length));
  return { sense: readSense(senseData), senseData };
}

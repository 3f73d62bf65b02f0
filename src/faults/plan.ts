import type { OpcodeName } from "ts-iscsi-pdu";

/** What is to go wrong, when, and with which dice. */
export interface FaultPlan {
  /** The same seed gives the same shots for the same traffic. */
  readonly seed: number;
  readonly rules: readonly FaultRule[];
}

export interface FaultRule {
  /** Names the rule in events. */
  readonly id: string;
  readonly on: FaultMatch;
  readonly when?: FaultFrequency;
  readonly do: FaultAction;
}

/** Where a rule looks: one of `pdu`, `scsi` and `login`, and any number of further conditions, all of which must hold. */
export interface FaultMatch {
  /** A PDU on the wire; whether it comes in or goes out follows from its opcode. */
  readonly pdu?: OpcodeName;
  /** Values of header fields, by the names of the codec's field tables, as `{ itt: 7, final: 1 }`. */
  readonly fields?: Readonly<Record<string, number>>;
  /** A SCSI command about to be carried out: "READ(10)", or "READ" for all its lengths. */
  readonly scsi?: string;
  /** First and last block that a READ or WRITE must touch. */
  readonly lba?: readonly [number, number];
  readonly lun?: number;
  /** A Login Request in this stage, or with this key in it. */
  readonly login?: "security" | "operational" | "any";
  readonly key?: string;
  /** Counts the sessions of the target from 1. */
  readonly session?: number;
  /** The initiator's whole name, or its beginning and "*". */
  readonly initiator?: string;
}

/** Which of the matches are shot at; all unless told. */
export interface FaultFrequency {
  /** Matches to let pass first. */
  readonly after?: number;
  /** Then every so-manyth match. */
  readonly every?: number;
  /** Shots in all. */
  readonly times?: number;
  /** Probability of each, 0 to 1. */
  readonly chance?: number;
}

/** What is done to what has matched. */
export type FaultAction =
  /** Holds it back, and with a PDU all that follow it, for milliseconds. */
  | { readonly kind: "delay"; readonly milliseconds: number }
  /** Holds it back for ever. */
  | { readonly kind: "stall" }
  /** A PDU is lost. */
  | { readonly kind: "drop" }
  /** Ends the connection with FIN, or with RST and without what is waiting. */
  | { readonly kind: "close"; readonly how: "fin" | "rst" }
  /** A SCSI status without sense data. */
  | { readonly kind: "status"; readonly status: number }
  /** CHECK CONDITION. */
  | { readonly kind: "sense"; readonly key: number; readonly asc: number; readonly ascq: number }
  /** A header field gets another value; digests are right for it. */
  | { readonly kind: "set"; readonly field: string; readonly value: number }
  /** Bits are turned over after the digests were made. */
  | { readonly kind: "flip"; readonly where: "header" | "data" | "digest"; readonly bits: number }
  /** A PDU goes out after so many that follow it. */
  | { readonly kind: "reorder"; readonly by: number }
  /** Only the first bytes of a PDU go out, then FIN. */
  | { readonly kind: "truncate"; readonly bytes: number }
  /** An Asynchronous Message goes out first. */
  | { readonly kind: "async"; readonly event: number; readonly parameter3?: number }
  /** The initiator's PDU is rejected and forgotten. */
  | { readonly kind: "reject"; readonly reason: number }
  /** The command window shrinks to so many commands. */
  | { readonly kind: "window"; readonly commands: number }
  /** The login is refused. */
  | { readonly kind: "refuse"; readonly class: number; readonly detail: number }
  /** The login is sent elsewhere. */
  | { readonly kind: "redirect"; readonly address: string; readonly permanent: boolean }
  /** The logical unit is gone from now on. */
  | { readonly kind: "remove-lun" };

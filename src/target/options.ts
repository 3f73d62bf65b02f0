import type { Report } from "#core";
import type { FaultPlan } from "#faults";
import type { OperationalValues } from "ts-iscsi-pdu";
import type { ChapUsers } from "./login/chap.ts";
import type { LogicalUnitOptions } from "./scsi/logical-unit.ts";

/** One target: a name and its logical units. */
export interface TargetNodeOptions {
  /** The iSCSI name: "iqn.…", "eui.…" or "naa.…". */
  readonly iqn: string;
  readonly luns: readonly LogicalUnitOptions[];
  /** Who may log in and with which secrets; without it nobody has to authenticate. */
  readonly auth?: ChapUsers;
  /** Initiator names that may log in; everybody unless told. */
  readonly initiators?: readonly string[];
  /** Sends every login elsewhere (RFC 7143, section 11.13.5, class 1). */
  readonly redirect?: Redirect;
}

export interface Redirect {
  /** "host", "host:port" or "host:port,group"; IPv6 addresses in brackets. */
  readonly address: string;
  readonly permanent: boolean;
}

export interface PortalOptions {
  /** 127.0.0.1 unless told. */
  readonly host?: string;
  /** 0, the default, picks a free one. */
  readonly port?: number;
}

/** Bounds that a peer cannot exceed, whatever it does. Times are milliseconds; 0 switches a time-out off. */
export interface TargetLimits {
  /** From the connection to the full feature phase. */
  readonly loginTimeout: number;
  /** A peer that takes nothing of what is waiting for it. */
  readonly stallTimeout: number;
  /** A NOP-In ping after this much silence; off unless told, since iPXE does not answer pings. */
  readonly pingInterval: number;
  /** How long the answer to a ping may take. */
  readonly pingTimeout: number;
  readonly maxConnections: number;
  readonly maxSessions: number;
  /** Commands that one session may have outstanding: the width of its CmdSN window. */
  readonly queueDepth: number;
  /** Bytes of write data that one session may have asked for by R2T at a time. */
  readonly dataOutBudget: number;
  /** Bytes of Data-In that one session keeps to send again (ErrorRecoveryLevel 1 and 2). */
  readonly retainBytes: number;
  /** Silence in a sequence of Data-Out after which the rest is asked for again (ErrorRecoveryLevel 1 and 2). */
  readonly dataOutTimeout: number;
  /** Bytes of answers that wait for a slow peer before reads of its session pause. */
  readonly outputHighWater: number;
}

export const defaultLimits: TargetLimits = {
  loginTimeout: 15_000,
  stallTimeout: 600_000,
  pingInterval: 0,
  pingTimeout: 30_000,
  maxConnections: 512,
  maxSessions: 256,
  queueDepth: 128,
  dataOutBudget: 8 * 1024 * 1024,
  retainBytes: 8 * 1024 * 1024,
  dataOutTimeout: 5000,
  outputHighWater: 2 * 1024 * 1024,
};

export interface TargetOptions extends TargetNodeOptions, PortalOptions {
  /** Further targets at the same portals. */
  readonly others?: readonly TargetNodeOptions[];
  /** Further portals, of the same portal group. */
  readonly portals?: readonly PortalOptions[];
  /** Who may ask for the list of targets; without it everybody may. */
  readonly discoveryAuth?: ChapUsers;
  /** What this side wants of the operational keys of RFC 7143, section 13. */
  readonly keys?: Partial<OperationalValues>;
  readonly limits?: Partial<TargetLimits>;
  /** What is to go wrong; `setFaults` changes it while the target runs. */
  readonly faults?: FaultPlan;
  readonly report?: Report;
  /** Closes the target when it aborts. */
  readonly signal?: AbortSignal;
}

/** What the target wants unless told: everything on that the peer may want, memory bounded. */
export const defaultKeys: Partial<OperationalValues> = {
  HeaderDigest: "None,CRC32C",
  DataDigest: "None,CRC32C",
  MaxConnections: 4,
  InitialR2T: false,
  ImmediateData: true,
  MaxRecvDataSegmentLength: 262_144,
  MaxBurstLength: 1_048_576,
  FirstBurstLength: 65_536,
  MaxOutstandingR2T: 4,
  DefaultTime2Wait: 2,
  DefaultTime2Retain: 20,
  ErrorRecoveryLevel: 0,
  TaskReporting: "RFC3720",
  iSCSIProtocolLevel: 2,
};

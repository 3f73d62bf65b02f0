import type { Report } from "#core";
import type { Isid, OperationalValues } from "ts-iscsi-pdu";
import type { ByteTrace } from "./byte-trace.ts";
import type { ChapOptions } from "./chap.ts";

/** What happens when the connection breaks (RFC 7143 §7: session recovery). */
export interface RecoveryOptions {
  /** Logins to try before giving up; 0 fails everything at once. Default 8. */
  readonly attempts?: number;
  /** Milliseconds before the second attempt, doubled for each further one. Default 100. */
  readonly firstDelayMs?: number;
  /** Default 10,000. */
  readonly longestDelayMs?: number;
}

export interface DiscoveryOptions {
  /** Host name or address of the portal; an IPv6 address without brackets. */
  readonly host: string;
  /** Default 3260. */
  readonly port?: number;
  /** This side's iSCSI name. */
  readonly initiator: string;
  readonly initiatorAlias?: string;
  /** Kept for the life of the session, also when it is made anew. Default: of the random form. */
  readonly isid?: Isid;
  readonly chap?: ChapOptions;
  /** What to offer for the keys of RFC 7143 §13, by their names there. */
  readonly keys?: Partial<OperationalValues>;
  /** For one login, everything included. Default 15,000. */
  readonly loginTimeoutMs?: number;
  /** Ends the login, and nothing after it. */
  readonly signal?: AbortSignal;
  /** Is told what happens: "login", "redirect", "deviation", "async", "reject", "connection-lost", "recovered"… */
  readonly report?: Report;
  readonly trace?: ByteTrace;
}

export interface SessionOptions extends DiscoveryOptions {
  /** The target's iSCSI name. */
  readonly target: string;
  readonly recovery?: RecoveryOptions;
  /** Connections of the session; fewer where the target allows no more. Default 1. */
  readonly connections?: number;
  /**
   * A silent connection is pinged after this time, and given up when the ping stays unanswered for as long again.
   * 0 leaves silence alone. Default 5,000.
   */
  readonly keepaliveMs?: number;
  /**
   * A command without an answer after this time is aborted and rejects with a TimeoutError; time that it waits for the
   * command window does not count. 0 waits for ever. Default 60,000.
   */
  readonly commandTimeoutMs?: number;
  /**
   * Whether the event loop may sleep for a tenth of a millisecond at a time, to let the answers of a deep queue gather
   * where that pays: fewer, fuller reads. Say false where the process has other things to answer as quickly. Default
   * true.
   */
  readonly moderation?: boolean;
}

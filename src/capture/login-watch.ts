import type { Tell } from "./wire-report.ts";
import { isidSoftware } from "./iscsi-names.ts";

const STAGES = ["security", "operational", "2", "full-feature"] as const;
/** Longer answers than any key has; what a hostile peer sends may not fill the timeline. */
const VALUE_LIMIT = 512;
const KEYS_LIMIT = 16 * 1024;
/** Keys whose negotiated value describes the session; the credentials of CHAP are not among them. */
const OPERATIONAL: ReadonlySet<string> = new Set([
  "AuthMethod",
  "HeaderDigest",
  "DataDigest",
  "MaxConnections",
  "InitialR2T",
  "ImmediateData",
  "MaxRecvDataSegmentLength",
  "MaxBurstLength",
  "FirstBurstLength",
  "DefaultTime2Wait",
  "DefaultTime2Retain",
  "MaxOutstandingR2T",
  "DataPDUInOrder",
  "DataSequenceInOrder",
  "ErrorRecoveryLevel",
  "TargetPortalGroupTag",
]);

/**
 * Watches the login phase of one connection: who logs in where, how the target answers, and what holds in the full
 * feature phase. Values of CHAP keys are never told.
 */
export class LoginWatch {
  readonly #tell: Tell;
  readonly #keys: Record<string, string> = {};
  readonly #rejected: string[] = [];
  #requestText: Buffer = Buffer.alloc(0);
  #responseText: Buffer = Buffer.alloc(0);
  isid = "";
  initiator: string | null = null;
  target: string | null = null;
  sessionType = "Normal";

  constructor(tell: Tell) {
    this.#tell = tell;
  }

  get headerDigest(): boolean {
    return this.#keys["HeaderDigest"] === "CRC32C";
  }

  get dataDigest(): boolean {
    return this.#keys["DataDigest"] === "CRC32C";
  }

  request(header: Buffer, data: Buffer): void {
    this.#requestText = joined(this.#requestText, data);
    // The C bit: the keys go on in the next request (RFC 7143, section 11.12.3).
    if ((header.readUInt8(1) & 0x40) !== 0) return;
    const keys = textKeys(this.#requestText);
    this.#requestText = Buffer.alloc(0);
    this.isid = header.toString("hex", 8, 14);
    this.initiator = keys.get("InitiatorName") ?? this.initiator;
    this.target = keys.get("TargetName") ?? this.target;
    this.sessionType = keys.get("SessionType") ?? this.sessionType;
    for (const [key, value] of keys) {
      if (key === "MaxRecvDataSegmentLength") this.#keys["InitiatorMaxRecvDataSegmentLength"] = value;
      else if (OPERATIONAL.has(key)) this.#keys[key] = value;
    }
    this.#tell("iscsi-login-request", {
      isid: this.isid,
      software: isidSoftware(this.isid) ?? null,
      initiator: this.initiator,
      target: this.target,
      sessionType: this.sessionType,
      tsih: header.readUInt16BE(14),
      ...stages(header),
      authMethod: keys.get("AuthMethod") ?? null,
    });
  }

  /** True where this response ends the login: the full feature phase begins. */
  response(header: Buffer, data: Buffer): boolean {
    this.#responseText = joined(this.#responseText, data);
    const [statusClass, detail] = [header.readUInt8(36), header.readUInt8(37)];
    if ((header.readUInt8(1) & 0x40) !== 0 && statusClass === 0) return false;
    const keys = textKeys(this.#responseText);
    this.#responseText = Buffer.alloc(0);
    for (const [key, value] of keys) {
      if (value === "Reject" || value === "NotUnderstood") this.#rejected.push(`${key}=${value}`);
      if (key === "MaxRecvDataSegmentLength") this.#keys["TargetMaxRecvDataSegmentLength"] = value;
      else if (OPERATIONAL.has(key)) this.#keys[key] = value;
    }
    this.#tell("iscsi-login-response", {
      isid: this.isid,
      initiator: this.initiator,
      target: this.target,
      class: statusClass,
      detail,
      ...stages(header),
      targetAddress: keys.get("TargetAddress") ?? null,
      rejected: keys.size === 0 ? [] : this.#rejected.slice(0, 16),
    });
    const done = statusClass === 0 && (header.readUInt8(1) & 0x83) === 0x83;
    if (done) {
      this.#tell("iscsi-full-feature", {
        isid: this.isid,
        software: isidSoftware(this.isid) ?? null,
        tsih: header.readUInt16BE(14),
        initiator: this.initiator,
        target: this.target,
        sessionType: this.sessionType,
        keys: { ...this.#keys },
      });
    }
    return done;
  }
}

function stages(header: Buffer): { readonly stage: string; readonly next: string | null } {
  const flags = header.readUInt8(1);
  return { stage: stageName(flags >> 2), next: flags >= 0x80 ? stageName(flags) : null };
}

function stageName(code: number): string {
  return STAGES[code & 3] ?? "";
}

function joined(before: Buffer, data: Buffer): Buffer {
  if (before.length === 0) return data;
  return before.length > KEYS_LIMIT ? before : Buffer.concat([before, data]);
}

/** Key=value pairs that end with NUL (RFC 7143, section 6.1); what has no "=" is passed over. */
function textKeys(data: Buffer): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  for (const pair of data.toString("utf8", 0, KEYS_LIMIT).split("\0")) {
    const at = pair.indexOf("=");
    if (at > 0 && at < 64) keys.set(pair.slice(0, at), pair.slice(at + 1, at + 1 + VALUE_LIMIT));
  }
  return keys;
}

import { SanlabError, UsageError, type ErrorInit } from "#core";
import { formatSense, scsiStatusName, type Sense } from "#scsi";
import { ProtocolError } from "ts-iscsi-pdu";

/**
 * The login was refused or could not be finished. `status` is class and detail of the Login Response (0x0201), or
 * undefined when it was this side that gave up.
 */
export class LoginError extends SanlabError {
  readonly status: number | undefined;

  constructor(code: string, message: string, init: ErrorInit & { readonly status?: number } = {}) {
    super(code, message, {
      ...init,
      details: { ...init.details, ...(init.status !== undefined && { status: hex(init.status) }) },
    });
    this.status = init.status;
  }
}

/** The connection could not be made or broke. Whether a command in flight was executed is then unknown. */
export class TransportError extends SanlabError {}

/** The target broke the protocol; `violation` names section, field and value. */
export class PeerProtocolError extends SanlabError {
  readonly violation: ProtocolError;

  constructor(where: string, violation: ProtocolError) {
    const { section, field, got, message } = violation;
    const value = typeof got === "number" ? got : JSON.stringify(got);
    super("PROTOCOL_ERROR", `${where} broke the protocol: ${field} ${value}: ${message}`, {
      cause: violation,
      details: { section, field, got },
    });
    this.violation = violation;
  }
}

/** The logical unit answered a command with something else than GOOD. */
export class ScsiError extends SanlabError {
  /** SAM status byte. */
  readonly status: number;
  readonly sense: Sense | undefined;

  constructor(command: string, lun: number, status: number, sense: Sense | undefined) {
    const words = sense === undefined ? scsiStatusName(status) : formatSense(sense);
    super(
      `SCSI_${scsiStatusName(status).replaceAll(/\W+/g, "_").toUpperCase()}`,
      `LUN ${lun}, ${command}: ${words}`,
      {
        details: { lun, command, status, ...(sense && { key: sense.key, asc: sense.asc, ascq: sense.ascq }) },
      },
    );
    this.status = status;
    this.sense = sense;
  }
}

/** The target itself, not the logical unit, failed a command (SCSI Response codes of RFC 7143 §11.4.3). */
export class TargetFailure extends SanlabError {}

/** An iSCSI URL that cannot be understood. */
export class UrlError extends UsageError {
  constructor(message: string) {
    super("BAD_URL", message);
  }
}

/** A field of the target's PDU that the RFC forbids in this place. */
export function violation(
  section: string,
  field: string,
  got: number | string,
  message: string,
): ProtocolError {
  return new ProtocolError({ code: "PDU_FIELD", section: `RFC 7143 §${section}`, field, got, message });
}

const hex = (value: number) => `0x${value.toString(16).padStart(4, "0")}`;

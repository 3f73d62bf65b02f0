import { RejectReason, serialAdd, serialInWindow, serialLess, type PduInit } from "ts-iscsi-pdu";

/** A PDU as it was sent. Its data is let go where memory runs short. */
export interface SentPdu {
  readonly pdu: PduInit;
  data: Uint8Array | undefined;
  gone: boolean;
}

interface Entry {
  readonly sent: SentPdu;
  readonly bytes: number;
  readonly settled: (() => void) | undefined;
}

/** Responses that one connection keeps at most, and bytes of their own data. */
const maxResponses = 1024;
const maxBytes = 1024 * 1024;

/**
 * The responses of one connection that the initiator has not acknowledged by ExpStatSN, to be sent again when it asks
 * (RFC 7143, section 7.1.4.2, ErrorRecoveryLevel 1 and up). The oldest are let go when there are too many.
 */
export class RetainedStatus {
  readonly #entries = new Map<number, Entry>();
  #oldest: number;
  #next: number;
  #bytes = 0;

  constructor(nextStatSn: number) {
    this.#oldest = nextStatSn;
    this.#next = nextStatSn;
  }

  /** `settled` is called when the response is acknowledged or let go. Data-In counts its data elsewhere. */
  add(statSn: number, sent: SentPdu, bytes: number, settled?: () => void): void {
    this.#entries.set(statSn, { sent, bytes, settled });
    this.#bytes += bytes;
    this.#next = serialAdd(statSn, 1);
    while (this.#entries.size > maxResponses || (this.#bytes > maxBytes && this.#entries.size > 1))
      this.#drop(this.#oldest);
  }

  /** Another response takes the place of one that went out already, under its StatSN. */
  replace(statSn: number, sent: SentPdu): void {
    const entry = this.#entries.get(statSn);
    if (entry !== undefined) this.#entries.set(statSn, { ...entry, sent });
  }

  /** All responses below ExpStatSN have arrived. Numbers that cannot be are ignored. */
  acknowledge(expStatSn: number): void {
    if (expStatSn === this.#oldest || !serialInWindow(expStatSn, this.#oldest, this.#next)) return;
    while (serialLess(this.#oldest, expStatSn)) this.#drop(this.#oldest);
  }

  /** The run of responses that a Status SNACK asks for, or the reason to reject it. */
  run(begRun: number, runLength: number): readonly SentPdu[] | number {
    const from = begRun === 0 && runLength === 0 ? this.#oldest : begRun;
    const end = runLength === 0 ? this.#next : serialAdd(from, runLength);
    if (serialLess(from, this.#oldest) || serialLess(this.#next, end)) return RejectReason.ProtocolError;
    const run: SentPdu[] = [];
    for (let statSn = from; serialLess(statSn, end); statSn = serialAdd(statSn, 1)) {
      const sent = this.#entries.get(statSn)?.sent;
      if (sent === undefined || sent.gone) return RejectReason.SnackReject;
      run.push(sent);
    }
    return run;
  }

  #drop(statSn: number): void {
    const entry = this.#entries.get(statSn);
    this.#entries.delete(statSn);
    this.#oldest = serialAdd(statSn, 1);
    if (entry === undefined) return;
    this.#bytes -= entry.bytes;
    entry.settled?.();
  }
}

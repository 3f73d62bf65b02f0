import { serialAdd, serialInWindow, serialMax } from "ts-iscsi-pdu";

/**
 * The CmdSN window of one session (RFC 7143, section 4.2.2.1): requests are delivered in the order of their CmdSN over
 * all connections, and no more of them than the queue has room for.
 */
export class CommandOrder {
  readonly #depth: number;
  readonly #held = new Map<number, () => void>();
  #expCmdSn: number;
  #maxCmdSn: number;
  #active = 0;
  /** A fault may narrow the window; MaxCmdSN never goes back (section 4.2.2.1). */
  #limit: number;

  constructor(firstCmdSn: number, depth: number) {
    this.#depth = depth;
    this.#limit = depth;
    this.#expCmdSn = firstCmdSn;
    this.#maxCmdSn = serialAdd(firstCmdSn, depth - 1);
  }

  get expCmdSn(): number {
    return this.#expCmdSn;
  }

  get maxCmdSn(): number {
    this.#maxCmdSn = serialMax(this.#maxCmdSn, serialAdd(this.#expCmdSn, this.#limit - this.#active - 1));
    return this.#maxCmdSn;
  }

  /** Commands that the window has room for at most, at least 1; the queue depth unless told. */
  limit(commands: number | undefined): void {
    this.#limit = Math.max(1, Math.min(this.#depth, commands ?? this.#depth));
  }

  /** Whether a non-immediate request may come now; others are ignored without an answer. */
  accepts(cmdSn: number): boolean {
    return serialInWindow(cmdSn, this.#expCmdSn, this.maxCmdSn) && !this.#held.has(cmdSn);
  }

  /** Delivers a request, or holds it until those before it have come. The caller has asked `accepts`. */
  take(cmdSn: number, deliver: () => void): void {
    if (cmdSn !== this.#expCmdSn) {
      this.#held.set(cmdSn, deliver);
      return;
    }
    this.#advance();
    deliver();
    this.#deliverHeld();
  }

  /** Takes a CmdSN as received though its request never came, as ABORT TASK asks (section 11.6.1). */
  skip(cmdSn: number): void {
    if (this.accepts(cmdSn)) this.take(cmdSn, () => undefined);
  }

  /** A command occupies the queue until `end`. */
  begin(): void {
    this.#active += 1;
  }

  end(): void {
    this.#active -= 1;
  }

  #deliverHeld(): void {
    for (
      let next = this.#held.get(this.#expCmdSn);
      next !== undefined;
      next = this.#held.get(this.#expCmdSn)
    ) {
      this.#held.delete(this.#expCmdSn);
      this.#advance();
      next();
    }
  }

  #advance(): void {
    this.#expCmdSn = serialAdd(this.#expCmdSn, 1);
  }
}

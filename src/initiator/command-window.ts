import { serialAdd, serialLess, serialLessOrEqual } from "ts-iscsi-pdu";

/** The command numbering of a session (RFC 7143 §4.2.2.1): which CmdSN comes next and how many the target will take. */
export class CommandWindow {
  #cmdSn: number;
  #expCmdSn: number;
  #maxCmdSn: number;

  /** `first` is the CmdSN of the login, which the first command of full feature phase takes over. */
  constructor(first: number) {
    this.#cmdSn = first;
    this.#expCmdSn = first;
    this.#maxCmdSn = first;
  }

  /** CmdSN of the next request; an immediate one carries it without using it up. */
  get cmdSn(): number {
    return this.#cmdSn;
  }

  get expCmdSn(): number {
    return this.#expCmdSn;
  }

  get open(): boolean {
    return serialLessOrEqual(this.#cmdSn, this.#maxCmdSn);
  }

  /** How many requests may still go out. */
  get room(): number {
    return this.open ? (this.#maxCmdSn - this.#cmdSn + 1) >>> 0 : 0;
  }

  /** Uses up a CmdSN; only while `open`. */
  take(): number {
    const cmdSn = this.#cmdSn;
    this.#cmdSn = serialAdd(cmdSn, 1);
    return cmdSn;
  }

  /** Takes ExpCmdSN and MaxCmdSN of a PDU; false for a pair that must be ignored. Neither ever goes back. */
  update(expCmdSn: number, maxCmdSn: number): boolean {
    if (serialLess(maxCmdSn, serialAdd(expCmdSn, -1))) return false;
    if (serialLess(this.#expCmdSn, expCmdSn)) this.#expCmdSn = expCmdSn;
    if (serialLess(this.#maxCmdSn, maxCmdSn)) this.#maxCmdSn = maxCmdSn;
    return true;
  }
}

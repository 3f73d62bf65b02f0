import { serialAdd, type DataOutView } from "ts-iscsi-pdu";

/**
 * One sequence of Data-Out PDUs: the answer to one R2T, or the unsolicited data of a command. Its buffer is where the
 * framer puts the data, so what does not fit is refused before a byte of it is stored.
 */
export class Burst {
  readonly offset: number;
  readonly buffer: Uint8Array;
  /** Resolves true when all is here, false when the command was aborted. */
  readonly complete: Promise<boolean>;
  readonly #inOrder: boolean;
  #resolve: (whole: boolean) => void = () => undefined;
  #dataSn = 0;
  #received = 0;
  #final = false;
  #failed = false;

  constructor(offset: number, buffer: Uint8Array, inOrder: boolean) {
    this.offset = offset;
    this.buffer = buffer;
    this.#inOrder = inOrder;
    this.complete = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Bytes received so far. */
  get received(): number {
    return this.#received;
  }

  get ended(): boolean {
    return this.#final;
  }

  /** Immediate data comes before any Data-Out and has no DataSN. */
  takeImmediate(data: Uint8Array, final: boolean): void {
    this.buffer.set(data);
    this.#received = data.length;
    if (final) this.#end();
  }

  /** What is wrong with a Data-Out, in words, or undefined. */
  problem(pdu: DataOutView, exact: boolean): string | undefined {
    if (this.#final) return "Data-Out after the last of its sequence";
    if (pdu.dataSn !== this.#dataSn) return `DataSN ${pdu.dataSn}, expected ${this.#dataSn}`;
    const at = pdu.bufferOffset - this.offset;
    if (at < 0 || at + pdu.dataLength > this.buffer.length)
      return `data at ${pdu.bufferOffset} is outside of its sequence`;
    if (this.#inOrder && at !== this.#received)
      return `Buffer Offset ${pdu.bufferOffset}, expected ${this.offset + this.#received}`;
    const last = this.#received + pdu.dataLength === this.buffer.length;
    if (exact && pdu.final !== last)
      return pdu.final ? "F before all data of the R2T" : "no F with the last data of the R2T";
    return undefined;
  }

  /** Where the data of a Data-Out without `problem` belongs. */
  destination(pdu: DataOutView): Uint8Array {
    const at = pdu.bufferOffset - this.offset;
    return this.buffer.subarray(at, at + pdu.dataLength);
  }

  /** The data of a Data-Out is in its place. */
  took(pdu: DataOutView): void {
    this.#dataSn = serialAdd(this.#dataSn, 1);
    this.#received += pdu.dataLength;
    if (pdu.final) this.#end();
  }

  /** A Data-Out broke the rules of the sequence: what has come of it is worth nothing. */
  fail(): void {
    this.#failed = true;
    this.abort();
  }

  get failed(): boolean {
    return this.#failed;
  }

  abort(): void {
    this.#final = true;
    this.#resolve(false);
  }

  #end(): void {
    this.#final = true;
    this.#resolve(true);
  }
}

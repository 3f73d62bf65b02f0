/** Receives one direction of a TCP connection as a stream of bytes. */
export interface ByteSink {
  /** The next bytes, those of one segment or its end; a view valid during the call. */
  data(bytes: Buffer): void;
  /** `length` bytes of the stream were never captured. */
  gap(length: number): void;
}

interface Waiting {
  readonly sequence: number;
  /** A copy; shorter than `length` where the capture cut the segment off. */
  readonly bytes: Buffer;
  readonly length: number;
}

const WAITING_BYTES = 1 << 20;
const WAITING_SEGMENTS = 1024;
/** Sequence numbers further away than any window: another connection with the same ports. */
const FAR = 1 << 30;

/**
 * Puts the segments of one direction in order. What was seen already is dropped, what comes early waits. A hole is
 * given up as soon as the receiver acknowledges what lies behind it (then the capture missed it), or when more than
 * 1 MiB or 1024 segments wait. Sequence numbers wrap at 2^32.
 */
export class TcpDirection {
  readonly #sink: ByteSink;
  #next: number | undefined;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** A direction that goes on from here to another sink; what waits is left behind. */
  withSink(sink: ByteSink): TcpDirection {
    const direction = new TcpDirection(sink);
    direction.#next = this.#next;
    return direction;
  }

  /** The SYN's sequence number: the stream begins behind it. */
  begin(sequence: number): void {
    this.#next = (sequence + 1) >>> 0;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  /** A segment; `length` is its payload on the wire, of which `bytes` were captured. */
  segment(sequence: number, bytes: Buffer, length: number): void {
    if (length === 0) return;
    this.#next ??= sequence;
    if (Math.abs((sequence - this.#next) | 0) > FAR) this.#restart(sequence);
    const ahead = (sequence - this.#next) | 0;
    if (ahead > 0) return this.#wait({ sequence, bytes: Buffer.from(bytes), length });
    if (ahead + length > 0) this.#deliver(bytes, length, -ahead);
    if (this.#waiting.length > 0) this.#drain();
  }

  /** The receiver's acknowledgement: what lies before it has arrived there, seen here or not. */
  acknowledged(sequence: number): void {
    if (this.#next === undefined) return;
    const missing = (sequence - this.#next) | 0;
    if (missing <= 0 || missing > FAR) return;
    // One byte more is the acknowledged FIN when nothing waits.
    if (missing === 1 && this.#waiting.length === 0) return;
    const [first] = this.#waiting;
    const hole = first === undefined ? missing : Math.min(missing, (first.sequence - this.#next) | 0);
    this.#skip(hole);
    this.#drain();
    if (((sequence - this.#next) | 0) > 1) this.acknowledged(sequence);
  }

  #wait(segment: Waiting): void {
    const at = this.#waiting.findLastIndex((other) => ((segment.sequence - other.sequence) | 0) >= 0);
    this.#waiting.splice(at + 1, 0, segment);
    this.#waitingBytes += segment.bytes.length;
    while (this.#waitingBytes > WAITING_BYTES || this.#waiting.length > WAITING_SEGMENTS) {
      const [first] = this.#waiting;
      if (first === undefined || this.#next === undefined) return;
      this.#skip((first.sequence - this.#next) | 0);
      this.#drain();
    }
  }

  #drain(): void {
    let used = 0;
    for (const { sequence, bytes, length } of this.#waiting) {
      const ahead = (sequence - (this.#next ?? 0)) | 0;
      if (ahead > 0) break;
      used++;
      this.#waitingBytes -= bytes.length;
      if (ahead + length > 0) this.#deliver(bytes, length, -ahead);
    }
    if (used > 0) this.#waiting = this.#waiting.slice(used);
  }

  /** Hands on a segment without its first `seen` bytes. */
  #deliver(bytes: Buffer, length: number, seen: number): void {
    this.#next = ((this.#next ?? 0) + length - seen) >>> 0;
    const captured = Math.min(bytes.length, length);
    if (captured > seen) this.#sink.data(bytes.subarray(seen, captured));
    if (length > captured) this.#sink.gap(length - Math.max(captured, seen));
  }

  #restart(sequence: number): void {
    this.begin(sequence - 1);
    this.#sink.gap(FAR);
  }

  #skip(length: number): void {
    if (length <= 0) return;
    this.#next = ((this.#next ?? 0) + length) >>> 0;
    this.#sink.gap(length);
  }
}

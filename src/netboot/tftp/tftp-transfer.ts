import type { OpenBootFile } from "../files/boot-files.ts";
import type { TftpPacket } from "./tftp-packet.ts";
import { encodeError, encodeOptionAck, TftpError, writeDataHeader } from "./tftp-packet.ts";
import type { TransferSettings } from "./tftp-options.ts";

export interface TransferResult {
  readonly outcome: "done" | "failed";
  /** Why it failed. */
  readonly reason?: string;
  readonly bytes: number;
  readonly retransmissions: number;
}

export interface TransferOptions {
  readonly file: OpenBootFile;
  readonly settings: TransferSettings;
  readonly acknowledged: ReadonlyMap<string, string>;
  readonly send: (packet: Uint8Array) => void;
}

const ATTEMPTS = 6;

/**
 * One file on its way to one client: a sliding window over block numbers (RFC 7440), which is plain RFC 1350 where the
 * window is 1. Block numbers are 16 bits wide on the wire and go from 65535 to 0; here they count on.
 */
export class TftpTransfer {
  readonly #options: TransferOptions;
  readonly #result = Promise.withResolvers<TransferResult>();
  readonly #lastBlock: number;
  /** Every block up to this one is acknowledged. -1 while the option acknowledgement is. */
  #confirmed: number;
  #attempts = 0;
  #retransmissions = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending = false;
  #ended = false;

  constructor(options: TransferOptions) {
    this.#options = options;
    // A last block that is not full says that it is the last; a file that fills its blocks is followed by an empty one.
    this.#lastBlock = Math.floor(options.file.size / options.settings.blockSize) + 1;
    this.#confirmed = options.acknowledged.size > 0 ? -1 : 0;
  }

  /** Sends, and resolves when the client has it all or the transfer has failed. Never rejects. */
  run(): Promise<TransferResult> {
    void this.#transmit();
    return this.#result.promise;
  }

  receive(packet: TftpPacket): void {
    if (this.#ended) return;
    if (packet.kind === "error") this.#end(`the client gave up: ${packet.message || `error ${packet.code}`}`);
    else if (packet.kind === "ack") this.#acknowledge(packet.block);
    else this.abort("not an acknowledgement");
  }

  /** Tells the client that it is over. */
  abort(reason: string): void {
    if (this.#ended) return;
    this.#options.send(encodeError(TftpError.NotDefined, reason));
    this.#end(reason);
  }

  #acknowledge(wire: number): void {
    const block = this.#blockOf(wire);
    // Anything outside the window is late; to answer it would double every packet from there on (RFC 1123 §4.2.3.1).
    if (block === undefined) return;
    this.#confirmed = block;
    this.#attempts = 0;
    if (block >= this.#lastBlock) this.#end();
    else void this.#transmit();
  }

  /** The block of the current window that a 16-bit number means. */
  #blockOf(wire: number): number | undefined {
    const first = this.#confirmed + 1;
    if (first === 0) return wire === 0 ? 0 : undefined;
    const block = first + ((wire - first) & 0xffff);
    return block <= this.#windowEnd ? block : undefined;
  }

  get #windowEnd(): number {
    if (this.#confirmed < 0) return 0;
    return Math.min(this.#confirmed + this.#options.settings.windowSize, this.#lastBlock);
  }

  /** Sends the window after what is confirmed. An acknowledgement may move the window while this reads the file. */
  async #transmit(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#sending) return;
    this.#sending = true;
    try {
      let from: number;
      do {
        from = this.#confirmed;
        if (from < 0) this.#options.send(encodeOptionAck(this.#options.acknowledged));
        else await this.#sendWindow(from);
      } while (!this.#ended && this.#confirmed !== from);
    } catch {
      this.abort("the file cannot be read");
    } finally {
      this.#sending = false;
    }
    if (!this.#ended) this.#wait();
  }

  async #sendWindow(from: number): Promise<void> {
    const { file, settings, send } = this.#options;
    const end = this.#windowEnd;
    for (let block = from + 1; block <= end; block++) {
      const packet = Buffer.allocUnsafe(4 + settings.blockSize);
      writeDataHeader(packet, block & 0xffff);
      const length = await file.read((block - 1) * settings.blockSize, packet.subarray(4));
      if (this.#ended || this.#confirmed !== from) return;
      send(packet.subarray(0, 4 + length));
    }
  }

  #wait(): void {
    const { timeoutMs, backOff } = this.#options.settings;
    this.#timer = setTimeout(() => this.#timedOut(), backOff ? timeoutMs * 2 ** this.#attempts : timeoutMs);
  }

  #timedOut(): void {
    this.#attempts += 1;
    if (this.#attempts >= ATTEMPTS) {
      this.abort("no acknowledgement");
      return;
    }
    this.#retransmissions += 1;
    void this.#transmit();
  }

  #end(reason?: string): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    const { file, settings } = this.#options;
    this.#result.resolve({
      outcome: reason === undefined ? "done" : "failed",
      ...(reason !== undefined && { reason }),
      bytes: Math.min(file.size, Math.max(0, this.#confirmed) * settings.blockSize),
      retransmissions: this.#retransmissions,
    });
  }
}

import { connect, type Socket } from "node:net";
import {
  checkRange,
  checkWritable,
  type BlockDevice,
  type Extent,
  type IoOptions,
  type WriteOptions,
} from "#block";
import { LabError, SanlabError, UsageError, errorMessage, withTimeout } from "#core";
import { ByteReader } from "./byte-reader.ts";
import { ClientChannel } from "./client-channel.ts";
import { negotiateExport, type ExportFacts } from "./client-negotiation.ts";
import { Command, CommandFlag, ExtentFlag, TransmissionFlag, defaultMaxPayload } from "./protocol.ts";
import { formatNbdUrl, parseNbdUrl, type NbdAddress } from "./url.ts";

/** Longest range of a request that carries no data, bytes. */
const longestRange = 1024 * 1024 * 1024;
const zeroesLength = 1024 * 1024;

export interface NbdDeviceOptions {
  /** Refuses writes, whatever the server would allow. */
  readonly readOnly?: boolean;
  /** For connecting and negotiating, milliseconds; 10,000 unless told. */
  readonly timeoutMs?: number;
  /** What errors call the device; its URL unless told. */
  readonly name?: string;
  /** Disposed with the device, after the last word to it: a server that exists for this device alone. */
  readonly server?: AsyncDisposable;
  /** Ends connecting, and nothing after it. */
  readonly signal?: AbortSignal;
}

/**
 * An export of an NBD server as a block device. Requests run side by side over one connection; when that is lost, all
 * that are open and all further ones reject with NBD_LOST.
 */
export class NbdDevice implements BlockDevice {
  /** What errors call it. */
  readonly name: string;
  readonly size: number;
  readonly blockSize: 512 | 4096;
  readonly readOnly: boolean;
  readonly #facts: ExportFacts;
  readonly #channel: ClientChannel;
  readonly #pieceLength: number;
  readonly #server: AsyncDisposable | undefined;

  private constructor(name: string, facts: ExportFacts, channel: ClientChannel, options: NbdDeviceOptions) {
    this.name = name;
    this.#server = options.server;
    this.#facts = facts;
    this.#channel = channel;
    this.size = Number(facts.size);
    this.blockSize = facts.minimumBlock <= 512 ? 512 : 4096;
    this.readOnly = options.readOnly === true || this.#has(TransmissionFlag.ReadOnly);
    const most = Math.min(facts.maximumPayload, defaultMaxPayload);
    this.#pieceLength = most - (most % this.blockSize);
  }

  /**
   * Connects to `nbd://host[:port]/export` or `nbd+unix:///export?socket=PATH`.
   * @throws UsageError BAD_URL; LabError NBD_UNREACHABLE; SanlabError NBD_REFUSED, NBD_PROTOCOL, NBD_GEOMETRY;
   * TimeoutError
   */
  static async connect(url: string, options: NbdDeviceOptions = {}): Promise<NbdDevice> {
    const { address, exportName } = parseNbdUrl(url);
    const name = options.name ?? formatNbdUrl({ address, exportName });
    let socket: Socket | undefined;
    try {
      return await withTimeout(
        `${name}: an answer of the NBD server`,
        options.timeoutMs ?? 10_000,
        async (signal) => {
          socket = await connected(address, name, signal);
          const reader = new ByteReader(socket);
          const facts = checkedFacts(name, await negotiateExport(socket, reader, exportName));
          const channel = new ClientChannel(socket, reader, name, facts);
          return new NbdDevice(name, facts, channel, options);
        },
        options.signal,
      );
    } catch (error) {
      socket?.destroy();
      throw named(name, error);
    }
  }

  async read(offset: number, into: Uint8Array, options: IoOptions = {}): Promise<void> {
    checkRange(this, offset, into.length);
    await this.#inPieces(into.length, async (at, length) => {
      const part = into.subarray(at, at + length);
      await this.#send(Command.Read, 0, offset + at, length, options, { into: part });
    });
  }

  async write(offset: number, from: Uint8Array, options: WriteOptions = {}): Promise<void> {
    const { fua = false } = options;
    checkWritable(this, offset, from.length);
    const forced = fua && this.#has(TransmissionFlag.SendFua);
    await this.#inPieces(from.length, async (at, length) => {
      const payload = from.subarray(at, at + length);
      await this.#send(Command.Write, forced ? CommandFlag.Fua : 0, offset + at, length, options, {
        payload,
      });
    });
    if (fua && !forced) await this.flush(options);
  }

  /** A server that does not offer flushing has nothing to flush. */
  async flush(options: IoOptions = {}): Promise<void> {
    if (this.#has(TransmissionFlag.SendFlush)) await this.#send(Command.Flush, 0, 0, 0, options);
  }

  /**
   * WRITE ZEROES, by which a server may punch a hole; else plain zeroes. Not TRIM: what that leaves behind is
   * undefined.
   */
  async trim(offset: number, length: number, options: IoOptions = {}): Promise<void> {
    checkWritable(this, offset, length);
    const known = this.#has(TransmissionFlag.SendWriteZeroes);
    const zeroes = known ? undefined : new Uint8Array(Math.min(length, zeroesLength));
    const most = zeroes?.length ?? longestRange;
    for (let at = 0; at < length; at += most) {
      const size = Math.min(most, length - at);
      if (zeroes === undefined) await this.#send(Command.WriteZeroes, 0, offset + at, size, options);
      else await this.write(offset + at, zeroes.subarray(0, size), options);
    }
  }

  async *extents(offset: number, length: number, options: IoOptions = {}): AsyncIterable<Extent> {
    checkRange(this, offset, length);
    if (length === 0) return;
    if (this.#facts.allocationId === undefined) {
      yield { offset, length, allocated: true };
      return;
    }
    const end = offset + length;
    for (let at = offset; at < end;) {
      const size = Math.min(longestRange, end - at);
      const before = at;
      for (const descriptor of await this.#send(Command.BlockStatus, 0, at, size, options)) {
        const next = Math.min(at + descriptor.length, end);
        if (next > at)
          yield { offset: at, length: next - at, allocated: (descriptor.flags & ExtentFlag.Zero) === 0 };
        at = next;
      }
      if (at === before)
        throw new SanlabError("NBD_PROTOCOL", `${this.name}: the server tells nothing of the bytes at ${at}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel.close();
    await this.#server?.[Symbol.asyncDispose]();
  }

  #has(flag: number): boolean {
    return (this.#facts.flags & TransmissionFlag.HasFlags) !== 0 && (this.#facts.flags & flag) !== 0;
  }

  async #send(
    type: number,
    flags: number,
    offset: number,
    length: number,
    options: IoOptions,
    data: { readonly into?: Uint8Array; readonly payload?: Uint8Array } = {},
  ) {
    return await this.#channel.request({ type, flags, offset, length, ...data }, options);
  }

  async #inPieces(length: number, work: (at: number, length: number) => Promise<void>): Promise<void> {
    if (length === 0) return;
    if (length <= this.#pieceLength) return await work(0, length);
    const pieces: Promise<void>[] = [];
    for (let at = 0; at < length; at += this.#pieceLength)
      pieces.push(work(at, Math.min(this.#pieceLength, length - at)));
    // All of them must be over before the caller may have its buffer back.
    const failed = (await Promise.allSettled(pieces)).find((piece) => piece.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }
}

function connected(address: NbdAddress, name: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...address, noDelay: true, keepAlive: true });
    const abort = () => socket.destroy();
    signal.addEventListener("abort", abort, { once: true });
    const fail = (cause: Error) =>
      reject(
        new LabError("NBD_UNREACHABLE", `${name}: no NBD server there: ${errorMessage(cause)}`, { cause }),
      );
    socket.once("error", fail);
    socket.once("connect", () => {
      signal.removeEventListener("abort", abort);
      socket.off("error", fail);
      resolve(socket);
    });
  });
}

/** What went wrong in negotiation, with the server's name. */
function named(name: string, error: unknown): unknown {
  const code = error instanceof SanlabError ? error.code : "";
  if (code === "CONNECTION_LOST")
    return new SanlabError("NBD_REFUSED", `${name}: ${errorMessage(error)}`, { cause: error });
  if (code === "NBD_REFUSED" || code === "NBD_PROTOCOL")
    return new SanlabError(code, `${name}: ${errorMessage(error)}`, { cause: error });
  return error;
}

/** Refuses disks that cannot be used as one. */
function checkedFacts(name: string, facts: ExportFacts): ExportFacts {
  const { size, minimumBlock, maximumPayload } = facts;
  const block = minimumBlock <= 512 ? 512 : 4096;
  const good =
    minimumBlock >= 1 &&
    block % minimumBlock === 0 &&
    maximumPayload >= block &&
    size > 0n &&
    size <= BigInt(Number.MAX_SAFE_INTEGER) &&
    size % BigInt(block) === 0n;
  if (good) return facts;
  throw new UsageError(
    "NBD_GEOMETRY",
    `${name}: ${size} bytes in blocks of ${minimumBlock} is not a disk that can be used; it has to have whole blocks of ${block} bytes`,
  );
}

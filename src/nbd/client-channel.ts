import type { Socket } from "node:net";
import { LabError, SanlabError, errorMessage } from "#core";
import type { IoOptions } from "#block";
import { send, type ByteReader } from "./byte-reader.ts";
import { printable } from "./client-negotiation.ts";
import { errorName } from "./error-number.ts";
import {
  Command,
  Magic,
  ReplyFlag,
  ReplyType,
  maxString,
  simpleReplySize,
  structuredReplySize,
  writeRequest,
} from "./protocol.ts";

/** Requests that may be open at once; further ones wait here. */
const mostRequests = 128;
/** Longest answer to a block status request that is accepted, bytes. */
const longestStatus = 1024 * 1024;
/** Set in the types of all chunks that tell an error. */
const errorBit = 0x8000;

export interface ChannelRequest {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly length: number;
  /** The data of a write. */
  readonly payload?: Uint8Array;
  /** Where a read's data goes. */
  readonly into?: Uint8Array;
}

/** Length and flags of an extent in `base:allocation`. */
export interface StatusDescriptor {
  readonly length: number;
  readonly flags: number;
}

interface Task {
  readonly request: ChannelRequest;
  /** Gone when nobody wants the data any more. */
  into: Uint8Array | undefined;
  filled: number;
  descriptors: readonly StatusDescriptor[];
  error: { readonly number: number; readonly message: string } | undefined;
  resolve: (descriptors: readonly StatusDescriptor[]) => void;
  reject: (error: unknown) => void;
}

/** The transmission phase, seen from the client: requests out, replies in whatever order they come. */
export class ClientChannel {
  readonly #socket: Socket;
  readonly #reader: ByteReader;
  readonly #name: string;
  readonly #structured: boolean;
  readonly #allocationId: number | undefined;
  readonly #tasks = new Map<bigint, Task>();
  readonly #waiting: (() => void)[] = [];
  #cookie = 0n;
  #open = 0;
  #lost: SanlabError | undefined;

  constructor(
    socket: Socket,
    reader: ByteReader,
    name: string,
    facts: { readonly structured: boolean; readonly allocationId: number | undefined },
  ) {
    this.#socket = socket;
    this.#reader = reader;
    this.#name = name;
    this.#structured = facts.structured;
    this.#allocationId = facts.allocationId;
    void this.#receive();
  }

  /**
   * Sends a request and resolves with its answer, for a block status its descriptors.
   * @throws SanlabError NBD_ERROR, READ_ONLY; LabError DISK_FULL, NBD_LOST; the reason of the signal
   */
  async request(request: ChannelRequest, options: IoOptions = {}): Promise<readonly StatusDescriptor[]> {
    const { signal } = options;
    signal?.throwIfAborted();
    await this.#slot();
    try {
      if (this.#lost !== undefined) throw this.#lost;
      signal?.throwIfAborted();
      return await this.#exchange(request, signal);
    } finally {
      this.#open--;
      this.#waiting.shift()?.();
    }
  }

  /** Says good-bye and waits for the server to hang up, a short while at most. */
  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    const bye = { type: Command.Disconnect, flags: 0, cookie: 0n, offset: 0n, length: 0 };
    this.#socket.end(writeRequest(bye));
    const timer = setTimeout(() => this.#socket.destroy(), 2000);
    await closed;
    clearTimeout(timer);
  }

  async #slot(): Promise<void> {
    this.#open++;
    if (this.#open > mostRequests) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async #exchange(
    request: ChannelRequest,
    signal: AbortSignal | undefined,
  ): Promise<readonly StatusDescriptor[]> {
    const { type, flags, offset, length, payload, into } = request;
    const cookie = ++this.#cookie;
    const { promise, resolve, reject } = Promise.withResolvers<readonly StatusDescriptor[]>();
    const task: Task = { request, into, filled: 0, descriptors: [], error: undefined, resolve, reject };
    this.#tasks.set(cookie, task);
    const head = writeRequest({ type, flags, cookie, offset: BigInt(offset), length });
    const sent = send(this.#socket, ...(payload === undefined ? [head] : [head, payload])).catch(
      () => undefined,
    );
    const abort = () => {
      task.into = undefined;
      // The caller gets its buffer back with the rejection, so the socket must not hold it any more.
      void sent.then(() => reject(signal?.reason));
    };
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  async #receive(): Promise<void> {
    try {
      const head = Buffer.allocUnsafe(structuredReplySize);
      for (;;) {
        await this.#reader.fill(head.subarray(0, 4));
        const magic = head.readUInt32BE(0);
        if (magic === Magic.SimpleReply) {
          await this.#reader.fill(head.subarray(4, simpleReplySize));
          await this.#simple(head.readUInt32BE(4), head.readBigUInt64BE(8));
        } else if (magic === Magic.StructuredReply && this.#structured) {
          await this.#reader.fill(head.subarray(4));
          await this.#chunk(head);
        } else throw wrong("a reply without its magic number");
      }
    } catch (error) {
      this.#lose(error);
    }
  }

  #lose(error: unknown): void {
    this.#socket.destroy();
    const lost = new LabError("NBD_LOST", `${this.#name}: the NBD server is lost: ${errorMessage(error)}`, {
      cause: error,
    });
    this.#lost = lost;
    for (const task of this.#tasks.values()) task.reject(lost);
    this.#tasks.clear();
  }

  async #simple(error: number, cookie: bigint): Promise<void> {
    const task = this.#task(cookie);
    const { type, length } = task.request;
    if (error !== 0) task.error = { number: error, message: "" };
    else if (type === Command.Read) {
      if (this.#structured) throw wrong("a read's data in a simple reply");
      await this.#data(task, 0, length);
    }
    this.#finish(cookie, task);
  }

  async #chunk(head: Buffer): Promise<void> {
    const flags = head.readUInt16BE(4);
    const type = head.readUInt16BE(6);
    const cookie = head.readBigUInt64BE(8);
    const length = head.readUInt32BE(16);
    const task = this.#task(cookie);
    if (type === ReplyType.OffsetData && length > 8) {
      const at = await this.#place(task, length - 8);
      await this.#data(task, at, length - 8);
    } else if (type === ReplyType.OffsetHole && length === 12) {
      const bytes = await this.#reader.read(12);
      const size = bytes.readUInt32BE(8);
      const at = this.#inside(task, bytes.readBigUInt64BE(0), size);
      task.into?.fill(0, at, at + size);
      task.filled += size;
    } else if (
      type === ReplyType.BlockStatus &&
      length >= 12 &&
      length % 8 === 4 &&
      length <= longestStatus
    ) {
      this.#status(task, await this.#reader.read(length));
    } else if ((type & errorBit) !== 0 && length >= 6 && length <= maxString + 14) {
      const body = await this.#reader.read(length);
      const words = body.subarray(6, Math.min(6 + body.readUInt16BE(4), length));
      task.error ??= { number: body.readUInt32BE(0), message: printable(words) };
    } else if (type !== ReplyType.None || length !== 0)
      throw wrong(`a reply chunk of type ${type} and ${length} bytes`);
    if ((flags & ReplyFlag.Done) !== 0) this.#finish(cookie, task);
  }

  #task(cookie: bigint): Task {
    const task = this.#tasks.get(cookie);
    if (task === undefined) throw wrong("a reply to nothing");
    return task;
  }

  /** Reads where a chunk of data belongs: its place in the read's buffer. */
  async #place(task: Task, length: number): Promise<number> {
    return this.#inside(task, (await this.#reader.read(8)).readBigUInt64BE(0), length);
  }

  #inside(task: Task, offset: bigint, length: number): number {
    const at = offset - BigInt(task.request.offset);
    if (task.request.type !== Command.Read || at < 0n || at + BigInt(length) > BigInt(task.request.length))
      throw wrong("data outside what was asked for");
    return Number(at);
  }

  async #data(task: Task, at: number, length: number): Promise<void> {
    for (let done = 0; done < length;) {
      const part = await this.#reader.some(length - done);
      task.into?.set(part, at + done);
      done += part.length;
    }
    task.filled += length;
  }

  #status(task: Task, body: Buffer): void {
    if (task.request.type !== Command.BlockStatus || body.readUInt32BE(0) !== this.#allocationId)
      throw wrong("a block status that nobody asked for");
    task.descriptors = Array.from({ length: (body.length - 4) / 8 }, (_, index) => ({
      length: body.readUInt32BE(4 + 8 * index),
      flags: body.readUInt32BE(8 + 8 * index),
    }));
  }

  #finish(cookie: bigint, task: Task): void {
    const { request, error } = task;
    if (error === undefined && request.type === Command.Read && task.filled !== request.length)
      throw wrong(`a read of ${request.length} bytes with ${task.filled} bytes of data`);
    this.#tasks.delete(cookie);
    if (error !== undefined) return task.reject(this.#failed(request, error));
    task.resolve(task.descriptors);
  }

  #failed(request: ChannelRequest, { number, message }: NonNullable<Task["error"]>): SanlabError {
    const name = errorName(number);
    const what = `${this.#name}: the server answers ${name} to a request of ${request.length} bytes at ${request.offset}`;
    const text = message === "" ? what : `${what} (${message})`;
    if (name === "ENOSPC") return new LabError("DISK_FULL", text, { details: { errno: name } });
    const code = name === "EPERM" ? "READ_ONLY" : "NBD_ERROR";
    return new SanlabError(code, text, { details: { errno: name } });
  }
}

const wrong = (message: string) => new SanlabError("NBD_PROTOCOL", message);

import type { Socket } from "node:net";
import { errorMessage, SanlabError, type Report } from "#core";
import { ByteReader, send } from "./byte-reader.ts";
import { CommandError, ErrorNumber, errorName, errorNumber } from "./error-number.ts";
import { checkRequest, execute, extentFlags, type Outcome } from "./execute.ts";
import { commandName, type NbdExport } from "./export.ts";
import {
  Command,
  Magic,
  ReplyFlag,
  ReplyType,
  defaultMaxPayload,
  readRequest,
  requestSize,
  simpleReplySize,
  structuredReplySize,
  type Request,
} from "./protocol.ts";
import { negotiate, protocolError, type Agreement } from "./server-negotiation.ts";

/** What one client may have open at once: requests, and bytes of their data until its last byte has left. */
const mostRequests = 128;
const mostBytes = 2 * defaultMaxPayload;

const nothing = new Uint8Array(0);

/** One client, from its greeting to its end. */
export class ServerConnection {
  readonly number: number;
  readonly #socket: Socket;
  readonly #reader: ByteReader;
  readonly #report: Report;
  readonly #gone = new AbortController();
  #requests = 0;
  #bytes = 0;
  #closing = false;
  #waiting: (() => void)[] = [];

  constructor(socket: Socket, number: number, report: Report) {
    this.#socket = socket;
    this.number = number;
    this.#report = report;
    this.#reader = new ByteReader(socket);
    socket.once("close", () => this.#gone.abort(new SanlabError("CONNECTION_LOST", "the client is gone")));
  }

  /** Serves until the client leaves or breaks the protocol; never rejects. */
  async serve(exports: readonly NbdExport[], handshakeTimeoutMs: number): Promise<void> {
    const deadline = setTimeout(
      () => this.destroy(`negotiation was not over in ${handshakeTimeoutMs / 1000} s`),
      handshakeTimeoutMs,
    );
    let how = "closed";
    try {
      const agreement = await negotiate(this.#socket, this.#reader, exports);
      clearTimeout(deadline);
      if (agreement !== undefined) {
        this.#report("negotiated", {
          connection: this.number,
          export: agreement.target.name,
          structured: agreement.structured,
          allocation: agreement.allocationId !== undefined,
        });
        await this.#transmit(agreement);
      }
      this.#socket.end();
    } catch (error) {
      how = errorMessage(error);
      if (error instanceof SanlabError && error.code === "NBD_PROTOCOL")
        this.#report("protocol-error", { connection: this.number, message: how });
      this.#socket.destroy();
    } finally {
      clearTimeout(deadline);
    }
    while (this.#requests > 0) await this.#change();
    this.#report("disconnected", { connection: this.number, how });
  }

  /** Takes no further requests, answers those that are open, hangs up; after `graceMs` whatever is still open. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    const deadline = setTimeout(() => this.destroy("the server stops"), graceMs);
    while (this.#requests > 0) await this.#change();
    if (!this.#socket.closed) {
      const closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
      this.#socket.end();
      await closed;
    }
    clearTimeout(deadline);
  }

  /** Cuts the connection. */
  destroy(why: string): void {
    this.#socket.destroy(new Error(why));
  }

  async #transmit(agreement: Agreement): Promise<void> {
    const head = Buffer.allocUnsafe(requestSize);
    for (;;) {
      await this.#reader.fill(head);
      if (this.#closing) break;
      const request = readRequest(head);
      if (request === undefined) throw protocolError("a request without its magic number");
      if (request.type === Command.Disconnect) break;
      const carries = request.type === Command.Write;
      if (carries && request.length > defaultMaxPayload)
        throw protocolError(`a write of ${request.length} bytes; ${defaultMaxPayload} is the most`);
      const cost = carries || request.type === Command.Read ? Math.min(request.length, defaultMaxPayload) : 0;
      while (this.#requests >= mostRequests || (this.#bytes > 0 && this.#bytes + cost > mostBytes))
        await this.#change();
      const payload = carries ? await this.#reader.read(request.length) : nothing;
      this.#requests++;
      this.#bytes += cost;
      void this.#answer(agreement, request, payload).finally(() => {
        this.#requests--;
        this.#bytes -= cost;
        for (const resume of this.#waiting.splice(0)) resume();
      });
    }
    while (this.#requests > 0) await this.#change();
  }

  async #answer(agreement: Agreement, request: Request, payload: Uint8Array): Promise<void> {
    const { target } = agreement;
    const event = {
      connection: this.number,
      export: target.name,
      command: commandName(request.type),
      offset: Number(request.offset),
      length: request.length,
    };
    this.#report("command", { ...event, fenced: target.fenced });
    try {
      const offset = checkRequest(target, request);
      if (request.type === Command.BlockStatus && agreement.allocationId === undefined)
        throw new CommandError(ErrorNumber.EINVAL, "block status needs the base:allocation context");
      const outcome = await target.run(() => execute(target, request, offset, payload, this.#gone.signal));
      await this.#reply(agreement, request, outcome);
    } catch (error) {
      if (this.#gone.signal.aborted) return;
      const number = errorNumber(error);
      this.#report("command-failed", { ...event, error: errorName(number), message: errorMessage(error) });
      await this.#fail(agreement, request, number, errorMessage(error)).catch(() => undefined);
    }
  }

  async #reply(agreement: Agreement, request: Request, outcome: Outcome): Promise<void> {
    const { data, extents } = outcome;
    if (!agreement.structured) {
      await send(this.#socket, simpleReply(request, 0), data ?? nothing);
    } else if (data !== undefined) {
      const place = Buffer.allocUnsafe(8);
      place.writeBigUInt64BE(request.offset);
      const head = chunk(request, ReplyType.OffsetData, place.length + data.length);
      await send(this.#socket, Buffer.concat([head, place]), data);
    } else if (extents !== undefined) {
      const body = Buffer.allocUnsafe(4 + 8 * extents.length);
      body.writeUInt32BE(agreement.allocationId ?? 0, 0);
      for (const [index, extent] of extents.entries()) {
        body.writeUInt32BE(extent.length, 4 + 8 * index);
        body.writeUInt32BE(extentFlags(extent), 8 + 8 * index);
      }
      await send(this.#socket, chunk(request, ReplyType.BlockStatus, body.length), body);
    } else await send(this.#socket, chunk(request, ReplyType.None, 0));
  }

  async #fail(agreement: Agreement, request: Request, number: number, message: string): Promise<void> {
    if (!agreement.structured) return await send(this.#socket, simpleReply(request, number));
    const text = Buffer.from(message.slice(0, 512));
    const body = Buffer.allocUnsafe(6);
    body.writeUInt32BE(number, 0);
    body.writeUInt16BE(text.length, 4);
    const head = chunk(request, ReplyType.Error, body.length + text.length);
    await send(this.#socket, Buffer.concat([head, body, text]));
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

function simpleReply({ cookie }: Request, error: number): Buffer {
  const bytes = Buffer.allocUnsafe(simpleReplySize);
  bytes.writeUInt32BE(Magic.SimpleReply, 0);
  bytes.writeUInt32BE(error, 4);
  bytes.writeBigUInt64BE(cookie, 8);
  return bytes;
}

/** The header of a reply's only chunk. */
function chunk({ cookie }: Request, type: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(structuredReplySize);
  bytes.writeUInt32BE(Magic.StructuredReply, 0);
  bytes.writeUInt16BE(ReplyFlag.Done, 4);
  bytes.writeUInt16BE(type, 6);
  bytes.writeBigUInt64BE(cookie, 8);
  bytes.writeUInt32BE(length, 16);
  return bytes;
}

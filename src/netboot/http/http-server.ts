import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { errorMessage, type Report } from "#core";
import type { BootFiles, OpenBootFile } from "../files/boot-files.ts";
import { socketError } from "../socket-error.ts";
import type { Wire } from "../wire.ts";
import { failedCondition, rangeApplies, type Validators } from "./http-conditions.ts";
import { contentType } from "./content-type.ts";
import { parseRange } from "./http-range.ts";

export interface HttpConfig {
  /** Default 80; 0 for any free one. */
  readonly port?: number;
}

const CHUNK = 256 * 1024;
/** How long transfers under way may go on once the server is to end. */
const GRACE_MS = 500;

/** A read-only HTTP server (RFC 9110, 9112) on one wire: GET and HEAD, single ranges, validators, kept-alive connections. */
export class HttpServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #wire: Wire;
  readonly #files: BootFiles;
  readonly #report: Report;

  private constructor(wire: Wire, files: BootFiles, report: Report) {
    this.#wire = wire;
    this.#files = files;
    this.#report = report;
    // Firmware reads a boot file in pieces and may compute between them for long.
    this.#server = createServer(
      { keepAliveTimeout: 60_000 },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = 1024;
  }

  /** @throws LabError where the port cannot be had */
  static async start(wire: Wire, files: BootFiles, config: HttpConfig, report: Report): Promise<HttpServer> {
    const http = new HttpServer(wire, files, report);
    const port = config.port ?? 80;
    try {
      const listening = once(http.#server, "listening");
      http.#server.listen({ host: wire.address, port, exclusive: true });
      await listening;
    } catch (error) {
      throw socketError(error, "TCP", { wire, port, service: "HTTP server" });
    }
    return http;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  /** Takes no more requests, gives those under way a moment to end, then cuts them off. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeIdleConnections();
    const grace = new AbortController();
    const cut = delay(GRACE_MS, undefined, { signal: grace.signal }).then(
      () => this.#server.closeAllConnections(),
      () => undefined,
    );
    await closed;
    grace.abort();
    await cut;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = request;
    const about = { interface: this.#wire.name, ip: request.socket.remoteAddress ?? "", method, path: url };
    this.#report("http-request", { ...about, ...(headers.range !== undefined && { range: headers.range }) });
    // A body is never wanted; what is not read would be taken for the next request.
    request.resume();
    let bytes = 0;
    try {
      bytes = await this.#answer(request, response);
    } catch (error) {
      this.#fail(response, errorMessage(error), about);
    }
    if (!response.writableFinished && !response.destroyed) await finished(response);
    this.#report("http-done", {
      ...about,
      status: response.statusCode,
      bytes,
      complete: response.writableFinished,
    });
  }

  /** @returns the bytes of content sent */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<number> {
    const { method, url = "" } = request;
    if (method !== "GET" && method !== "HEAD") {
      return plain(response, 405, "only GET and HEAD are supported", { Allow: "GET, HEAD" });
    }
    const path = pathOf(url);
    if (path === undefined) return plain(response, 400, "the path is not well encoded");
    await using file = await this.#files.find(path);
    if (!file) return plain(response, 404, "not found");

    const validators: Validators = { etag: `"${file.version}"`, modified: file.modified };
    response.setHeader("ETag", validators.etag);
    response.setHeader("Last-Modified", file.modified.toUTCString());
    response.setHeader("Accept-Ranges", "bytes");
    const failed = failedCondition(request.headers, validators);
    if (failed !== undefined) {
      response.writeHead(failed).end();
      return 0;
    }
    const asked =
      method === "GET" && rangeApplies(request.headers, validators) ? request.headers.range : undefined;
    const range = parseRange(asked, file.size);
    if (range === "unsatisfiable") {
      return plain(response, 416, "the range lies outside of the file", {
        "Content-Range": `bytes */${file.size}`,
      });
    }
    const { first, last } = range ?? { first: 0, last: file.size - 1 };
    if (range) response.setHeader("Content-Range", `bytes ${first}-${last}/${file.size}`);
    response.writeHead(range ? 206 : 200, {
      "Content-Type": contentType(path),
      "Content-Length": last - first + 1,
    });
    if (method === "HEAD") {
      response.end();
      return 0;
    }
    return await send(file, first, last, response);
  }

  /** Once the header has gone out, only a broken connection can say that the content is not whole. */
  #fail(response: ServerResponse, reason: string, about: Readonly<Record<string, unknown>>): void {
    this.#report("http-error", { ...about, reason });
    if (response.headersSent) response.destroy();
    else plain(response, 500, "the file cannot be read");
  }
}

async function send(
  file: OpenBootFile,
  first: number,
  last: number,
  response: ServerResponse,
): Promise<number> {
  let at = first;
  while (at <= last && !response.destroyed) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK, last - at + 1));
    await file.read(at, chunk);
    at += chunk.length;
    if (!response.write(chunk)) await drained(response);
  }
  response.end();
  return at - first;
}

/** Resolves as well when the connection breaks. */
async function drained(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once("drain", resolve).once("close", resolve);
  if (!response.destroyed) await promise;
  response.off("drain", resolve).off("close", resolve);
}

async function finished(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once("finish", resolve).once("close", resolve);
  await promise;
}

function plain(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): number {
  const body = `${text}\n`;
  response.writeHead(status, {
    ...headers,
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(body),
  });
  response.end(body);
  return body.length;
}

/** The decoded path of a request target, in origin or absolute form; undefined where its percent-encoding is wrong. */
function pathOf(target: string): string | undefined {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "");
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

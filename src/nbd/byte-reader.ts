import type { Socket } from "node:net";
import { SanlabError, errorMessage } from "#core";

/** How many bytes may wait unread before the peer is held back. */
const highWater = 256 * 1024;

/** Reads a socket in exact pieces. One reader at a time; what nobody asks for is left with the peer. */
export class ByteReader {
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];
  #buffered = 0;
  #over: SanlabError | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#buffered += chunk.length;
      if (this.#buffered >= highWater) socket.pause();
      this.#wake?.();
    });
    socket.once("end", () => this.#end("the peer closed the connection"));
    socket.once("error", (error) => this.#end(`the connection broke: ${errorMessage(error)}`, error));
    socket.once("close", () => this.#end("the connection is closed"));
  }

  /** @throws SanlabError CONNECTION_LOST when the connection ends first. */
  async read(length: number): Promise<Buffer> {
    const into = Buffer.allocUnsafe(length);
    await this.fill(into);
    return into;
  }

  /** Fills all of `into`. @throws as `read` */
  async fill(into: Uint8Array): Promise<void> {
    for (let done = 0; done < into.length;) {
      const chunk = await this.some(into.length - done);
      into.set(chunk, done);
      done += chunk.length;
    }
  }

  /** Drops bytes. @throws as `read` */
  async skip(length: number): Promise<void> {
    for (let left = length; left > 0;) left -= (await this.some(left)).length;
  }

  /** Up to `most` bytes, at least one. @throws as `read` */
  async some(most: number): Promise<Buffer> {
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk !== undefined) {
        const part = chunk.subarray(0, most);
        if (part.length === chunk.length) this.#chunks.shift();
        else this.#chunks[0] = chunk.subarray(most);
        this.#buffered -= part.length;
        if (this.#buffered < highWater) this.#socket.resume();
        return part;
      }
      if (this.#over !== undefined) throw this.#over;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
  }

  #end(why: string, cause?: Error): void {
    this.#over ??= new SanlabError("CONNECTION_LOST", why, { cause });
    this.#wake?.();
  }
}

/** Resolves when the socket has taken all of it over; then the buffers may be reused. @throws CONNECTION_LOST */
export function send(socket: Socket, ...parts: readonly Uint8Array[]): Promise<void> {
  socket.cork();
  const written = new Promise<void>((resolve, reject) => {
    const done = (error?: Error | null) => {
      if (error instanceof Error)
        reject(
          new SanlabError("CONNECTION_LOST", `the connection broke: ${errorMessage(error)}`, {
            cause: error,
          }),
        );
      else resolve();
    };
    for (const [index, part] of parts.entries())
      socket.write(part, index === parts.length - 1 ? done : undefined);
  });
  socket.uncork();
  return written;
}

import { TransportError } from "./errors.ts";
import type { Connection } from "./connection.ts";
import { PingRequest } from "./requests.ts";
import type { SessionCore } from "./session-core.ts";
import { formatPortal } from "./url.ts";

/**
 * Notices connections that died without a word: one that has been silent for a period is pinged, and failed when it
 * stays silent for another (RFC 7143 §7.14 lets any silence be taken for a failure).
 */
export class Keepalive implements Disposable {
  readonly #core: SessionCore;
  readonly #periodMs: number;
  readonly #timer: NodeJS.Timeout | undefined;
  /** Bytes received at the last look, and the ping that was sent then. */
  readonly #seen = new WeakMap<Connection, { readonly received: number; readonly ping?: PingRequest }>();

  constructor(core: SessionCore, periodMs: number) {
    this.#core = core;
    this.#periodMs = periodMs;
    if (periodMs > 0) this.#timer = setInterval(() => this.#look(), periodMs).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#core.state !== "full-feature") return;
    for (const connection of this.#core.connections) {
      const { received } = connection;
      const before = this.#seen.get(connection);
      const silent = before?.received === received;
      if (silent && before.ping !== undefined) {
        const seconds = (this.#periodMs / 1000).toFixed(1);
        const message = `${formatPortal(connection.portal)}: no answer to a ping for ${seconds} s; is the network down?`;
        connection.fail(new TransportError("NO_ANSWER", message));
        continue;
      }
      // It lives; with error recovery a ping or its answer may be lost.
      if (before?.ping !== undefined && this.#core.context.values.ErrorRecoveryLevel > 0)
        this.#core.tasks.giveUp(before.ping);
      this.#seen.set(connection, { received, ...(silent && { ping: this.#ping(connection) }) });
    }
  }

  #ping(connection: Connection): PingRequest {
    const ping = new PingRequest(new Uint8Array(0));
    // Its failure is that of the connection, which ends all that waits there.
    ping.result.promise.catch(() => undefined);
    this.#core.submit(ping, connection);
    return ping;
  }
}

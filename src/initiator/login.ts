import { withTimeout, type Report } from "#core";
import { formatIsid, type OperationalValues } from "ts-iscsi-pdu";
import { chapAlgorithms, checkChapOptions, type ChapAlgorithm, type ChapOptions } from "./chap.ts";
import { CommandWindow } from "./command-window.ts";
import type { ByteTrace } from "./byte-trace.ts";
import { Connection } from "./connection.ts";
import { LoginError } from "./errors.ts";
import { LoginExchange, type LoginOutcome } from "./login-exchange.ts";
import { LoginMachine } from "./login-machine.ts";
import { formatPortal, parsePortal, type Portal } from "./url.ts";

const maxRedirections = 8;

/** Who logs in where, and how. */
export interface LoginOptions {
  readonly portal: Portal;
  /** Absent for a discovery session. */
  readonly target?: string | undefined;
  readonly initiator: string;
  readonly initiatorAlias?: string | undefined;
  /** 6 bytes. */
  readonly isid: Uint8Array;
  readonly wishes: Partial<OperationalValues>;
  readonly chap?: ChapOptions | undefined;
  readonly loginTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly trace?: ByteTrace | undefined;
  readonly report?: Report | undefined;
}

/** Which connection of which session. */
export interface LoginPlace {
  readonly cid: number;
  /** 0 for a new session. */
  readonly tsih: number;
  readonly itt: number;
  /** The session that the connection joins; a new session gets a new window. */
  readonly window?: CommandWindow;
  readonly errorRecoveryLevel?: number;
  /** Of the connection whose place this one takes (RFC 7143 §11.12.9). */
  readonly expStatSn?: number;
}

/** A connection that has just entered full feature phase. */
export interface LoggedIn {
  readonly connection: Connection;
  readonly window: CommandWindow;
  readonly tsih: number;
  readonly values: OperationalValues;
  readonly targetAlias: string | undefined;
  readonly portalGroup: number | undefined;
  readonly chapAlgorithm: ChapAlgorithm | undefined;
  /** Where a later login should begin: moves only with a permanent redirection. */
  readonly home: Portal;
}

/**
 * Brings one connection into full feature phase: connects, follows redirections, and offers fewer CHAP algorithms on a
 * new connection where a target misreads the one it chose. `enter` is called inside the receiving pass and must set
 * the connection's receiver.
 * @throws LoginError, PeerProtocolError, TransportError, TimeoutError; each names the portal.
 */
export async function login(
  options: LoginOptions,
  place: LoginPlace,
  enter: (logged: LoggedIn) => void,
): Promise<LoggedIn> {
  if (options.chap !== undefined) checkChapOptions(options.chap);
  const what = `logging in to ${options.target ?? "the discovery session"} at ${formatPortal(options.portal)}`;
  return await withTimeout(
    what,
    options.loginTimeoutMs,
    (signal) => new LoginAttempts({ ...options, signal }, place, enter).run(),
    options.signal,
  );
}

class LoginAttempts {
  readonly #options: LoginOptions;
  readonly #place: LoginPlace;
  readonly #enter: (logged: LoggedIn) => void;
  #portal: Portal;
  #home: Portal;
  #algorithms: readonly ChapAlgorithm[];
  #redirections = 0;

  constructor(options: LoginOptions, place: LoginPlace, enter: (logged: LoggedIn) => void) {
    this.#options = options;
    this.#place = place;
    this.#enter = enter;
    this.#portal = options.portal;
    this.#home = options.portal;
    this.#algorithms = options.chap?.algorithms ?? chapAlgorithms;
  }

  async run(): Promise<LoggedIn> {
    for (;;) {
      const logged = await this.#attempt();
      if (logged !== undefined) return logged;
    }
  }

  /** One connection; undefined when another one should be tried, somewhere else or otherwise. */
  async #attempt(): Promise<LoggedIn | undefined> {
    const { target, isid, report, signal, trace, wishes, chap, initiator, initiatorAlias } = this.#options;
    const where = `${formatPortal(this.#portal)}${target === undefined ? "" : `, ${target}`}`;
    const connection = await Connection.open({
      portal: this.#portal,
      cid: this.#place.cid,
      where,
      connectTimeoutMs: this.#options.loginTimeoutMs,
      signal,
      trace,
    });
    connection.expStatSn = this.#place.expStatSn ?? 0;
    const window = this.#place.window ?? new CommandWindow(1);
    const leading = this.#place.window === undefined;
    using machine = new LoginMachine({
      where,
      initiator,
      initiatorAlias,
      target,
      wishes,
      chap,
      leading,
      algorithms: this.#algorithms,
    });
    const { itt, tsih } = this.#place;
    let logged: LoggedIn | undefined;
    const exchange = new LoginExchange(connection, machine, { isid, tsih, itt, where }, window, (newTsih) => {
      logged = this.#logged(connection, machine, window, newTsih);
      this.#enter(logged);
    });
    try {
      const outcome = await exchange.run(signal);
      if (outcome.kind === "redirect") this.#follow(outcome);
    } catch (error) {
      connection.fail(error instanceof Error ? error : new Error(String(error)));
      if (this.#tryOtherAlgorithm(error, machine.chapAlgorithm)) return undefined;
      throw error;
    }
    if (logged === undefined) await connection.close();
    else
      report?.("login", {
        portal: formatPortal(this.#portal),
        target: target ?? null,
        isid: formatIsid(isid),
        tsih: logged.tsih,
      });
    return logged;
  }

  #logged(connection: Connection, machine: LoginMachine, window: CommandWindow, tsih: number): LoggedIn {
    const values = machine.results;
    connection.configure({
      headerDigest: values.HeaderDigest === "CRC32C",
      dataDigest: values.DataDigest === "CRC32C",
      maxDataLength: machine.ownMaxRecvDataSegmentLength,
      maxSendLength: values.MaxRecvDataSegmentLength,
      // A connection that joins does not negotiate the level of its session.
      resync: (this.#place.errorRecoveryLevel ?? values.ErrorRecoveryLevel) > 0,
    });
    const { targetAlias, portalGroup, chapAlgorithm } = machine;
    return { connection, window, tsih, values, targetAlias, portalGroup, chapAlgorithm, home: this.#home };
  }

  #follow({ address, permanent }: Extract<LoginOutcome, { kind: "redirect" }>): void {
    const from = formatPortal(this.#portal);
    const portal = parsePortal(address);
    if (portal === undefined) {
      throw new LoginError(
        "BAD_REDIRECTION",
        `${from}: the target moved to ${JSON.stringify(address)}, which is no address`,
      );
    }
    if (++this.#redirections > maxRedirections) {
      throw new LoginError(
        "REDIRECTION_LOOP",
        `${from}: the target moved ${maxRedirections} times; its portals point at each other`,
      );
    }
    this.#portal = { host: portal.host, port: portal.port };
    if (permanent) this.#home = this.#portal;
    this.#options.report?.("redirect", { from, to: formatPortal(this.#portal), permanent });
  }

  /**
   * Some targets number a hash differently, or read no list at all. The refusal that authentication failed may then
   * mean just that; a refusal to authorize (0x0202) never does.
   */
  #tryOtherAlgorithm(error: unknown, chosen: ChapAlgorithm | undefined): boolean {
    if (!(error instanceof LoginError) || (error.status !== 0x0200 && error.status !== 0x0201)) return false;
    if (this.#options.chap === undefined || this.#algorithms.length < 2) return false;
    this.#algorithms =
      chosen === undefined ? this.#algorithms.slice(-1) : this.#algorithms.filter((name) => name !== chosen);
    this.#options.report?.("chap-retry", {
      portal: formatPortal(this.#portal),
      refused: chosen ?? "any list",
    });
    return true;
  }
}

import { SanlabError, TimeoutError, UsageError } from "#core";
import {
  discover,
  Session,
  type DiscoveredTarget,
  type DiscoveryOptions,
  type IscsiUrl,
  type SessionOptions,
} from "#initiator";
import { readChap, readIsid, readKeys, readUrl, type IscsiOptions } from "./iscsi-options.ts";
import { TraceFile } from "./iscsi-trace.ts";

export interface OpenSession {
  readonly url: IscsiUrl;
  readonly session: Session;
  readonly lun: number;
  /** Fires at the time-out and at Ctrl-C. */
  readonly signal: AbortSignal;
}

/**
 * Logs in as the options say, runs `work`, logs out. Nothing takes longer than `--timeout`, and Ctrl-C ends it too.
 * @throws what the initiator throws; TimeoutError; SanlabError INTERRUPTED.
 */
export async function withSession(
  text: string,
  options: IscsiOptions,
  work: (open: OpenSession) => Promise<void>,
  connections = 1,
): Promise<void> {
  await bounded(options, async (signal, trace) => {
    const { url, login } = await sessionOptions(text, options, signal, trace);
    const session = await Session.login({ ...login, connections });
    const end = () => void session[Symbol.asyncDispose]();
    signal.addEventListener("abort", end, { once: true });
    try {
      await work({ url, session, lun: options.lun ?? url.lun, signal });
      await session.logout();
    } finally {
      signal.removeEventListener("abort", end);
      await session[Symbol.asyncDispose]();
    }
  });
}

/**
 * What a session to the URL's target logs in with.
 * @throws UsageError NO_TARGET, and what the options' own readers throw
 */
export async function sessionOptions(
  text: string,
  options: IscsiOptions,
  signal: AbortSignal,
  trace: TraceFile | undefined,
): Promise<{ readonly url: IscsiUrl; readonly login: SessionOptions }> {
  const url = readUrl(text);
  const { target } = url;
  if (target === undefined) {
    throw new UsageError(
      "NO_TARGET",
      `${text}: the URL names no target; find one with: sanlab iscsi discover ${text}`,
    );
  }
  return { url, login: { ...(await base(url, options, signal, trace)), target } };
}

/** Asks a portal for its targets. */
export async function findTargets(text: string, options: IscsiOptions): Promise<readonly DiscoveredTarget[]> {
  const url = readUrl(text);
  let found: readonly DiscoveredTarget[] = [];
  await bounded(options, async (signal, trace) => {
    found = await discover(await base(url, options, signal, trace));
  });
  return found;
}

async function base(
  url: IscsiUrl,
  options: IscsiOptions,
  signal: AbortSignal,
  trace: TraceFile | undefined,
): Promise<DiscoveryOptions> {
  const isid = readIsid(options.isid);
  const chap = await readChap(url, options);
  return {
    host: url.host,
    port: url.port,
    initiator: options.initiator,
    keys: readKeys(options.param),
    loginTimeoutMs: options.timeout * 1000,
    signal,
    ...(isid && { isid }),
    ...(chap && { chap }),
    ...(trace && { trace: trace.trace }),
  };
}

/** Runs `work` with a signal that fires at the time-out and at Ctrl-C. @throws TimeoutError; SanlabError INTERRUPTED */
export async function bounded(
  options: IscsiOptions,
  work: (signal: AbortSignal, trace: TraceFile | undefined) => Promise<void>,
): Promise<void> {
  using trace = options.trace === undefined ? undefined : new TraceFile(options.trace);
  const controller = new AbortController();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const stop = (error: Error) => {
    controller.abort(error);
    reject(error);
  };
  const interrupt = () => stop(new SanlabError("INTERRUPTED", "interrupted"));
  const timer = setTimeout(
    () => stop(new TimeoutError("the whole command", options.timeout * 1000)),
    options.timeout * 1000,
  );
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  try {
    await Promise.race([work(controller.signal, trace), ended]);
  } finally {
    clearTimeout(timer);
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}

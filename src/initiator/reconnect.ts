import { setTimeout as sleep } from "node:timers/promises";
import type { Report } from "#core";
import { LoginError } from "./errors.ts";
import type { LoggedIn } from "./login.ts";
import { isWorthRetrying } from "./login-status.ts";
import type { RecoveryOptions } from "./session-options.ts";

export interface ReconnectOptions extends RecoveryOptions {
  /** Seconds that the target wants to be left alone first (DefaultTime2Wait, or what it said in parting). */
  readonly time2Wait: number;
  readonly signal: AbortSignal;
  readonly report: Report | undefined;
}

/**
 * Logs in again, with growing pauses, until it works or the attempts are used up. A refusal that will not change by
 * waiting ends it at once.
 * @throws the error of the last attempt.
 */
export async function reconnect(
  login: () => Promise<LoggedIn>,
  options: ReconnectOptions,
): Promise<LoggedIn> {
  const { attempts = 8, firstDelayMs = 100, longestDelayMs = 10_000, time2Wait, signal, report } = options;
  for (let attempt = 1; ; attempt++) {
    const backOff = attempt === 1 ? 0 : Math.min(firstDelayMs * 2 ** (attempt - 2), longestDelayMs);
    const delayMs = attempt === 1 ? time2Wait * 1000 : backOff;
    if (delayMs > 0) await sleep(delayMs, undefined, { signal });
    signal.throwIfAborted();
    try {
      return await login();
    } catch (error) {
      signal.throwIfAborted();
      const final = error instanceof LoginError && !(error.status !== undefined && mayPass(error.status));
      report?.("reconnect-failed", {
        attempt,
        reason: error instanceof Error ? error.message : String(error),
      });
      if (final || attempt >= attempts) throw error;
    }
  }
}

/**
 * A target that restarts knows its names late, so "not found" may pass too; and one that has not noticed yet that a
 * connection broke counts it among those that are too many.
 */
const mayPass = (status: number) => isWorthRetrying(status) || status === 0x0203 || status === 0x0206;

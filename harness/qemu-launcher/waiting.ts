import { withTimeout } from "#core";

export interface Wait {
  /** Milliseconds; undefined waits without a limit. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** `work`, unless the limit passes (TimeoutError naming `what`) or the signal aborts (its reason) first. */
export async function limited<T>(what: string, wait: Wait, work: Promise<T>): Promise<T> {
  work.catch(() => {});
  if (wait.timeoutMs !== undefined) return withTimeout(what, wait.timeoutMs, () => work, wait.signal);
  const { signal } = wait;
  if (signal === undefined) return work;
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

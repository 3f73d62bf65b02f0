import { TimeoutError } from "./errors.ts";

/**
 * Runs `work` with a signal that aborts when `signal` does or when `milliseconds` have passed; the latter rejects with
 * a TimeoutError that names `waitedFor`. The timer holds the event loop, unlike that of `AbortSignal.timeout`.
 */
export async function withTimeout<T>(
  waitedFor: string,
  milliseconds: number,
  work: (signal: AbortSignal) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(() => controller.abort(new TimeoutError(waitedFor, milliseconds)), milliseconds);
  const aborted = new Promise<never>((_, reject) => {
    controller.signal.addEventListener("abort", () => reject(controller.signal.reason as Error), {
      once: true,
    });
  });
  try {
    return await Promise.race([work(controller.signal), aborted]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/**
 * Calls `look` again `intervalMs` after it is done, until disposed; then waits for the last call. A look that fails
 * (the machine has just ended) is one look lost, nothing more.
 */
export function repeat(intervalMs: number, look: () => Promise<void>): AsyncDisposable {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let running = Promise.resolve();
  const again = () => {
    running = look()
      .catch(() => {})
      .then(() => {
        if (!stopped) timer = setTimeout(again, intervalMs);
      });
  };
  again();
  return {
    async [Symbol.asyncDispose]() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

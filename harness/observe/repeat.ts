/**
 * Calls `look` again `intervalMs` after it is done, until it says `"enough"` or is disposed; then waits for the last
 * call. A look that fails (the machine has just ended) is one look lost, nothing more.
 */
export function repeat(intervalMs: number, look: () => Promise<void | "enough">): AsyncDisposable {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  const again = async () => {
    try {
      if ((await look()) === "enough") stopped = true;
    } catch {
      // The next look, or the end of the run, tells more.
    }
    if (!stopped) timer = setTimeout(start, intervalMs);
  };
  const start = () => {
    running = again();
  };
  start();
  return {
    async [Symbol.asyncDispose]() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

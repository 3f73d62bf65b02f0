import { errorMessage, LabError, SanlabError, UsageError } from "#core";

/** Writes a command's one JSON document to standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** Writes a line meant for people to standard error, so that standard output stays data. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Whether to colour what goes to a stream: a terminal, and nobody asked otherwise (https://no-color.org). */
export function colours(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && process.env["NO_COLOR"] === undefined && process.env["TERM"] !== "dumb";
}

/**
 * Tells an error as CLI.md has it: one line on standard error, or with `--json` the document
 * `{"error":{"code":…,"message":…}}` on standard output. A stack trace only with `--debug`.
 *
 * @returns the exit status
 */
export function showError(
  thrown: unknown,
  options: { readonly json: boolean; readonly debug: boolean },
): number {
  if (isInterruption(thrown)) {
    say("sanlab: interrupted");
    return 130;
  }
  const error = asSanlabError(thrown);
  if (options.json)
    printJson({ error: { code: error.code, message: errorMessage(error), ...error.details } });
  else say(`sanlab: ${errorMessage(error)}`);
  if (options.debug && thrown instanceof Error) say(thrown.stack ?? "");
  return error.exitStatus;
}

/** Ends the process with `status` once everything written has left it. */
export async function finish(status: number): Promise<never> {
  await Promise.all(
    [process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write("", resolve))),
  );
  return process.exit(status);
}

function isInterruption(thrown: unknown): boolean {
  return (
    thrown instanceof Error &&
    (thrown.name === "AbortError" || (thrown instanceof SanlabError && thrown.code === "INTERRUPTED"))
  );
}

/** System errors that the user's machine or arguments cause become words; anything else is a defect of sanlab. */
function asSanlabError(thrown: unknown): SanlabError {
  if (thrown instanceof SanlabError) return thrown;
  const { code, path } = (thrown ?? {}) as NodeJS.ErrnoException;
  const where = path === undefined ? "" : `${path}: `;
  if (code === "ENOSPC")
    return new LabError(
      "DISK_FULL",
      `${where}no space left on the disk; free some, or choose another folder with --out`,
      { cause: thrown },
    );
  if (code === "EACCES" || code === "EPERM")
    return new UsageError("NOT_PERMITTED", `${where}not permitted for this user`, { cause: thrown });
  if (code === "ENOENT" && path !== undefined)
    return new UsageError("NO_SUCH_FILE", `${where}no such file`, { cause: thrown });
  return new LabError(
    "INTERNAL",
    `an error inside sanlab: ${errorMessage(thrown)}; run again with --debug and report it`,
    { cause: thrown },
  );
}

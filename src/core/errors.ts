/** Facts that travel with an error into `--json` output; never a secret. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

export interface ErrorInit {
  readonly cause?: unknown;
  readonly details?: ErrorDetails;
}

/**
 * The root of every error that sanlab raises on purpose. `code` is a stable upper-case word that programs may
 * rely on; `message` is one line that names the thing and the cure; `exitStatus` is what the command line ends with.
 */
export class SanlabError extends Error {
  readonly code: string;
  readonly details: ErrorDetails;
  /** 1: it ran and the answer is no; 2: it was called wrongly; 3: the lab failed. */
  readonly exitStatus: 1 | 2 | 3 = 1;

  constructor(code: string, message: string, init: ErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = init.details ?? {};
  }
}

/** The caller asked for something impossible: a bad option, a scenario with a typo, a missing file. */
export class UsageError extends SanlabError {
  override readonly exitStatus = 2;
}

/** This machine lacks or broke something (QEMU, TAP, disk space, a port); says nothing about the guest. */
export class LabError extends SanlabError {
  override readonly exitStatus = 3;
}

/** Something awaited did not come in time. The message says what was waited for and for how long. */
export class TimeoutError extends SanlabError {
  constructor(waitedFor: string, milliseconds: number, init: ErrorInit = {}) {
    super("TIMEOUT", `${waitedFor}: nothing after ${(milliseconds / 1000).toFixed(1)} s`, init);
  }
}

/** The message of whatever was thrown, on one line. */
export function errorMessage(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s*\n\s*/g, "; ");
}

/** The code of a system error, such as `ENOENT`; "" for whatever else was thrown. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

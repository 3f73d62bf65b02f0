import { SanlabError } from "#core";

/** The error numbers that NBD has on the wire; everything else travels as `EINVAL`. */
export const ErrorNumber = {
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;

/** What goes wrong inside a command, with the number that tells the client. */
export class CommandError extends Error {
  readonly number: number;

  constructor(number: number, message: string) {
    super(message);
    this.number = number;
  }
}

/** The number for what a block device threw. */
export function errorNumber(error: unknown): number {
  if (error instanceof CommandError) return error.number;
  if (error instanceof RangeError) return ErrorNumber.EINVAL;
  if (!(error instanceof SanlabError)) return ErrorNumber.EIO;
  if (error.code === "READ_ONLY") return ErrorNumber.EPERM;
  if (error.code === "DISK_FULL") return ErrorNumber.ENOSPC;
  return ErrorNumber.EIO;
}

const names = new Map<number, string>(Object.entries(ErrorNumber).map(([name, number]) => [number, name]));

/** `EIO` and the like; a number that NBD does not define as itself. */
export function errorName(number: number): string {
  return names.get(number) ?? `error ${number}`;
}

/** What a transfer is run with. */
export interface TransferSettings {
  /** Bytes of a data packet's payload. */
  readonly blockSize: number;
  /** Blocks that are sent before an acknowledgement is awaited (RFC 7440). */
  readonly windowSize: number;
  /** Before the first retransmission; later ones wait twice as long each time, unless the client set the time. */
  readonly timeoutMs: number;
  readonly backOff: boolean;
}

export interface TransferLimits {
  readonly maxBlockSize: number;
  readonly maxWindowSize: number;
}

/**
 * Negotiates a read request's options (RFC 2347-2349, RFC 7440). What the client asks for beyond the limits becomes
 * less; a value that makes no sense is left unanswered, which means that the option is not in force.
 */
export function negotiate(
  asked: ReadonlyMap<string, string>,
  size: number,
  limits: TransferLimits,
): { readonly settings: TransferSettings; readonly acknowledged: ReadonlyMap<string, string> } {
  const acknowledged = new Map<string, string>();
  const number = (name: string, least: number, most: number): number | undefined => {
    const text = asked.get(name);
    if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
    const value = Number(text);
    return value < least || value > most ? undefined : value;
  };

  const blockSize = number("blksize", 8, 65_464);
  const windowSize = number("windowsize", 1, 65_535);
  const timeout = number("timeout", 1, 255);
  const settings = {
    blockSize: Math.min(blockSize ?? 512, Math.max(limits.maxBlockSize, 8)),
    windowSize: Math.min(windowSize ?? 1, limits.maxWindowSize),
    timeoutMs: (timeout ?? 1) * 1000,
    backOff: timeout === undefined,
  };
  if (blockSize !== undefined) acknowledged.set("blksize", String(settings.blockSize));
  if (asked.has("tsize")) acknowledged.set("tsize", String(size));
  if (timeout !== undefined) acknowledged.set("timeout", String(timeout));
  if (windowSize !== undefined) acknowledged.set("windowsize", String(settings.windowSize));
  return { settings, acknowledged };
}

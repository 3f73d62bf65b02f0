/**
 * Serial-number arithmetic modulo 2^32 (RFC 1982, as RFC 7143 §4.2.2.1 asks for CmdSN, StatSN, DataSN and
 * R2TSN). Two numbers exactly 2^31 apart have no order: neither is less than the other.
 */
export function serialAdd(serial: number, count: number): number {
  return (serial + count) >>> 0;
}

/** How far `to` is ahead of `from`, from -2^31 to 2^31 - 1. */
export function serialDistance(from: number, to: number): number {
  return (to - from) | 0;
}

export function serialLess(a: number, b: number): boolean {
  return ((b - a) | 0) > 0;
}

export function serialLessOrEqual(a: number, b: number): boolean {
  return a >>> 0 === b >>> 0 || serialLess(a, b);
}

export function serialMax(a: number, b: number): number {
  return (serialLess(a, b) ? b : a) >>> 0;
}

/** Is `serial` in the window from `first` to `last`, both included? An empty window is `last = first - 1`. */
export function serialInWindow(serial: number, first: number, last: number): boolean {
  const size = (last - first + 1) >>> 0;
  return (serial - first) >>> 0 < size;
}

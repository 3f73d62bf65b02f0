/** Sizes that buffers come in, and how many of each are kept. */
const classes = [
  { size: 8 * 1024, limit: 256 },
  { size: 64 * 1024, limit: 32 },
  { size: 256 * 1024, limit: 32 },
] as const;

const spare = new Map<number, Uint8Array[]>(classes.map(({ size }) => [size, []]));

/**
 * A buffer for data on its way from a device to a socket, with whatever was in it before. New memory costs more than
 * the copy into it, so buffers go round; one that nobody gives back is simply garbage.
 */
export function takeBuffer(length: number): Uint8Array {
  const size = classes.find((entry) => entry.size >= length)?.size;
  if (size === undefined) return Buffer.allocUnsafeSlow(length);
  const whole = spare.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size);
  return length === size ? whole : whole.subarray(0, length);
}

/** Gives back what `takeBuffer` gave, once nobody reads it any more. */
export function giveBuffer(buffer: Uint8Array): void {
  const size = buffer.buffer.byteLength;
  const entry = classes.find((kind) => kind.size === size);
  const list = spare.get(size);
  if (entry !== undefined && list !== undefined && list.length < entry.limit)
    list.push(buffer.length === size ? buffer : Buffer.from(buffer.buffer));
}

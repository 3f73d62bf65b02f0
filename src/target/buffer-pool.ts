/** Sizes that buffers come in, and how many of each are kept. */
const kinds = [
  { size: 8 * 1024, limit: 256 },
  { size: 64 * 1024, limit: 64 },
  { size: 256 * 1024, limit: 32 },
  { size: 1024 * 1024, limit: 8 },
] as const;

interface Entry {
  readonly whole: Uint8Array;
  free: boolean;
}

const spare: readonly Entry[][] = kinds.map(() => []);
/** All buffers of the pool by their memory, so that nothing else ever gets into it. */
const entries = new WeakMap<ArrayBufferLike, Entry>();

/**
 * A buffer for data on its way between a device and a socket, with whatever was in it before. New memory costs more
 * than the copy into it, and its collection more than both, so buffers go round; one that nobody gives back is simply
 * garbage.
 */
export function takeBuffer(length: number): Uint8Array {
  const index = kinds.findIndex(({ size }) => size >= length);
  const size = kinds[index]?.size;
  if (size === undefined) return Buffer.allocUnsafeSlow(length);
  const entry = spare[index]?.pop() ?? makeEntry(size);
  entry.free = false;
  return length === size ? entry.whole : entry.whole.subarray(0, length);
}

/** Gives back what `takeBuffer` gave, or a part of it, once nobody uses any of it. */
export function giveBuffer(buffer: Uint8Array): void {
  const entry = entries.get(buffer.buffer);
  if (entry === undefined || entry.free) return;
  const index = kinds.findIndex(({ size }) => size === entry.whole.length);
  const list = spare[index];
  if (list === undefined || list.length >= (kinds[index]?.limit ?? 0)) return;
  entry.free = true;
  list.push(entry);
}

function makeEntry(size: number): Entry {
  const whole = Buffer.allocUnsafeSlow(size);
  const entry: Entry = { whole, free: false };
  entries.set(whole.buffer, entry);
  return entry;
}

/**
 * CRC32C (Castagnoli) of `data`; with `seed`, the CRC of what came before continues: crc(b, crc(a)) = crc(a + b).
 * `crc32c` of `@node-rs/crc32` has this form too.
 */
export type Crc32c = (data: Uint8Array, seed?: number) => number;

/** From this length on a native function is usually faster than the JavaScript one (measured: 100 to 192). */
export const NATIVE_CRC32C_FROM = 192;

/** CRC32C in JavaScript, eight bytes a step. The check value of "123456789" is 0xe3069283. */
export const crc32cJs: Crc32c = (data, seed = 0) => {
  const t = tables;
  const length = data.length;
  const whole = length - (length & 7);
  let crc = ~seed;
  let at = 0;
  for (; at < whole; at += 8) {
    crc ^=
      (data[at] ?? 0) |
      ((data[at + 1] ?? 0) << 8) |
      ((data[at + 2] ?? 0) << 16) |
      ((data[at + 3] ?? 0) << 24);
    crc =
      (t[0x700 | (crc & 0xff)] ?? 0) ^
      (t[0x600 | ((crc >>> 8) & 0xff)] ?? 0) ^
      (t[0x500 | ((crc >>> 16) & 0xff)] ?? 0) ^
      (t[0x400 | (crc >>> 24)] ?? 0) ^
      (t[0x300 | (data[at + 4] ?? 0)] ?? 0) ^
      (t[0x200 | (data[at + 5] ?? 0)] ?? 0) ^
      (t[0x100 | (data[at + 6] ?? 0)] ?? 0) ^
      (t[data[at + 7] ?? 0] ?? 0);
  }
  for (; at < length; at += 1) crc = (crc >>> 8) ^ (t[(crc ^ (data[at] ?? 0)) & 0xff] ?? 0);
  return ~crc >>> 0;
};

/**
 * JavaScript for data shorter than `from` bytes, `native` for the rest: the call into native code costs more than a
 * header's CRC. Throws a TypeError when the function does not compute CRC32C with a continuing seed.
 */
export function hybridCrc32c(native: Crc32c, from: number = NATIVE_CRC32C_FROM): Crc32c {
  const check = Uint8Array.of(0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39);
  if (
    native(check, 0) !== 0xe306_9283 ||
    native(check.subarray(4), native(check.subarray(0, 4), 0)) !== 0xe306_9283
  ) {
    throw new TypeError("hybridCrc32c: the function does not compute CRC32C with a continuing seed");
  }
  return (data, seed = 0) => (data.length < from ? crc32cJs(data, seed) : native(data, seed));
}

/** Eight tables of 256 entries in one: entry n of table k is the CRC of byte n followed by k zero bytes. */
const tables = buildTables();

function buildTables(): Int32Array {
  const built = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : 0x82f6_3b78);
    built[byte] = crc;
  }
  for (let at = 256; at < built.length; at += 1) {
    const before = built[at - 256] ?? 0;
    built[at] = (before >>> 8) ^ (built[before & 0xff] ?? 0);
  }
  return built;
}

/** Bytes of an IPv4 (4) or IPv6 (16) address as text; IPv6 in the canonical form of RFC 5952. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  const words = Array.from({ length: 8 }, (_, i) => view.getUint16(i * 2));
  const zeros = longestZeroRun(words);
  const hex = (from: number, to: number) =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(":");
  return zeros.length < 2 ? hex(0, 8) : `${hex(0, zeros.start)}::${hex(zeros.start + zeros.length, 8)}`;
}

/** The 4 or 16 bytes of an address in text, or undefined where the text is none (zones are not accepted). */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  const right =
    parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
  return right ? Uint8Array.from(parts, Number) : undefined;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [left = "", right] = halves;
  const head = wordsOf(left, right === undefined);
  const tail = wordsOf(right ?? "", true);
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const words = [...head, ...Array.from({ length: missing }, () => 0), ...tail];
  return Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]));
}

/** The 16-bit groups of one side of "::"; the last of an address may be an IPv4 address and counts as two. */
function wordsOf(text: string, last: boolean): readonly number[] | undefined {
  if (text === "") return [];
  const words: number[] = [];
  const groups = text.split(":");
  for (const [i, group] of groups.entries()) {
    const ipv4 = last && i === groups.length - 1 && group.includes(".") ? parseIpv4(group) : undefined;
    if (ipv4 !== undefined) words.push(...pairs(ipv4));
    else if (/^[0-9a-f]{1,4}$/i.test(group)) words.push(Number.parseInt(group, 16));
    else return undefined;
  }
  return words;
}

function pairs(bytes: Uint8Array): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(i * 2));
}

function longestZeroRun(words: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [i, word] of words.entries()) {
    if (word !== 0) start = i + 1;
    else if (i + 1 - start > best.length) best = { start, length: i + 1 - start };
  }
  return best;
}

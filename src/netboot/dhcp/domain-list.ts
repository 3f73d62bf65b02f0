/** Domain names as option 119 carries them (RFC 3397): DNS labels, later names may point back into earlier ones. */
export function encodeDomains(names: readonly string[]): Uint8Array {
  const known = new Map<string, number>();
  const out: number[] = [];
  for (const name of names) {
    const labels = name.replace(/\.$/, "").split(".");
    for (let i = 0; ; i++) {
      const rest = labels.slice(i).join(".").toLowerCase();
      const pointer = known.get(rest);
      if (i === labels.length) out.push(0);
      else if (pointer !== undefined) out.push(0xc0 | (pointer >> 8), pointer & 0xff);
      if (i === labels.length || pointer !== undefined) break;
      if (out.length < 0x4000) known.set(rest, out.length);
      const label = Buffer.from(labels[i] ?? "", "latin1");
      if (label.length === 0 || label.length > 63) throw new RangeError(`"${name}" is no domain name`);
      out.push(label.length, ...label);
    }
  }
  return Uint8Array.from(out);
}

export function decodeDomains(bytes: Uint8Array): readonly string[] | undefined {
  const names: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const read = readName(bytes, at);
    if (!read) return undefined;
    names.push(read.name);
    at = read.end;
  }
  return names.length === 0 ? undefined : names;
}

/** Pointers must lead strictly backwards, so that a hostile list cannot make this loop. */
function readName(bytes: Uint8Array, start: number): { name: string; end: number } | undefined {
  const labels: string[] = [];
  let at = start;
  let lowest = start;
  let end: number | undefined;
  let length = 0;
  for (;;) {
    const size = bytes[at];
    if (size === undefined) return undefined;
    if (size === 0) return labels.length === 0 ? undefined : { name: labels.join("."), end: end ?? at + 1 };
    if (size >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined) return undefined;
      const target = ((size & 0x3f) << 8) | low;
      if (target >= lowest) return undefined;
      end ??= at + 2;
      lowest = target;
      at = target;
      continue;
    }
    if (size > 63 || at + 1 + size > bytes.length) return undefined;
    length += size + 1;
    if (length > 254) return undefined;
    labels.push(Buffer.from(bytes.subarray(at + 1, at + 1 + size)).toString("latin1"));
    at += 1 + size;
  }
}

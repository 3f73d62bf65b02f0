/** Options by code, each the whole of its value: instances of one code are already concatenated (RFC 3396 §5). */
export type RawOptions = ReadonlyMap<number, Uint8Array>;

const PAD = 0;
const END = 255;

/**
 * Walks the options of one area (RFC 2132 §2: code, length, value; 0 pads, 255 ends) into `found`; an option that is
 * there already grows by concatenation. A missing end is tolerated, as some clients leave it out.
 * @returns false where an option claims more bytes than the area has
 */
export function readOptionArea(area: Uint8Array, found: Map<number, Uint8Array>): boolean {
  let at = 0;
  while (at < area.length) {
    const code = area[at++];
    if (code === PAD) continue;
    if (code === undefined || code === END) return true;
    const length = area[at++];
    if (length === undefined || at + length > area.length) return false;
    const before = found.get(code);
    const value = area.subarray(at, at + length);
    found.set(code, before ? Buffer.concat([before, value]) : value);
    at += length;
  }
  return true;
}

/** One option as bytes; a value of more than 255 goes out in several instances that follow each other (RFC 3396 §4). */
export function writeOption(code: number, value: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [];
  let at = 0;
  do {
    const piece = value.subarray(at, at + 255);
    pieces.push(Uint8Array.of(code, piece.length), piece);
    at += 255;
  } while (at < value.length);
  return Buffer.concat(pieces);
}

/** The areas of a reply that hold options, `sname` and `file` only where they are used for that (RFC 2132 §9.3). */
export interface PackedOptions {
  readonly options: Uint8Array;
  readonly file: Uint8Array | undefined;
  readonly sname: Uint8Array | undefined;
  /** Codes for which no room was left. */
  readonly dropped: readonly number[];
}

/**
 * Packs options in the given order into `limit` bytes, and what does not fit into the `file` (128 bytes) and `sname`
 * (64 bytes) fields where these are free, with option 52 to say so. An option is never split across areas, since
 * many clients do not put such halves together.
 */
export function packOptions(
  ordered: readonly (readonly [number, Uint8Array])[],
  limit: number,
  free: { readonly file: boolean; readonly sname: boolean },
): PackedOptions {
  const areas = [new OptionArea(limit)];
  const whole = place(ordered, areas);
  if (whole.length === 0) return packed(areas, undefined, undefined, []);

  const overload = (free.file ? 1 : 0) + (free.sname ? 2 : 0);
  if (overload === 0) return packed(areas, undefined, undefined, whole);
  const file = free.file ? new OptionArea(128) : undefined;
  const sname = free.sname ? new OptionArea(64) : undefined;
  const main = new OptionArea(limit);
  main.add(writeOption(52, Uint8Array.of(overload)));
  const dropped = place(ordered, [main, file, sname]);
  return packed([main], file, sname, dropped);
}

class OptionArea {
  readonly #limit: number;
  readonly #pieces: Uint8Array[] = [];
  #used = 1;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(bytes: Uint8Array): boolean {
    if (this.#used + bytes.length > this.#limit) return false;
    this.#pieces.push(bytes);
    this.#used += bytes.length;
    return true;
  }

  bytes(): Uint8Array {
    return Buffer.concat([...this.#pieces, Uint8Array.of(END)]);
  }
}

function place(
  ordered: readonly (readonly [number, Uint8Array])[],
  areas: readonly (OptionArea | undefined)[],
): number[] {
  const dropped: number[] = [];
  for (const [code, value] of ordered) {
    const bytes = writeOption(code, value);
    if (!areas.some((area) => area?.add(bytes))) dropped.push(code);
  }
  return dropped;
}

function packed(
  areas: readonly OptionArea[],
  file: OptionArea | undefined,
  sname: OptionArea | undefined,
  dropped: readonly number[],
): PackedOptions {
  return {
    options: areas[0]?.bytes() ?? Uint8Array.of(END),
    file: file?.bytes(),
    sname: sname?.bytes(),
    dropped,
  };
}

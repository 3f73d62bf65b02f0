const R16 = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];
const R8 = ["al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"];
const SEGMENTS = ["es", "cs", "ss", "ds"];
/** The r/m codes of 16-bit addressing (Intel SDM volume 2, table 2-1). */
const BASES = ["bx+si", "bx+di", "bp+si", "bp+di", "si", "di", "bp", "bx"];
const SEGMENT_PREFIX: Readonly<Record<string, number>> = { es: 0x26, cs: 0x2e, ss: 0x36, ds: 0x3e };

export type Operand =
  | { readonly kind: "register"; readonly size: 8 | 16; readonly code: number }
  | { readonly kind: "segment"; readonly code: number }
  | {
      readonly kind: "memory";
      readonly size: 8 | 16 | undefined;
      readonly prefix: number | undefined;
      /** The r/m code of the base registers; undefined for a plain address. */
      readonly base: number | undefined;
      readonly displacement: string | undefined;
    }
  | { readonly kind: "immediate"; readonly text: string };

/** Reads one operand: a register, `[es:bx+si+4]` with an optional `byte` or `word` in front, or an expression. */
export function parseOperand(source: string): Operand {
  const text = source.trim();
  if (R16.includes(text)) return { kind: "register", size: 16, code: R16.indexOf(text) };
  if (R8.includes(text)) return { kind: "register", size: 8, code: R8.indexOf(text) };
  if (SEGMENTS.includes(text)) return { kind: "segment", code: SEGMENTS.indexOf(text) };
  const memory = /^(?:(byte|word)\s+)?\[(?:(es|cs|ss|ds):)?([^\]]+)\]$/.exec(text);
  if (memory === null) return { kind: "immediate", text };
  const [, size, segment, inside = ""] = memory;
  const terms = inside.split("+").map((term) => term.trim());
  const registers = terms.filter((term) => R16.includes(term)).toSorted();
  const rest = terms.filter((term) => !R16.includes(term)).join("+");
  const base = registers.length === 0 ? undefined : BASES.indexOf(registers.join("+"));
  if (base === -1) throw new TypeError(`no addressing by ${registers.join("+")}`);
  return {
    kind: "memory",
    size: size === undefined ? undefined : size === "byte" ? 8 : 16,
    prefix: segment === undefined ? undefined : SEGMENT_PREFIX[segment],
    base,
    displacement: rest === "" ? undefined : rest,
  };
}

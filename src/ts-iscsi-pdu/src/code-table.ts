/** One row of a table of codes: its number, its name in programs, and the words of the specification. */
export interface CodeEntry {
  readonly code: number;
  readonly name: string;
  readonly text: string;
}

/** Codes of one field, both ways. */
export class CodeTable {
  /** Where the specification defines the codes. */
  readonly section: string;
  readonly entries: readonly CodeEntry[];
  readonly #byCode: ReadonlyMap<number, CodeEntry>;
  readonly #byName: ReadonlyMap<string, CodeEntry>;

  constructor(
    section: string,
    codes: Readonly<Record<string, number>>,
    texts: Readonly<Record<string, string>>,
  ) {
    this.section = section;
    this.entries = Object.entries(codes).map(([name, code]) => ({ code, name, text: texts[name] ?? name }));
    this.#byCode = new Map(this.entries.map((entry) => [entry.code, entry]));
    this.#byName = new Map(this.entries.map((entry) => [entry.name, entry]));
  }

  has(code: number): boolean {
    return this.#byCode.has(code);
  }

  /** `AbortTask`; undefined for a code that the table lacks. */
  name(code: number): string | undefined {
    return this.#byCode.get(code)?.name;
  }

  /** The specification's words; never fails: "unknown (0x77)". */
  text(code: number): string {
    return this.#byCode.get(code)?.text ?? `unknown (0x${code.toString(16).padStart(2, "0")})`;
  }

  code(name: string): number | undefined {
    return this.#byName.get(name)?.code;
  }
}

/** A table whose texts are checked to cover exactly the codes. */
export function codeTable<T extends Readonly<Record<string, number>>>(
  section: string,
  codes: T,
  texts: { readonly [K in keyof T]: string },
): CodeTable {
  return new CodeTable(section, codes, texts);
}

import { encode, type Emitted } from "./instructions.ts";

export interface AssembleOptions {
  /** Address of the first byte. */
  readonly origin?: number;
  /** Names with values, beside the labels. */
  readonly symbols?: Readonly<Record<string, number>>;
}

interface Line {
  readonly number: number;
  readonly address: number;
  readonly emitted: readonly Emitted[];
}

/**
 * A small assembler for 16-bit code, in the customary Intel notation: a label with a colon, an instruction or one of
 * `db`, `dw`, `times N db V`, `align N`; a comment behind a semicolon. Numbers are decimal, 0x… or 'c'; expressions
 * are sums of numbers, labels and `$` (this line's address). Throws a TypeError that names the line.
 */
export function assemble(source: string, options: AssembleOptions = {}): Uint8Array {
  const origin = options.origin ?? 0;
  const symbols = new Map(Object.entries(options.symbols ?? {}));
  const lines: Line[] = [];
  let address = origin;
  for (const [index, text] of source.split("\n").entries()) {
    const statement = withoutComment(text).trim();
    const label = /^([a-z_][a-z0-9_]*):\s*(.*)$/i.exec(statement);
    const [name, rest] = label === null ? [undefined, statement] : [label[1] ?? "", label[2] ?? ""];
    locate(index + 1, () => {
      if (name !== undefined && symbols.has(name)) throw new TypeError(`"${name}" is there already`);
      if (name !== undefined) symbols.set(name, address);
      const emitted = rest === "" ? [] : parse(rest, address - origin, symbols);
      lines.push({ number: index + 1, address, emitted });
      address += emitted.reduce<number>((sum, one) => sum + (typeof one === "number" ? 1 : one.size), 0);
    });
  }
  const bytes = Buffer.alloc(address - origin);
  for (const line of lines) locate(line.number, () => write(bytes, line, origin, symbols));
  return bytes;
}

function parse(statement: string, offset: number, symbols: ReadonlyMap<string, number>): readonly Emitted[] {
  const [, mnemonic = "", operands = ""] = /^(\S+)\s*(.*)$/.exec(statement) ?? [];
  if (mnemonic === "db" || mnemonic === "dw") return data(operands, mnemonic === "db" ? 1 : 2);
  if (mnemonic === "align") {
    const size = evaluate(operands, 0, symbols);
    return Array.from({ length: (size - (offset % size)) % size }, () => 0);
  }
  if (mnemonic === "times") {
    const [, count = "", value = ""] = /^(\S+)\s+db\s+(.*)$/.exec(operands) ?? [];
    return Array.from({ length: evaluate(count, 0, symbols) }, () => data(value, 1)).flat();
  }
  return encode(mnemonic, operands.trim());
}

/** Values and texts in quotes, separated by commas. */
function data(list: string, size: 1 | 2): readonly Emitted[] {
  if (list.trim() === "") throw new TypeError("data is missing");
  const items = list.match(/"[^"]*"|[^,]+/g) ?? [];
  return items.flatMap((item): readonly Emitted[] => {
    const text = item.trim();
    return text.startsWith('"')
      ? [...Buffer.from(text.slice(1, -1), "latin1")]
      : [{ expression: text, size }];
  });
}

function write(bytes: Buffer, line: Line, origin: number, symbols: ReadonlyMap<string, number>): void {
  let at = line.address - origin;
  const end =
    at + line.emitted.reduce<number>((sum, one) => sum + (typeof one === "number" ? 1 : one.size), 0);
  for (const one of line.emitted) {
    if (typeof one === "number") {
      bytes.writeUInt8(one, at++);
      continue;
    }
    const value =
      evaluate(one.expression, line.address, symbols) - (one.relative === true ? origin + end : 0);
    const limit = one.size === 1 ? 0x100 : 0x10000;
    const isFar = one.relative === true && one.size === 1 && (value < -0x80 || value > 0x7f);
    if (isFar || value < -limit / 2 || value >= limit)
      throw new TypeError(`${one.expression}: ${value} does not fit`);
    bytes.writeUIntLE(value & (limit - 1), at, one.size);
    at += one.size;
  }
}

/** A sum or difference of numbers, characters and symbols. */
function evaluate(expression: string, here: number, symbols: ReadonlyMap<string, number>): number {
  let sum = 0;
  const terms =
    expression.replaceAll(/\s+(?=(?:[^']*'[^']*')*[^']*$)/g, "").match(/[+-]?(?:'[^']'|[^+-]+)/g) ?? [];
  if (terms.length === 0) throw new TypeError("a value is missing");
  for (const term of terms) {
    const [, sign, text = ""] = /^([+-]?)(.*)$/s.exec(term) ?? [];
    sum += (sign === "-" ? -1 : 1) * valueOf(text, here, symbols);
  }
  return sum;
}

function valueOf(text: string, here: number, symbols: ReadonlyMap<string, number>): number {
  if (text === "$") return here;
  if (/^'.'$/s.test(text)) return text.charCodeAt(1);
  if (/^(0x[0-9a-f]+|\d+)$/i.test(text)) return Number(text);
  const value = symbols.get(text);
  if (value === undefined) throw new TypeError(`"${text}" is not known`);
  return value;
}

function withoutComment(line: string): string {
  return line.replace(/;(?=(?:[^"']*["'][^"']*["'])*[^"']*$).*$/, "");
}

function locate(line: number, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw new TypeError(`line ${line}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

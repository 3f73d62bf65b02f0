import { type Operand, parseOperand } from "./operand.ts";

/** Bytes, and values to be filled in once the labels are known. */
export type Emitted = number | Value;

interface Value {
  readonly expression: string;
  readonly size: 1 | 2;
  /** From the instruction's end, as jumps count. */
  readonly relative?: boolean;
}

/** Instructions of one byte, by name (Intel SDM volume 2). */
const PLAIN: Readonly<Record<string, readonly number[]>> = {
  pusha: [0x60],
  popa: [0x61],
  nop: [0x90],
  pushf: [0x9c],
  popf: [0x9d],
  movsb: [0xa4],
  movsw: [0xa5],
  cmpsb: [0xa6],
  stosb: [0xaa],
  stosw: [0xab],
  lodsb: [0xac],
  lodsw: [0xad],
  scasb: [0xae],
  ret: [0xc3],
  retf: [0xcb],
  iret: [0xcf],
  hlt: [0xf4],
  cli: [0xfa],
  sti: [0xfb],
  cld: [0xfc],
  std: [0xfd],
  stc: [0xf9],
  clc: [0xf8],
};
const REPEATS: Readonly<Record<string, number>> = { rep: 0xf3, repe: 0xf3, repne: 0xf2 };
const ARITHMETIC = ["add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"];
const SHIFTS: Readonly<Record<string, number>> = { rol: 0, ror: 1, shl: 4, shr: 5, sar: 7 };
const UNARY: Readonly<Record<string, number>> = { not: 2, neg: 3, mul: 4, imul: 5, div: 6, idiv: 7 };
const CONDITIONS: Readonly<Record<string, number>> = {
  o: 0,
  no: 1,
  b: 2,
  c: 2,
  ae: 3,
  nc: 3,
  e: 4,
  z: 4,
  ne: 5,
  nz: 5,
  be: 6,
  a: 7,
  s: 8,
  ns: 9,
  l: 12,
  ge: 13,
  le: 14,
  g: 15,
};

type Register = Extract<Operand, { kind: "register" }>;
type Memory = Extract<Operand, { kind: "memory" }>;

/** Encodes one instruction of the 8086 and 80186; throws a TypeError for what it does not know. */
export function encode(mnemonic: string, operands: string): readonly Emitted[] {
  const repeat = REPEATS[mnemonic];
  if (repeat !== undefined) return [repeat, ...encode(operands.trim(), "")];
  const plain = PLAIN[mnemonic];
  if (plain !== undefined && operands === "") return plain;
  const jump = encodeJump(mnemonic, operands);
  if (jump !== undefined) return jump;
  const list = operands === "" ? [] : operands.split(",").map(parseOperand);
  const encoded = encodeWithOperands(mnemonic, list);
  if (encoded === undefined) throw new TypeError(`unknown instruction "${mnemonic} ${operands}"`);
  return encoded;
}

function encodeJump(mnemonic: string, target: string): readonly Emitted[] | undefined {
  const relative = (opcode: number, size: 1 | 2): readonly Emitted[] => [
    opcode,
    { expression: target, size, relative: true },
  ];
  if (mnemonic === "jmp")
    return target.startsWith("short ") ? encodeJump("jmps", target.slice(6)) : relative(0xe9, 2);
  if (mnemonic === "jmps") return relative(0xeb, 1);
  if (mnemonic === "call") return relative(0xe8, 2);
  if (mnemonic === "loop") return relative(0xe2, 1);
  if (mnemonic === "loope") return relative(0xe1, 1);
  if (mnemonic === "loopne") return relative(0xe0, 1);
  if (mnemonic === "jcxz") return relative(0xe3, 1);
  const condition = mnemonic.startsWith("j") ? CONDITIONS[mnemonic.slice(1)] : undefined;
  if (condition === undefined) return undefined;
  if (!target.startsWith("near ")) return relative(0x70 + condition, 1);
  // The 8086 jumps on a condition no further than a byte tells: the opposite jumps over a near jump.
  return [0x70 + (condition ^ 1), 3, 0xe9, { expression: target.slice(5), size: 2, relative: true }];
}

function encodeWithOperands(mnemonic: string, operands: readonly Operand[]): readonly Emitted[] | undefined {
  const [a, b] = operands;
  if (a === undefined) return undefined;
  if (mnemonic === "int" && a.kind === "immediate") return [0xcd, { expression: a.text, size: 1 }];
  if (mnemonic === "mov" && b !== undefined) return encodeMove(a, b);
  if (mnemonic === "push" || mnemonic === "pop") return encodeStack(mnemonic, a);
  if (mnemonic === "in") return [isByte(a, b) ? 0xec : 0xed];
  if (mnemonic === "out" && b !== undefined) return [isByte(b, a) ? 0xee : 0xef];
  if (mnemonic === "inc" || mnemonic === "dec") return encodeStep(mnemonic === "inc" ? 0 : 1, a);
  if (mnemonic === "xchg" && b?.kind === "register") return withModrm(0x86 + wide(b, a), b.code, a);
  if (mnemonic === "lea" && a.kind === "register" && b?.kind === "memory") return withModrm(0x8d, a.code, b);
  const unary = UNARY[mnemonic];
  if (unary !== undefined) return withModrm(0xf6 + wide(a), unary, a);
  const shift = SHIFTS[mnemonic];
  if (shift !== undefined && b !== undefined) return encodeShift(shift, a, b);
  const arithmetic = ARITHMETIC.indexOf(mnemonic);
  if (arithmetic >= 0 && b !== undefined) return encodeArithmetic(arithmetic, a, b);
  if (mnemonic === "test" && b?.kind === "register") return withModrm(0x84 + wide(b), b.code, a);
  if (mnemonic === "test" && b !== undefined)
    return [...(withModrm(0xf6 + wide(a), 0, a) ?? []), immediate(b, a)];
  return undefined;
}

function encodeMove(to: Operand, from: Operand): readonly Emitted[] | undefined {
  if (to.kind === "segment") return withModrm(0x8e, to.code, from);
  if (from.kind === "segment") return withModrm(0x8c, from.code, to);
  if (from.kind === "register") return withModrm(0x88 + wide(from), from.code, to);
  if (to.kind === "register" && from.kind === "memory") return withModrm(0x8a + wide(to), to.code, from);
  if (to.kind === "register") return [(to.size === 8 ? 0xb0 : 0xb8) + to.code, immediate(from, to)];
  return [...(withModrm(0xc6 + wide(to), 0, to) ?? []), immediate(from, to)];
}

function encodeStack(mnemonic: "push" | "pop", operand: Operand): readonly Emitted[] | undefined {
  const pop = mnemonic === "pop" ? 1 : 0;
  if (operand.kind === "segment") return [0x06 + operand.code * 8 + pop];
  if (operand.kind === "register" && operand.size === 16) return [0x50 + pop * 8 + operand.code];
  if (operand.kind === "immediate" && pop === 0) return [0x68, { expression: operand.text, size: 2 }];
  return undefined;
}

function encodeStep(extension: number, operand: Operand): readonly Emitted[] | undefined {
  if (operand.kind === "register" && operand.size === 16) return [0x40 + extension * 8 + operand.code];
  return withModrm(0xfe + wide(operand), extension, operand);
}

function encodeShift(extension: number, operand: Operand, by: Operand): readonly Emitted[] | undefined {
  if (by.kind === "register") return withModrm(0xd2 + wide(operand), extension, operand);
  if (by.kind !== "immediate") return undefined;
  return [...(withModrm(0xc0 + wide(operand), extension, operand) ?? []), { expression: by.text, size: 1 }];
}

function encodeArithmetic(operation: number, to: Operand, from: Operand): readonly Emitted[] | undefined {
  if (from.kind === "register") return withModrm(operation * 8 + wide(from), from.code, to);
  if (to.kind === "register" && from.kind === "memory")
    return withModrm(operation * 8 + 2 + wide(to), to.code, from);
  return [...(withModrm(0x80 + wide(to), operation, to) ?? []), immediate(from, to)];
}

/** Opcode, ModR/M byte and displacement; segment override in front. */
function withModrm(opcode: number, register: number, operand: Operand): readonly Emitted[] | undefined {
  if (operand.kind === "register") return [opcode, 0xc0 | (register << 3) | operand.code];
  if (operand.kind !== "memory") return undefined;
  return [...(operand.prefix === undefined ? [] : [operand.prefix]), opcode, ...address(register, operand)];
}

function address(register: number, { base, displacement }: Memory): readonly Emitted[] {
  if (base === undefined) return [(register << 3) | 6, { expression: displacement ?? "0", size: 2 }];
  // [bp] alone has no encoding without a displacement.
  if (displacement === undefined && base !== 6) return [(register << 3) | base];
  return [0x80 | (register << 3) | base, { expression: displacement ?? "0", size: 2 }];
}

/** 1 where the operation is on words: the bit that the opcodes have for it. */
function wide(operand: Operand, other?: Operand): 0 | 1 {
  const size = sizeOf(operand) ?? (other === undefined ? undefined : sizeOf(other));
  if (size === undefined) throw new TypeError("byte or word? write it in front of the address");
  return size === 16 ? 1 : 0;
}

function sizeOf(operand: Operand): 8 | 16 | undefined {
  if (operand.kind === "register" || operand.kind === "memory") return operand.size;
  return operand.kind === "segment" ? 16 : undefined;
}

function immediate(operand: Operand, target: Operand): Value {
  if (operand.kind !== "immediate") throw new TypeError("a value is wanted here");
  return { expression: operand.text, size: wide(target) === 1 ? 2 : 1 };
}

/** `in al, dx` moves a byte; the port is in dx. */
function isByte(data: Operand, port: Operand | undefined): boolean {
  const dx = port as Register | undefined;
  if (dx?.kind !== "register" || dx.code !== 2) throw new TypeError("the port goes into dx");
  return data.kind === "register" && data.size === 8;
}

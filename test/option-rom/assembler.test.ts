import test from "ava";
import { assemble } from "#option-rom";

/** Encodings of the Intel manual, each confirmed with a disassembler (GNU objdump, i8086). */
const ENCODINGS = [
  ["mov ax, 0x1234", "b83412"],
  ["mov bl, 'A'", "b341"],
  ["mov ax, [0x413]", "8b061304"],
  ["mov [0x413], ax", "89061304"],
  ["mov al, [si]", "8a04"],
  ["mov al, [bx+di+4]", "8a810400"],
  ["mov ax, [es:di+2]", "268b850200"],
  ["mov byte [bp], 7", "c686000007"],
  ["mov word [bx], 0x102", "c7070201"],
  ["mov ds, ax", "8ed8"],
  ["mov ax, es", "8cc0"],
  ["push es", "06"],
  ["pop ds", "1f"],
  ["push 0x100", "680001"],
  ["push si", "56"],
  ["pop dx", "5a"],
  ["add ax, bx", "01d8"],
  ["add al, [si]", "0204"],
  ["add word [di], 5", "81050500"],
  ["sub ax, 1", "81e80100"],
  ["sbb cx, dx", "19d1"],
  ["and al, 0x0f", "80e00f"],
  ["or ah, al", "08c4"],
  ["xor di, di", "31ff"],
  ["cmp al, 'i'", "80f869"],
  ["cmp word [si+8], 0", "81bc08000000"],
  ["cmp cx, [bx]", "3b0f"],
  ["test al, al", "84c0"],
  ["test al, 1", "f6c001"],
  ["inc ax", "40"],
  ["dec byte [si]", "fe0c"],
  ["inc bh", "fec7"],
  ["not cx", "f7d1"],
  ["neg al", "f6d8"],
  ["mul bl", "f6e3"],
  ["div word [si]", "f734"],
  ["shl ax, 4", "c1e004"],
  ["shr dx, cl", "d3ea"],
  ["rol al, 1", "c0c001"],
  ["xchg bx, ax", "87c3"],
  ["lea si, [bx+si+0x10]", "8db01000"],
  ["int 0x10", "cd10"],
  ["in al, dx", "ec"],
  ["out dx, al", "ee"],
  ["out dx, ax", "ef"],
  ["lodsb", "ac"],
  ["rep movsw", "f3a5"],
  ["repe cmpsb", "f3a6"],
  ["jmp short 0x10", "eb0e"],
  ["loop 0x10", "e20e"],
  ["je 0x10", "740e"],
  ["jb 0x10", "720e"],
  ["call 0x200", "e8fd01"],
  ["jmp 0x200", "e9fd01"],
  ["pusha", "60"],
  ["retf", "cb"],
  ["hlt", "f4"],
] as const;

for (const [source, hex] of ENCODINGS) {
  test(`${source} is ${hex}`, (t) => {
    t.is(Buffer.from(assemble(source)).toString("hex"), hex);
  });
}

test("labels, data, alignment, comments and symbols", (t) => {
  const bytes = assemble(
    `
start:  jmp short over      ; a comment with "quotes"
text:   db "a;b", 0, ';'
        align 8
over:   mov si, text+1
        mov cx, over-start
        times 3 db 0xff
        dw start, port, $
    `,
    { origin: 0x7c00, symbols: { port: 0x3f8 } },
  );
  t.is(
    Buffer.from(bytes).toString("hex"),
    ["eb06", "613b62", "00", "3b", "00", "be037c", "b90800", "ffffff", "007cf803117c"].join(""),
  );
});

for (const [source, message] of [
  ["nop\nmvo ax, 1", /line 2: unknown instruction "mvo ax, 1"/],
  ["jmp nowhere", /line 1: "nowhere" is not known/],
  ["a: nop\na: nop", /line 2: "a" is there already/],
  ["mov al, 300", /line 1: 300: 300 does not fit/],
  ["je far\ntimes 200 db 0\nfar: nop", /line 1: far: 200 does not fit/],
  ["mov [si], 1", /byte or word/],
  ["mov ax, [ax]", /no addressing by ax/],
  ["in al, 0x60", /port goes into dx/],
  ["db", /line 1/],
] as const) {
  test(`refused: ${source.replaceAll("\n", " / ")}`, (t) => {
    t.throws(() => assemble(source), { instanceOf: TypeError, message });
  });
}

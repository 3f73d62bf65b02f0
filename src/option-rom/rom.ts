import { assemble } from "./assembler.ts";

export interface OptionRomOptions {
  /**
   * static: the table lies in the ROM on a 16-byte boundary, where a scan below 1 MiB finds it. copy: at its
   * initialisation the ROM lowers the base memory (40:13), and copies the table to its new end, below 640 KiB.
   */
  readonly kind?: "static" | "copy";
  /**
   * Where a copy goes, below 640 KiB: base memory then ends with the KiB that it begins in. The topmost KiB that are
   * free unless told.
   */
  readonly address?: number;
  /** Shown by firmware that lists its ROMs. */
  readonly product?: string;
}

const UNIT = 512;
const LARGEST = 240 * UNIT;
/** What the headers and the code take, generously. */
const OVERHEAD = UNIT;
const PNP_LENGTH = 32;
/** Below lie the interrupt vectors, the BIOS's data and what boot loaders need. */
const LOWEST = 0x10000;
const BASE_MEMORY = 0xa0000;

/**
 * An x86 option ROM (PnP BIOS Specification 1.0A, section 3) with a table inside: a multiple of 512 bytes whose sum is
 * 0. Throws a RangeError for a table that leaves no room below 120 KiB.
 */
export function buildOptionRom(table: Uint8Array, options: OptionRomOptions = {}): Uint8Array {
  if (table.length > LARGEST - OVERHEAD) {
    throw new RangeError(`a table of ${table.length} bytes does not fit into an option ROM`);
  }
  const product = (options.product ?? "sanlab iBFT").replaceAll(/[^\x20-\x21\x23-\x7e]/g, "?");
  const code = assemble(sourceOf(options, table.length, product));
  const length = Math.ceil((code.length + table.length) / UNIT) * UNIT;
  const rom = Buffer.alloc(length);
  rom.set(code, 0);
  rom.set(table, code.length);
  rom.writeUInt8(length / UNIT, 2);
  const pnp = rom.readUInt16LE(0x1a);
  rom.writeUInt8(-sumOf(rom.subarray(pnp, pnp + PNP_LENGTH)) & 0xff, pnp + 9);
  // The byte behind the size and the jump is nobody's: it makes the sum right.
  rom.writeUInt8(-sumOf(rom) & 0xff, 6);
  return rom;
}

function sourceOf({ kind = "copy", address }: OptionRomOptions, length: number, product: string): string {
  return `
        db 0x55, 0xaa, 0
        jmp init              ; offset 3: the firmware calls this
        db 0                  ; makes the sum right
        times 17 db 0
        dw 0                  ; 0x18: no PCI data
        dw pnp                ; 0x1a
        align 16
pnp:    db "$PnP", 1, 2       ; revision, length in 16 bytes
        dw 0                  ; no further header
        db 0, 0               ; reserved, checksum
        dw 0, 0               ; no device
        dw vendor, product
        db 0, 0, 0            ; no type of device
        db 0                  ; neither boots nor displays
        dw 0, 0, 0, 0, 0      ; no vectors
vendor: db "sanlab", 0
product: db "${product}", 0
${kind === "static" ? STATIC_INIT : copyInit(length, address)}
`;
}

/** Nothing to do: the table is found where it lies. The ROM stays in memory. */
const STATIC_INIT = `
init:   xor ax, ax
        retf
        align 16
`;

/**
 * The table in the ROM is kept off the 16-byte steps, so that the scan finds the copy alone. Real firmware calls this
 * before it makes its memory map, which then leaves out what the copy takes.
 */
function copyInit(length: number, address: number | undefined): string {
  if (address !== undefined && !(address >= LOWEST && address + length <= BASE_MEMORY)) {
    throw new RangeError(
      `0x${address.toString(16)}: a table of ${length} bytes goes to 0x${LOWEST.toString(16)} to 0x${BASE_MEMORY.toString(16)}`,
    );
  }
  return `
init:   pushf
        pusha
        push ds
        push es
        cld
        mov ax, 0x40
        mov ds, ax
${address === undefined ? topOfBaseMemory(length) : fixedPlace(address)}
        mov ax, cs
        mov ds, ax
        mov si, table
        mov cx, ${length}
        rep movsb
        pop es
        pop ds
        popa
        popf
        xor ax, ax
        retf
        align 16
        db 0, 0, 0, 0
table:
`;
}

function topOfBaseMemory(length: number): string {
  return `
        mov ax, [0x13]        ; base memory in KiB
        sub ax, ${Math.ceil(length / 1024)}
        mov [0x13], ax
        shl ax, 6             ; in paragraphs
        mov es, ax
        xor di, di`;
}

function fixedPlace(address: number): string {
  return `
        mov ax, ${address >> 10}
        mov [0x13], ax
        mov ax, ${address >> 4}
        mov es, ax
        mov di, ${address & 15}`;
}

function sumOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => (sum + byte) & 0xff, 0);
}

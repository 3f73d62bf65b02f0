/** What the probe guest prints on COM1 when 64-bit code has run behind page tables. */
export const probeMarker = "64-bit paged code ran";

/** SeaBIOS boots no disk that is smaller than one cylinder. */
const diskSize = 1 << 20;

/**
 * A disk whose boot sector switches the processor to 64-bit mode with paging, executes some 80 million instructions
 * there and prints the marker. The work matters: a hypervisor exists that interprets kernel code one instruction at a
 * time; it would get as far as the first few and never through a boot.
 */
export function probeDisk(): Uint8Array {
  const code = Buffer.concat(program.map(([hex]) => Buffer.from(hex.replaceAll(" ", ""), "hex")));
  const disk = Buffer.alloc(diskSize);
  disk.set(code, 0);
  disk.write(`${probeMarker}\n\0`, code.length, "latin1");
  disk.writeUInt16BE(0x55aa, 510);
  return disk;
}

/** Bytes and what they mean; addresses count from 0x7C00. Page tables lie at 0x1000, 0x2000 and 0x3000. */
const program: readonly (readonly [hex: string, assembly: string])[] = [
  ["fa", "cli"],
  ["31 c0", "xor ax, ax"],
  ["8e d8", "mov ds, ax"],
  ["8e c0", "mov es, ax"],
  ["fc", "cld"],
  ["bf 00 10", "mov di, 0x1000"],
  ["b9 00 18", "mov cx, 0x1800"],
  ["f3 ab", "rep stosw"],
  ["c7 06 00 10 03 20", "mov word [0x1000], 0x2003"],
  ["c7 06 00 20 03 30", "mov word [0x2000], 0x3003"],
  ["c7 06 00 30 83 00", "mov word [0x3000], 0x0083   ; 2 MiB, identity"],
  ["0f 01 16 90 7c", "lgdt [0x7c90]"],
  ["66 b8 20 00 00 00", "mov eax, 0x20               ; PAE"],
  ["0f 22 e0", "mov cr4, eax"],
  ["66 b8 00 10 00 00", "mov eax, 0x1000"],
  ["0f 22 d8", "mov cr3, eax"],
  ["66 b9 80 00 00 c0", "mov ecx, 0xc0000080         ; EFER"],
  ["0f 32", "rdmsr"],
  ["80 cc 01", "or ah, 1                    ; LME"],
  ["0f 30", "wrmsr"],
  ["0f 20 c0", "mov eax, cr0"],
  ["66 0d 01 00 00 80", "or eax, 0x80000001          ; PG, PE"],
  ["0f 22 c0", "mov cr0, eax"],
  ["ea 57 7c 08 00", "jmp 8:0x7c57"],
  ["b9 00 2d 31 01", "mov ecx, 20000000           ; 64-bit from here, at 0x57"],
  ["bb 00 80 00 00", "mov ebx, 0x8000"],
  ["48 01 c8", "add rax, rcx                ; at 0x61"],
  ["48 31 03", "xor [rbx], rax"],
  ["48 ff c9", "dec rcx"],
  ["75 f5", "jnz 0x61"],
  ["be 96 7c 00 00", "mov esi, 0x7c96"],
  ["66 ba f8 03", "mov dx, 0x3f8               ; COM1"],
  ["ac", "lodsb                       ; at 0x75"],
  ["ee", "out dx, al"],
  ["84 c0", "test al, al"],
  ["75 fa", "jnz 0x75"],
  ["f4", "hlt                         ; at 0x7b"],
  ["eb fd", "jmp 0x7b"],
  ["00 00", "padding"],
  ["00 00 00 00 00 00 00 00", "GDT at 0x80: null"],
  ["00 00 00 00 00 9a 20 00", "64-bit code"],
  ["0f 00 80 7c 00 00", "GDTR at 0x90: limit 15, base 0x7c80"],
];

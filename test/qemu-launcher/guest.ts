import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { MachineSpec } from "#harness/qemu-launcher";

/** What the guest below leaves at physical address 0x60000. */
export const memoryMarker = "MEMORY MARKER 01";
export const memoryMarkerAddress = 0x6_0000;

/**
 * A guest of one sector: leaves a marker in memory, says its greeting on the screen and on COM1, then echoes to COM1
 * what comes from the keyboard and from COM1; an exclamation mark on COM1 powers it off through ACPI.
 */
export function guestDisk(greeting: string): Buffer {
  // The size of a 1.44 MB floppy, which is none of a disk that SeaBIOS would not boot.
  const disk = Buffer.alloc(1440 * 1024);
  Buffer.from(
    program
      .map(([hex]) => hex)
      .join("")
      .replaceAll(" ", ""),
    "hex",
  ).copy(disk);
  disk.write(memoryMarker, 0x100, "latin1");
  disk.write(`${greeting}\0`, 0x110, "latin1");
  disk.writeUInt16BE(0x55aa, 510);
  return disk;
}

const program = [
  ["31 c0", "xor ax, ax"],
  ["8e d8", "mov ds, ax"],
  ["8e d0", "mov ss, ax"],
  ["bc 00 7c", "mov sp, 0x7c00"],
  ["fc", "cld"],
  ["b8 00 60", "mov ax, 0x6000"],
  ["8e c0", "mov es, ax"],
  ["31 ff", "xor di, di"],
  ["be 00 7d", "mov si, 0x7d00"],
  ["b9 10 00", "mov cx, 16"],
  ["f3 a4", "rep movsb"],
  ["b8 03 00", "mov ax, 3          ; text mode"],
  ["cd 10", "int 0x10"],
  ["be 10 7d", "mov si, 0x7d10"],
  ["ac", "lodsb              ; at 0x21"],
  ["84 c0", "test al, al"],
  ["74 0d", "jz 0x33"],
  ["b4 0e", "mov ah, 0x0e       ; teletype"],
  ["bb 07 00", "mov bx, 7"],
  ["cd 10", "int 0x10"],
  ["ba f8 03", "mov dx, 0x3f8"],
  ["ee", "out dx, al"],
  ["eb ee", "jmp 0x21"],
  ["b4 01", "mov ah, 1          ; at 0x33: a key?"],
  ["cd 16", "int 0x16"],
  ["74 08", "jz 0x41"],
  ["b4 00", "mov ah, 0"],
  ["cd 16", "int 0x16"],
  ["ba f8 03", "mov dx, 0x3f8"],
  ["ee", "out dx, al"],
  ["ba fd 03", "mov dx, 0x3fd      ; at 0x41: a byte on COM1?"],
  ["ec", "in al, dx"],
  ["a8 01", "test al, 1"],
  ["74 ea", "jz 0x33"],
  ["ba f8 03", "mov dx, 0x3f8"],
  ["ec", "in al, dx"],
  ["3c 21", "cmp al, '!'"],
  ["74 03", "je 0x54"],
  ["ee", "out dx, al"],
  ["eb df", "jmp 0x33"],
  ["ba 04 06", "mov dx, 0x604      ; at 0x54: PM1a control"],
  ["b8 00 20", "mov ax, 0x2000     ; SLP_EN, S5"],
  ["ef", "out dx, ax"],
  ["f4", "hlt"],
] as const;

export const floodLength = 30_000;
export const floodDone = 0x600d;

/**
 * A guest that writes `floodLength` characters to COM1 without waiting for the transmitter, then an exclamation mark, and
 * leaves `floodDone` where the other guest leaves its marker.
 */
export function floodDisk(): Buffer {
  const disk = guestDisk("");
  Buffer.from(
    flood
      .map(([hex]) => hex)
      .join("")
      .replaceAll(" ", ""),
    "hex",
  ).copy(disk);
  return disk;
}

const flood = [
  ["b9 30 75", "mov cx, 30000"],
  ["ba f8 03", "mov dx, 0x3f8"],
  ["88 c8", "mov al, cl         ; at 6"],
  ["24 0f", "and al, 0x0f"],
  ["0c 40", "or al, 0x40"],
  ["ee", "out dx, al"],
  ["e2 f7", "loop 6"],
  ["b0 21", "mov al, '!'"],
  ["ee", "out dx, al"],
  ["b8 00 60", "mov ax, 0x6000"],
  ["8e d8", "mov ds, ax"],
  ["c7 06 00 00 0d 60", "mov word [0], 0x600d"],
  ["fa", "cli"],
  ["f4", "hlt"],
] as const;

/** A folder for one test, removed after it. */
export function runFolder(t: { teardown: (undo: () => void) => void }): string {
  const folder = mkdtempSync(path.join(tmpdir(), "sanlab-qemu-test-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A small machine that boots `disk`; what a test wants otherwise goes in `changes`. */
export function guestSpec(runDir: string, disk: Uint8Array, changes: Partial<MachineSpec> = {}): MachineSpec {
  const image = path.join(runDir, "guest.img");
  writeFileSync(image, disk);
  return {
    name: "guest",
    machine: "pc",
    accel: "tcg",
    cpus: 1,
    memoryMiB: 32,
    firmware: "bios",
    nics: [],
    disks: [{ id: "boot", controller: "ide", source: { kind: "file", path: image }, bootIndex: 0 }],
    serials: [{ name: "console", kind: "text" }],
    display: "std",
    ...changes,
  };
}

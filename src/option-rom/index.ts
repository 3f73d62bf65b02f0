/**
 * What carries an iBFT into a machine: x86 option ROMs for a BIOS, and a boot floppy that shows the table it finds,
 * both made by a small assembler of our own, so that no tool need be installed.
 *
 * Used by the emulated SAN boot and by `sanlab ibft rom` and `dumper`. Bytes in, bytes out; the table itself is
 * somebody else's subject.
 */
export { assemble, type AssembleOptions } from "./assembler.ts";
export { buildOptionRom, type OptionRomOptions } from "./rom.ts";
export { buildDumper } from "./dumper.ts";

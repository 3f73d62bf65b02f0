import { assemble } from "./assembler.ts";
import { ACPI } from "./dumper-acpi.ts";
import { OUTPUT } from "./dumper-output.ts";
import { BOOT_SECTOR, MAIN } from "./dumper-source.ts";
import { FIELDS, VALUES } from "./dumper-values.ts";

const SECTOR = 512;
const FLOPPY = 2880 * SECTOR;
const BOOT_AT = 0x7c00;
const MAIN_AT = BOOT_AT + SECTOR;
/** A floppy's track has 18 sectors, the boot sector is the first. */
const MAIN_LIMIT = 17 * SECTOR;

/**
 * A 1.44 MB floppy image that boots on a BIOS, finds the table as an operating system does, by scan and by ACPI, and
 * prints every field to screen and serial port, secrets only as being there. It can be written to a USB stick, or be
 * the first sectors of a disk.
 */
export function buildDumper(): Uint8Array {
  const main = assemble(MAIN + VALUES + FIELDS + ACPI + OUTPUT, { origin: MAIN_AT });
  if (main.length > MAIN_LIMIT)
    throw new RangeError(`the dumper has ${main.length} bytes, a track holds ${MAIN_LIMIT}`);
  const symbols = { sectors: Math.ceil(main.length / SECTOR), main: MAIN_AT };
  const boot = assemble(BOOT_SECTOR, { origin: BOOT_AT, symbols });
  const image = Buffer.alloc(FLOPPY);
  image.set(boot, 0);
  image.writeUInt16LE(0xaa55, SECTOR - 2);
  image.set(main, SECTOR);
  return image;
}

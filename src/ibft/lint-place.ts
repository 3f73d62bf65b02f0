import type { Scene } from "./lint-scene.ts";

const VGA = { from: 0xa0000, to: 0xc0000 } as const;

/** Where the table lies, as far as that is known: R05 to R09, R11. */
export function lintPlace(scene: Scene): void {
  const { firmware, address, acpi, tables } = scene.context;
  if (tables !== undefined && tables > 1) scene.say("R11", "signature", `there are ${tables} tables`);
  if (firmware === "uefi" && acpi === false) scene.say("R09", "signature", "the table is not listed by ACPI");
  if (firmware !== "bios" || address === undefined || acpi === true) return;
  const where = `the table lies at 0x${address.toString(16)}`;
  const end = address + scene.table.length;
  if (address < 0x80000 || end >= 0x100000) {
    scene.say("R05", "signature", `${where}, outside of 0x80000 to 0xfffff`);
    if (address < 0x80000) scene.say("R08", "signature", `${where}: too little base memory was free`);
  } else if (address % 16 !== 0) scene.say("R05", "signature", `${where}, not on a 16-byte boundary`);
  if (end > VGA.from && address < VGA.to) scene.say("R06", "signature", `${where}, in the VGA window`);
  if (address >= VGA.from) scene.say("R07", "signature", `${where}: sanbootconf looks below 0xa0000 only`);
}

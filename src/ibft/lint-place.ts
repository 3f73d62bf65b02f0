import type { Scene } from "./lint-scene.ts";

const KIB = 1024;
const VGA = { from: 0xa0000, to: 0xc0000 } as const;

/** Where the table lies, as far as that is known: R05 to R09, R11, R74. */
export function lintPlace(scene: Scene): void {
  const { firmware, address, acpi, tables } = scene.context;
  if (tables !== undefined && tables > 1) scene.say("R11", "signature", `there are ${tables} tables`);
  lintSurvival(scene);
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

/** Whether loaders and the system leave the table alone until the system has read it. */
function lintSurvival(scene: Scene): void {
  const { address, acpi, baseMemory, memoryMap = [], intact, firmware } = scene.context;
  if (intact === false) scene.say("R74", "signature", "other bytes lie where the table was");
  if (address === undefined) return;
  const where = `the table lies at 0x${address.toString(16)}`;
  const last = address + scene.table.length - 1;
  if (firmware === "bios" && acpi !== true && baseMemory !== undefined && address < baseMemory * KIB) {
    scene.say(
      "R74",
      "signature",
      `${where}, inside of the ${baseMemory} KiB of base memory that are free to use`,
    );
  }
  const usable = memoryMap.some(({ from, to, kind }) => kind === "usable" && from <= last && address <= to);
  if (usable) scene.say("R74", "signature", `${where}, in memory that the firmware reports as usable`);
}

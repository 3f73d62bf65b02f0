import type { Scene } from "./lint-scene.ts";
import { ControlFlag } from "./model.ts";
import { HEADER_LENGTH, StructureId, StructureLength } from "./structures.ts";

/** Header and control structure: R01 to R03, R12 to R20, R72. */
export function lintFrame(scene: Scene): void {
  const { table, bytes } = scene;
  const { control } = table;
  if (table.signature !== "iBFT") {
    const known = table.signature === "IBFT" || table.signature === "BIFT";
    const message = `the signature is ${JSON.stringify(table.signature)}`;
    scene.say("R01", "signature", message, known ? "warning" : undefined);
  }
  if (table.revision !== 1) scene.say("R03", "revision", `the revision is ${table.revision}`);
  if (table.oemId === "" || table.oemTableId === "") scene.say("R12", "oemId", "OEM or table id is empty");
  if (bytes.subarray(24, HEADER_LENGTH).some((byte) => byte !== 0)) {
    scene.say("R13", "oemTableId", "reserved bytes 24 to 47 are not all zero");
  }
  if (control.version !== 1) scene.say("R24", "control.version", `the version is ${control.version}`);
  if (control.length < StructureLength.control) {
    scene.say("R15", "control.length", `the length is ${control.length}: Linux expects at least 18`);
  } else if (control.length > StructureLength.control) {
    const message = `the length is ${control.length}: ESXi and Linux before 5.6 refuse the table`;
    scene.say("R15", "control.length", message, "warning");
  }
  if (control.index !== 0) scene.say("R16", "control.index", `the index is ${control.index}`);
  if ((control.flags & ControlFlag.BootFailover) !== 0)
    scene.say("R17", "control.flags", "boot failover is set");
  if (control.extensions !== 0 && table.extensions[0]?.id !== StructureId.Extensions) {
    scene.say("R18", "control.extensions", `offset ${control.extensions} leads to no extensions structure`);
  }
  if (table.initiator === null) scene.say("R19", "control.initiator", "there is no initiator structure");
  const limit = table.length - HEADER_LENGTH;
  for (const [slot, offset] of control.offsets.entries()) {
    if (offset >= limit && offset < table.length) {
      const field =
        slot === 0 ? "control.initiator" : `control.${slot % 2 ? "nic" : "target"}${(slot - 1) >> 1}`;
      scene.say(
        "R20",
        field,
        `Linux passes over offset ${offset}: it lies in the last 48 bytes of the table`,
      );
    }
  }
  if (table.nics.length > 2 || table.targets.length > 2) {
    const message = `${table.nics.length} NICs and ${table.targets.length} targets`;
    scene.say("R72", "control", message, "warning");
  }
}

/** All structures: R22 to R24, R29 to R32. */
export function lintStructures(scene: Scene): void {
  const { table } = scene;
  const blocks = [
    { name: "control", block: table.control, size: 0 },
    ...(table.initiator
      ? [{ name: "initiator", block: table.initiator, size: StructureLength.initiator }]
      : []),
    ...table.nics.map((block, i) => ({ name: `nic${i}`, block, size: StructureLength.nic })),
    ...table.targets.map((block, i) => ({ name: `target${i}`, block, size: StructureLength.target })),
  ];
  for (const { name, block, size } of blocks) {
    if (block.offset % 8 !== 0) scene.say("R22", name, `offset ${block.offset} is not aligned to 8 bytes`);
    if (size === 0) continue;
    if (block.length !== size)
      scene.say("R23", `${name}.length`, `the length is ${block.length}, not ${size}`);
    if (block.version !== 1) scene.say("R24", `${name}.version`, `the version is ${block.version}`);
  }
  const strings = stringsOf(scene);
  for (const { path, offset, length } of strings) lintString(scene, path, offset, length);
  const ranges = [
    ...blocks.map(({ name, block, size }) => ({
      path: name,
      offset: block.offset,
      length: size || block.length,
    })),
    ...strings.filter(({ offset }) => offset !== 0).map((one) => ({ ...one, length: one.length + 1 })),
  ].toSorted((a, b) => a.offset - b.offset);
  let last = ranges[0];
  for (const range of ranges.slice(1)) {
    if (last !== undefined && range.offset < last.offset + last.length && range.path !== last.path) {
      scene.say("R31", range.path, `it overlaps ${last.path}`);
    }
    if (last === undefined || range.offset + range.length > last.offset + last.length) last = range;
  }
}

interface StringPlace {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

function lintString(scene: Scene, path: string, offset: number, length: number): void {
  const { bytes, table } = scene;
  const rule = path.endsWith(".hostname") ? "R58" : "R29";
  if (offset === 0 && length > 0) scene.say(rule, path, `${length} bytes at no offset`);
  if (offset === 0 || offset + length > table.length) return;
  const terminator = offset + length;
  if (terminator >= Math.min(table.length, bytes.length) || bytes.readUInt8(terminator) !== 0) {
    scene.say(rule, path, "no NUL follows the string inside the table");
  } else if (length > 0 && bytes.readUInt8(terminator - 1) === 0) {
    scene.say(rule, path, "the length counts a NUL");
  }
  if (offset < HEADER_LENGTH + StructureLength.control)
    scene.say("R30", path, `offset ${offset} lies in front of the strings`);
  if (path.endsWith(".name") && length > 223)
    scene.say("R32", path, `the name has ${length} bytes, iSCSI allows 223`);
}

function stringsOf({ table, bytes }: Scene): readonly StringPlace[] {
  const at = (path: string, place: number): readonly StringPlace[] =>
    place + 4 > bytes.length
      ? []
      : [{ path, length: bytes.readUInt16LE(place), offset: bytes.readUInt16LE(place + 2) }];
  return [
    ...(table.initiator ? at("initiator.name", table.initiator.offset + 70) : []),
    ...table.nics.flatMap(({ offset }, i) => at(`nic${i}.hostname`, offset + 98)),
    ...table.targets.flatMap(({ offset }, i) =>
      ["name", "chapName", "chapSecret", "reverseChapName", "reverseChapSecret"].flatMap((name, k) =>
        at(`target${i}.${name}`, offset + 34 + k * 4),
      ),
    ),
  ];
}

import {
  type AnyField,
  CONTROL_OFFSETS_AT,
  HEADER_LENGTH,
  INITIATOR_FIELDS,
  NIC_FIELDS,
  TARGET_FIELDS,
} from "./structures.ts";

/** Where the structures of a table lie, by offset; 0 for none. */
export interface Positions {
  readonly initiator: number;
  readonly nics: readonly number[];
  readonly targets: readonly number[];
}

export interface FieldPlace {
  readonly path: string;
  /** Bytes from the start of the table. */
  readonly offset: number;
  readonly kind: AnyField["kind"] | "u32" | "text" | "offset-word";
  readonly size: number;
}

const SIZES = { u8: 1, u16: 2, ip: 16, mac: 6, pci: 2, lun: 8, string: 4, secret: 4 } as const;

const HEADER = [
  { path: "signature", offset: 0, kind: "text", size: 4 },
  { path: "length", offset: 4, kind: "u32", size: 4 },
  { path: "revision", offset: 8, kind: "u8", size: 1 },
  { path: "checksum", offset: 9, kind: "u8", size: 1 },
  { path: "oemId", offset: 10, kind: "text", size: 6 },
  { path: "oemTableId", offset: 16, kind: "text", size: 8 },
] as const;

const BLOCK_HEADER = [
  { name: "id", at: 0, kind: "u8" },
  { name: "version", at: 1, kind: "u8" },
  { name: "length", at: 2, kind: "u16" },
  { name: "index", at: 4, kind: "u8" },
  { name: "flags", at: 5, kind: "u8" },
] as const;

/** Every field of a table by its path, in the order of header, control, initiator, NICs, targets. */
export function fieldPlaces(positions: Positions): readonly FieldPlace[] {
  return [
    ...HEADER,
    ...block("control", HEADER_LENGTH, []),
    ...controlWords(Math.max(positions.nics.length, positions.targets.length, 2)),
    ...(positions.initiator === 0 ? [] : block("initiator", positions.initiator, INITIATOR_FIELDS)),
    ...positions.nics.flatMap((at, i) => (at === 0 ? [] : block(`nic${i}`, at, NIC_FIELDS))),
    ...positions.targets.flatMap((at, i) => (at === 0 ? [] : block(`target${i}`, at, TARGET_FIELDS))),
  ];
}

function block(name: string, start: number, fields: readonly AnyField[]): readonly FieldPlace[] {
  return [...BLOCK_HEADER, ...fields].flatMap((field) => {
    const place = {
      path: `${name}.${field.name}`,
      offset: start + field.at,
      kind: field.kind,
      size: SIZES[field.kind],
    };
    if (field.kind !== "string" && field.kind !== "secret") return [place];
    return [
      place,
      { path: `${place.path}.length`, offset: place.offset, kind: "u16", size: 2 },
      { path: `${place.path}.offset`, offset: place.offset + 2, kind: "u16", size: 2 },
    ] as const;
  });
}

function controlWords(pairs: number): readonly FieldPlace[] {
  const names = ["extensions", "initiator"];
  for (let i = 0; i < pairs; i++) names.push(`nic${i}`, `target${i}`);
  return names.map((name, i) => ({
    path: `control.${name}`,
    offset: HEADER_LENGTH + CONTROL_OFFSETS_AT + i * 2,
    kind: "offset-word",
    size: 2,
  }));
}

import { blockCommands, multimediaCommands } from "./block-commands.ts";
import { readField, writeField, type CdbField } from "./field.ts";
import { primaryCommands } from "./primary-commands.ts";
import type { CdbSpec } from "./spec.ts";

const specs = { ...primaryCommands, ...blockCommands, ...multimediaCommands } as const;

/** Every command known, by its name in this code: "read10", "inquiry", "proutReserve". */
export const cdbSpecs: Readonly<Record<CdbName, CdbSpec>> = specs;
export type CdbName = keyof typeof specs;

type Value<Field> = Field extends CdbField<"flag"> ? boolean : number;
/** The fields of one command: flags as booleans, everything else as numbers. */
export type CdbFields<Name extends CdbName> = {
  readonly [F in keyof (typeof specs)[Name]["fields"]]: Value<(typeof specs)[Name]["fields"][F]>;
};
/** A decoded CDB, told apart by `command`. */
export type Cdb<Name extends CdbName = CdbName> = {
  [N in Name]: { readonly command: N; readonly control: number } & CdbFields<N>;
}[Name];

/** Encodes a CDB of 6, 10, 12 or 16 bytes; fields left out are zero. Throws a RangeError where a value does not fit. */
export function encodeCdb<Name extends CdbName>(
  command: Name,
  fields: Partial<CdbFields<Name>> & { readonly control?: number },
): Uint8Array {
  const spec: CdbSpec = specs[command];
  const cdb = new Uint8Array(spec.length);
  cdb[0] = spec.opcode;
  if (spec.serviceAction !== undefined) cdb[1] = spec.serviceAction;
  cdb[spec.length - 1] = fields.control ?? 0;
  const values: Readonly<Record<string, number | boolean | undefined>> = fields;
  for (const [name, value] of Object.entries(values)) {
    const field = spec.fields[name];
    if (field !== undefined && value !== undefined)
      writeField(cdb, field, Number(value), `${spec.title} ${name}`);
  }
  return cdb;
}

/** Decodes a CDB; undefined where the operation code or service action is not known or the bytes are too few. */
export function decodeCdb(cdb: Uint8Array): Cdb | undefined {
  const name = cdbName(cdb);
  if (name === undefined) return undefined;
  const spec: CdbSpec = specs[name];
  if (cdb.length < spec.length) return undefined;
  const out: Record<string, string | number | boolean> = {
    command: name,
    control: cdb[spec.length - 1] ?? 0,
  };
  for (const [key, field] of Object.entries(spec.fields)) {
    const value = readField(cdb, field);
    out[key] = field.kind === "flag" ? value === 1 : value;
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table that typed Cdb also filled `out`
  return out as Cdb;
}

/** Which command a CDB is, without decoding its fields. */
export function cdbName(cdb: Uint8Array): CdbName | undefined {
  const opcode = cdb[0] ?? 0;
  return byOpcode.get(opcode) ?? byServiceAction.get((opcode << 5) | ((cdb[1] ?? 0) & 0x1f));
}

/** The standard's name of a CDB: "READ(10)"; of an unknown one "operation code 0xC1". */
export function cdbTitle(cdb: Uint8Array): string {
  const name = cdbName(cdb);
  return name === undefined
    ? `operation code 0x${(cdb[0] ?? 0).toString(16).toUpperCase().padStart(2, "0")}`
    : specs[name].title;
}

/** The CDB USAGE DATA of REPORT SUPPORTED OPERATION CODES: a set bit for each bit that is evaluated (SPC-4, 6.35.3). */
export function cdbUsage(name: CdbName): Uint8Array {
  const spec: CdbSpec = specs[name];
  const usage = new Uint8Array(spec.length);
  for (const field of Object.values(spec.fields))
    for (let bit = field.bit; bit < field.bit + field.width; bit++) {
      const length = (field.bit + field.width + 7) >> 3;
      const at = field.byte + length - 1 - (bit >> 3);
      usage[at] = (usage[at] ?? 0) | (1 << (bit & 7));
    }
  usage[0] = spec.opcode;
  if (spec.serviceAction !== undefined) usage[1] = (usage[1] ?? 0) | spec.serviceAction;
  return usage;
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.keys forgets the key type
const names = Object.keys(specs) as CdbName[];
const byOpcode: ReadonlyMap<number, CdbName> = new Map(
  names.flatMap((name) =>
    cdbSpecs[name].serviceAction === undefined ? [[cdbSpecs[name].opcode, name]] : [],
  ),
);
const byServiceAction: ReadonlyMap<number, CdbName> = new Map(
  names.flatMap((name) => {
    const { opcode, serviceAction } = cdbSpecs[name];
    return serviceAction === undefined ? [] : [[(opcode << 5) | serviceAction, name]];
  }),
);

import { UsageError } from "#core";
import type { Positions } from "./fields.ts";
import { BlockFlag } from "./model.ts";
import type { IbftSpec } from "./spec.ts";
import {
  type AnyField,
  BLOCK_HEADER_LENGTH,
  HEADER_LENGTH,
  INITIATOR_FIELDS,
  LENGTH_BY_ID,
  NIC_FIELDS,
  StructureId,
  StructureLength,
  TARGET_FIELDS,
} from "./structures.ts";

export interface PlacedBlock {
  /** Like `nic0`. */
  readonly name: string;
  readonly id: number;
  readonly offset: number;
  readonly version: number;
  readonly length: number;
  readonly index: number;
  readonly flags: number;
  readonly values: readonly { readonly field: AnyField; readonly value: unknown }[];
  readonly stringPlaces: readonly { readonly at: number; readonly length: number; readonly offset: number }[];
  /** What follows the header of an extensions structure. */
  readonly data?: Buffer;
}

export interface Blocks {
  /** Bytes of the whole table. */
  readonly length: number;
  readonly all: readonly PlacedBlock[];
  readonly positions: Positions;
  readonly extensions: number;
  readonly strings: readonly { readonly offset: number; readonly bytes: Buffer }[];
}

const ALIGNMENT = { ipxe: 16, edk2: 8, packed: 8 } as const;
/** EDK2's tables have this length; their strings grow down from its end. */
const EDK2_LENGTH = 2048;
/** Offsets are 16-bit words. */
const LIMIT = 0xffff;
const PORT = 3260;

/** Decides where each structure and string goes. A structure with an `offset` of its own goes there. */
export function layOut(spec: IbftSpec): Blocks {
  const layout = spec.layout ?? "ipxe";
  const nics = spec.nics ?? [];
  const targets = spec.targets ?? [];
  const pairs = Math.max(nics.length, targets.length, 2);
  const grid = new Grid(ALIGNMENT[layout], HEADER_LENGTH);
  const strings = new Strings();
  const controlLength = StructureLength.control + (pairs - 2) * 4;
  const control = block(
    "control",
    StructureId.Control,
    controlLength,
    [],
    { flags: 0, ...spec.control },
    HEADER_LENGTH,
  );
  grid.skip(controlLength);
  const place = (
    name: string,
    id: number,
    fields: readonly AnyField[],
    content: Content,
    defaults: Content,
  ) => {
    const offset = numberOr(content["offset"], grid.end);
    // A structure that lies elsewhere leaves its place empty, so that moving one moves no other.
    grid.skip(LENGTH_BY_ID[id] ?? 0);
    const placed = block(name, id, LENGTH_BY_ID[id] ?? 0, fields, { ...defaults, ...given(content) }, offset);
    return strings.reserve(placed);
  };
  const reserve = (slots: number, size: number) => {
    // iPXE has room for two NICs and two targets whether or not they are there.
    const free = layout === "ipxe" ? 2 - slots : 0;
    for (let i = 0; i < free; i++) grid.skip(size);
  };
  const initiator = spec.initiator
    ? [place("initiator", StructureId.Initiator, INITIATOR_FIELDS, spec.initiator, SELECTED)]
    : [];
  if (!spec.initiator && layout === "ipxe") grid.skip(StructureLength.initiator);
  const nicBlocks = nics.map((nic, i) => place(`nic${i}`, StructureId.Nic, NIC_FIELDS, nic, defaultsFor(i)));
  reserve(nics.length, StructureLength.nic);
  const targetBlocks = targets.map((target, i) =>
    place(`target${i}`, StructureId.Target, TARGET_FIELDS, target, { port: PORT, ...defaultsFor(i) }),
  );
  reserve(targets.length, StructureLength.target);
  const extensions = (spec.extensions ?? []).map((extension, i) => {
    const data = Buffer.from(extension.data ?? "", "hex");
    const length = BLOCK_HEADER_LENGTH + data.length;
    const offset = numberOr(extension.offset, grid.end);
    grid.skip(length);
    const id = extension.id ?? StructureId.Extensions;
    return { ...block(`extension${i}`, id, length, [], { flags: 0, ...given(extension) }, offset), data };
  });
  const blocks = [control, ...initiator, ...nicBlocks, ...targetBlocks, ...extensions];
  const end = Math.max(grid.end, ...blocks.map(({ offset, length }) => offset + length));
  const heap = strings.placed(end, layout === "edk2" ? EDK2_LENGTH : undefined);
  const length =
    layout === "edk2"
      ? EDK2_LENGTH
      : Math.max(end, ...heap.map(({ offset, bytes }) => offset + bytes.length));
  if (length > LIMIT)
    throw new UsageError("IBFT_SPEC", `iBFT: ${length} bytes do not fit, the limit is ${LIMIT}`);
  return {
    length,
    all: blocks.map((one) => strings.resolve(one, heap)),
    positions: {
      initiator: initiator[0]?.offset ?? 0,
      nics: nicBlocks.map(({ offset }) => offset),
      targets: targetBlocks.map(({ offset }) => offset),
    },
    extensions: numberOr(spec.control?.extensions, extensions[0]?.offset ?? 0),
    strings: heap,
  };
}

type Content = Readonly<Record<string, unknown>>;

const SELECTED: Content = { flags: BlockFlag.Valid | BlockFlag.BootSelected };

function defaultsFor(position: number): Content {
  return { index: position, ...(position === 0 ? SELECTED : { flags: BlockFlag.Valid }) };
}

function block(
  name: string,
  id: number,
  length: number,
  fields: readonly AnyField[],
  content: Content,
  offset: number,
): PlacedBlock {
  return {
    name,
    id,
    offset,
    version: numberOr(content["version"], 1),
    length: numberOr(content["length"], length),
    index: numberOr(content["index"], 0),
    flags: numberOr(content["flags"], 0),
    values: fields.map((field) => ({ field, value: content[field.name] ?? zeroOf(field) })),
    stringPlaces: [],
  };
}

function zeroOf({ kind }: AnyField): unknown {
  if (kind === "mac") return "00:00:00:00:00:00";
  return kind === "ip" || kind === "string" || kind === "secret" ? null : 0;
}

function given(content: Content): Content {
  return Object.fromEntries(Object.entries(content).filter(([, value]) => value !== undefined));
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}

/** Places structures one behind the other on aligned offsets. */
class Grid {
  readonly #alignment: number;
  #end: number;

  constructor(alignment: number, start: number) {
    this.#alignment = alignment;
    this.#end = start;
  }

  get end(): number {
    return this.#end;
  }

  skip(length: number): void {
    this.#end = Math.ceil((this.#end + length) / this.#alignment) * this.#alignment;
  }
}

/** The string heap: each string with its NUL, in the order of the fields. */
class Strings {
  readonly #wanted: { readonly key: string; readonly bytes: Buffer }[] = [];

  reserve(block: PlacedBlock): PlacedBlock {
    for (const { field, value } of block.values) {
      if (typeof value === "string" && isString(field)) {
        this.#wanted.push({ key: `${block.name}.${field.name}`, bytes: Buffer.from(`${value}\0`, "utf8") });
      }
    }
    return block;
  }

  /** Behind `start`, or down from `top`. */
  placed(start: number, top: number | undefined): readonly PlacedString[] {
    let at = top ?? start;
    const placed = this.#wanted.map(({ key, bytes }) => {
      const offset = top === undefined ? at : at - bytes.length;
      at = top === undefined ? at + bytes.length : offset;
      return { key, offset, bytes };
    });
    if (top !== undefined && at < start) {
      throw new UsageError(
        "IBFT_SPEC",
        `iBFT: the strings do not fit into ${top} bytes: ${start - at} too many`,
      );
    }
    return placed;
  }

  resolve(block: PlacedBlock, placed: readonly PlacedString[]): PlacedBlock {
    const stringPlaces = block.values.flatMap(({ field }) => {
      const string = placed.find(({ key }) => key === `${block.name}.${field.name}`);
      return string === undefined
        ? []
        : [{ at: field.at, length: string.bytes.length - 1, offset: string.offset }];
    });
    return { ...block, stringPlaces };
  }
}

interface PlacedString {
  readonly key: string;
  readonly offset: number;
  readonly bytes: Buffer;
}

function isString({ kind }: AnyField): boolean {
  return kind === "string" || kind === "secret";
}

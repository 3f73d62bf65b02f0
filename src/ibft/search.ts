import { ACPI_HEADER_LENGTH, ACPI_TABLE_LIMIT, acpiEntries, acpiRoots } from "./acpi.ts";
import { SIGNATURES, findByBiosScan, listedTable, type FoundIbft, type Memory } from "./find.ts";

/** Reads physical memory; what no memory backs may read as anything. */
export type ReadMemory = (address: number, length: number) => Promise<Uint8Array>;

/** A stretch of RAM, `to` not included. */
export interface RamRange {
  readonly from: number;
  readonly to: number;
}

export interface SearchOptions {
  /**
   * Where else than below 1 MiB the ACPI root pointer may lie: UEFI firmware keeps it anywhere in RAM. Searched from the
   * top down, in pieces, until a listed table is found.
   */
  readonly ram?: readonly RamRange[];
  /** Bytes held at a time while RAM is searched. */
  readonly piece?: number;
  readonly signal?: AbortSignal;
}

const MEGABYTE = 0x10_0000;
const SCAN = { from: 0x8_0000, to: MEGABYTE } as const;
/** BIOS data area, word: the extended BIOS data area's segment. */
const EBDA_SEGMENT_AT = 0x40e;
const ROOT_POINTER_LENGTH = 36;
const NOTHING = Buffer.alloc(0);
const PIECE = 16 * MEGABYTE;

/**
 * The tables that an operating system finds in the memory of a machine that runs: by ACPI, then by the BIOS scan.
 * Reads what it needs: half a megabyte, the ACPI root tables and what they list; `ram` only where the root pointer is
 * not below 1 MiB (ACPI 6.4, 5.2.5: the first KiB of the EBDA and 0xE0000 to 0xFFFFF on a BIOS).
 */
export async function searchIbft(
  read: ReadMemory,
  options: SearchOptions = {},
): Promise<readonly FoundIbft[]> {
  const low = { base: SCAN.from, bytes: await read(SCAN.from, SCAN.to - SCAN.from) };
  const acpi = new AcpiWalk(read);
  await acpi.follow(low);
  const ebda = asBuffer(await read(EBDA_SEGMENT_AT, 2)).readUInt16LE() * 16;
  if (ebda >= 0x400 && ebda < SCAN.from) await acpi.follow({ base: ebda, bytes: await read(ebda, 1024) });
  if (acpi.roots === 0) {
    for (const { from, length } of pieces(options)) {
      options.signal?.throwIfAborted();
      await acpi.follow({ base: from, bytes: await read(from, length) });
      if (acpi.found.some(({ valid }) => valid)) break;
    }
  }
  const known = new Set(acpi.found.map(({ address }) => address));
  return [...acpi.found, ...findByBiosScan(low).filter(({ address }) => !known.has(address))];
}

/** Follows root pointers to the tables that they lead to, each once. */
class AcpiWalk {
  readonly found: FoundIbft[] = [];
  /** How many root tables listed anything. */
  roots = 0;
  readonly #read: ReadMemory;
  readonly #seen = new Set<number>();

  constructor(read: ReadMemory) {
    this.#read = read;
  }

  async follow(memory: Memory): Promise<void> {
    for (const { address, signature } of acpiRoots(memory)) {
      if (!this.#isNew(address)) continue;
      const tables = acpiEntries(await readTable(this.#read, address, [signature]), signature);
      if (tables.length > 0) this.roots++;
      for (const table of tables) {
        if (!this.#isNew(table)) continue;
        const one = listedTable(await readTable(this.#read, table, SIGNATURES), table);
        if (one !== undefined) this.found.push(one);
      }
    }
  }

  #isNew(address: number): boolean {
    const isNew = !this.#seen.has(address);
    this.#seen.add(address);
    return isNew;
  }
}

/** A table of such a signature by the length in its header; nothing where none can lie there. */
async function readTable(read: ReadMemory, address: number, signatures: readonly string[]): Promise<Buffer> {
  const header = asBuffer(await read(address, ACPI_HEADER_LENGTH));
  const length = header.readUInt32LE(4);
  if (!signatures.includes(header.toString("latin1", 0, 4)) || length > ACPI_TABLE_LIMIT) return NOTHING;
  return asBuffer(await read(address, length));
}

/** RAM above 1 MiB from the top down; pieces overlap by what a root pointer takes. */
function* pieces({ ram = [], piece = PIECE }: SearchOptions): Generator<{ from: number; length: number }> {
  for (const { from, to } of ram.toSorted((a, b) => b.from - a.from)) {
    const start = Math.max(from, MEGABYTE);
    for (let end = to; end > start; end -= piece) {
      const base = Math.max(start, end - piece);
      yield { from: base, length: end - base + (end === to ? 0 : ROOT_POINTER_LENGTH) };
    }
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

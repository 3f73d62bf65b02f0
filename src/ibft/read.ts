import { Findings, type Place } from "./findings.ts";
import type { Block, Finding, Ibft, IbftControl, IbftExtension } from "./model.ts";
import {
  type AnyField,
  BLOCK_HEADER_LENGTH,
  CONTROL_OFFSETS_AT,
  FIELDS_BY_ID,
  HEADER_LENGTH,
  LENGTH_BY_ID,
  StructureId,
  StructureLength,
} from "./structures.ts";
import { ipText, macText, pciText, stringText } from "./values.ts";

export interface ReadIbft {
  readonly table: Ibft;
  /** What is wrong with the table's frame: only what reading it brings to light; `lintIbft` knows all rules. */
  readonly findings: readonly Finding[];
  /** Sum of the bytes that the length field covers, modulo 256: 0 in a sound table. */
  readonly sum: number;
}

/**
 * Reads a table as far as it can be read; never throws. Bytes behind the length field are ignored; where the bytes
 * end first, what is missing reads as zero. A structure is taken for what its id says, wherever it is linked.
 */
export function readIbft(bytes: Uint8Array): ReadIbft {
  const given = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const findings = new Findings();
  const length = given.length >= 8 ? given.readUInt32LE(4) : 0;
  const covered = given.subarray(0, Math.min(length, given.length));
  if (length > given.length || length < HEADER_LENGTH + StructureLength.control) {
    findings.add(
      "R02",
      "fatal",
      { offset: 4, field: "length" },
      `the length field says ${length} bytes, ${given.length} are there`,
      "Set the length field to the bytes of the whole table, strings included.",
    );
  }
  const sum = covered.reduce((total, byte) => (total + byte) & 0xff, 0);
  if (sum !== 0) {
    findings.add(
      "R04",
      "fatal",
      { offset: 9, field: "checksum" },
      `the bytes sum up to 0x${sum.toString(16).padStart(2, "0")}, not to 0`,
      "Set the checksum byte at offset 9 so that all bytes sum up to 0 modulo 256.",
    );
  }
  const table = new Reader(covered, findings).table(length);
  return { table, findings: findings.all, sum };
}

class Reader {
  readonly #bytes: Buffer;
  readonly #findings: Findings;

  constructor(bytes: Buffer, findings: Findings) {
    this.#bytes = bytes;
    this.#findings = findings;
  }

  table(length: number): Ibft {
    const header = this.#slice(0, HEADER_LENGTH);
    const ascii = (from: number, to: number) => header.toString("latin1", from, to).replace(/[\0 ]+$/, "");
    const control = this.#control();
    const linked = this.#linked(control);
    return {
      signature: header.toString("latin1", 0, 4),
      length,
      revision: header.readUInt8(8),
      checksum: header.readUInt8(9),
      oemId: ascii(10, 16),
      oemTableId: ascii(16, 24),
      control,
      initiator: linked.find((block) => block.id === StructureId.Initiator)?.content ?? null,
      nics: linked.filter((block) => block.id === StructureId.Nic).map((block) => block.content),
      targets: linked.filter((block) => block.id === StructureId.Target).map((block) => block.content),
      extensions: control.extensions === 0 ? [] : this.#extension(control.extensions),
    };
  }

  #control(): IbftControl {
    const block = this.#block(HEADER_LENGTH);
    if (block.id !== StructureId.Control) {
      this.#findings.add(
        "R14",
        "fatal",
        { offset: HEADER_LENGTH, field: "control.id" },
        `the structure at offset ${HEADER_LENGTH} has id ${block.id}, not 1`,
        "Put the control structure right behind the 48-byte header.",
      );
    }
    const end = Math.min(HEADER_LENGTH + Math.max(block.length, StructureLength.control), this.#bytes.length);
    const bytes = this.#slice(HEADER_LENGTH, Math.max(end - HEADER_LENGTH, StructureLength.control));
    const words = Math.floor((bytes.length - CONTROL_OFFSETS_AT) / 2);
    const [extensions = 0, ...offsets] = Array.from({ length: words }, (_, i) =>
      bytes.readUInt16LE(CONTROL_OFFSETS_AT + i * 2),
    );
    return { ...withoutId(block), extensions, offsets };
  }

  /** What the offset words lead to, in their order. */
  #linked(control: IbftControl): readonly LinkedBlock[] {
    return control.offsets.flatMap((offset, slot) => {
      const field = `control.${slotName(slot)}`;
      const at = { offset: HEADER_LENGTH + CONTROL_OFFSETS_AT + 2 + slot * 2, field };
      if (offset === 0) return [];
      if (offset + BLOCK_HEADER_LENGTH > this.#bytes.length || offset < HEADER_LENGTH) {
        const message = `the offset ${offset} lies outside of the table (${this.#bytes.length} bytes)`;
        this.#findings.add(
          "R20",
          "fatal",
          at,
          message,
          "Let it lead to a structure, or set it to 0 for none.",
        );
        return [];
      }
      const block = this.#block(offset);
      const fields = FIELDS_BY_ID[block.id];
      if (fields === undefined) {
        const message = `the structure at offset ${offset} has the unknown id ${block.id}`;
        this.#findings.add("R25", "info", at, message, "Linux reports and skips it; set the id right.");
        return [];
      }
      if (block.id !== expectedId(slot)) {
        const message = `the structure at offset ${offset} has id ${block.id}, this place is for id ${expectedId(slot)}`;
        this.#findings.add(
          "R21",
          "fatal",
          at,
          message,
          "The order is initiator, NIC 0, target 0, NIC 1, target 1, …",
        );
      }
      return [this.#content(block, fields, slotName(slot))];
    });
  }

  #content(block: AnyBlock, fields: readonly AnyField[], name: string): LinkedBlock {
    const size = LENGTH_BY_ID[block.id] ?? BLOCK_HEADER_LENGTH;
    if (block.offset + size > this.#bytes.length) {
      this.#findings.add(
        "R02",
        "fatal",
        { offset: block.offset, field: name },
        `the structure at offset ${block.offset} (id ${block.id}) runs over the end of the table`,
        "Set the length field to the bytes of the whole table.",
      );
    }
    const bytes = this.#slice(block.offset, size);
    const values = Object.fromEntries(
      fields.map((field) => [
        field.name,
        this.#value(field, bytes, { offset: block.offset + field.at, field: `${name}.${field.name}` }),
      ]),
    );
    // The model's types are made from the field tables that made the values.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return { id: block.id, content: { ...withoutId(block), ...values } } as unknown as LinkedBlock;
  }

  #value(field: AnyField, bytes: Buffer, place: Place): string | number | null {
    const { at, kind } = field;
    if (kind === "u8") return bytes.readUInt8(at);
    if (kind === "u16") return bytes.readUInt16LE(at);
    if (kind === "ip") return ipText(bytes.subarray(at, at + 16));
    if (kind === "mac") return macText(bytes.subarray(at, at + 6));
    if (kind === "pci") return pciText(bytes.readUInt16LE(at));
    if (kind === "lun") return bytes.toString("hex", at, at + 8);
    return this.#string(bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2), place);
  }

  #string(length: number, offset: number, at: Place): string | null {
    if (offset === 0) return null;
    if (offset + length > this.#bytes.length) {
      const message = `the string (${length} bytes at offset ${offset}) runs over the end of the table`;
      this.#findings.add("R30", "fatal", at, message, "Keep all strings inside the length of the table.");
    }
    return stringText(this.#bytes.subarray(offset, offset + length));
  }

  #extension(offset: number): readonly IbftExtension[] {
    if (offset < HEADER_LENGTH || offset + BLOCK_HEADER_LENGTH > this.#bytes.length) {
      const message = `the extensions offset ${offset} lies outside of the table`;
      const at = { offset: HEADER_LENGTH + CONTROL_OFFSETS_AT, field: "control.extensions" };
      this.#findings.add(
        "R18",
        "warning",
        at,
        message,
        "Set it to 0 unless there is an extensions structure.",
      );
      return [];
    }
    const block = this.#block(offset);
    const end = Math.min(offset + block.length, this.#bytes.length);
    const data = this.#bytes.toString(
      "hex",
      offset + BLOCK_HEADER_LENGTH,
      Math.max(end, offset + BLOCK_HEADER_LENGTH),
    );
    return [{ ...block, data }];
  }

  #block(offset: number): AnyBlock {
    const bytes = this.#slice(offset, BLOCK_HEADER_LENGTH);
    return {
      id: bytes.readUInt8(0),
      offset,
      version: bytes.readUInt8(1),
      length: bytes.readUInt16LE(2),
      index: bytes.readUInt8(4),
      flags: bytes.readUInt8(5),
    };
  }

  /** Exactly so many bytes, those behind the end zero. */
  #slice(offset: number, length: number): Buffer {
    const bytes = this.#bytes.subarray(offset, offset + length);
    return bytes.length === length ? bytes : Buffer.concat([bytes], length);
  }
}

interface AnyBlock extends Block {
  readonly id: number;
}

type LinkedBlock =
  | { readonly id: typeof StructureId.Initiator; readonly content: NonNullable<Ibft["initiator"]> }
  | { readonly id: typeof StructureId.Nic; readonly content: Ibft["nics"][number] }
  | { readonly id: typeof StructureId.Target; readonly content: Ibft["targets"][number] };

function withoutId({ offset, version, length, index, flags }: AnyBlock): Block {
  return { offset, version, length, index, flags };
}

function slotName(slot: number): string {
  if (slot === 0) return "initiator";
  return `${slot % 2 === 1 ? "nic" : "target"}${(slot - 1) >> 1}`;
}

function expectedId(slot: number): number {
  if (slot === 0) return StructureId.Initiator;
  return slot % 2 === 1 ? StructureId.Nic : StructureId.Target;
}

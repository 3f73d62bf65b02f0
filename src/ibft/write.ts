import { UsageError } from "#core";
import { fieldPlaces } from "./fields.ts";
import { type Blocks, layOut, type PlacedBlock } from "./layout.ts";
import { lintIbft } from "./lint.ts";
import { byteOf, fieldBytes, wrongValue, writeChecksum } from "./field-bytes.ts";
import { applyQuirks } from "./quirks.ts";
import type { IbftSpec } from "./spec.ts";
import { BLOCK_HEADER_LENGTH, CONTROL_OFFSETS_AT, HEADER_LENGTH } from "./structures.ts";

/**
 * Writes a table. Throws a UsageError (`IBFT_SPEC`) where a value cannot be written, and, unless `quirks` are given,
 * where the lint finds the table fatally wrong.
 */
export function writeIbft(spec: IbftSpec): Uint8Array {
  const blocks = layOut(spec);
  const bytes = Buffer.alloc(blocks.length);
  bytes.write((spec.signature ?? "iBFT").padEnd(4, "\0").slice(0, 4), 0, "latin1");
  bytes.writeUInt32LE(bytes.length, 4);
  bytes.writeUInt8(byteOf("revision", spec.revision ?? 1), 8);
  writeText(bytes, 10, 6, "oemId", spec.oemId ?? "SANLAB");
  writeText(bytes, 16, 8, "oemTableId", spec.oemTableId ?? "sanlab");
  for (const block of blocks.all) writeBlock(bytes, block);
  writeControlWords(bytes, blocks);
  for (const string of blocks.strings) string.bytes.copy(bytes, string.offset);
  writeChecksum(bytes);
  if (spec.quirks === undefined) refuseIfFatal(bytes);
  else applyQuirks(bytes, spec.quirks, fieldPlaces(blocks.positions));
  return bytes;
}

function writeBlock(bytes: Buffer, block: PlacedBlock): void {
  const { offset, name } = block;
  bytes.writeUInt8(byteOf(`${name}.id`, block.id), offset);
  bytes.writeUInt8(byteOf(`${name}.version`, block.version), offset + 1);
  bytes.writeUInt16LE(block.length, offset + 2);
  bytes.writeUInt8(byteOf(`${name}.index`, block.index), offset + 4);
  bytes.writeUInt8(byteOf(`${name}.flags`, block.flags), offset + 5);
  block.data?.copy(bytes, offset + BLOCK_HEADER_LENGTH);
  for (const { field, value } of block.values) {
    if (field.kind !== "string" && field.kind !== "secret") {
      fieldBytes(`${name}.${field.name}`, field.kind, value).copy(bytes, offset + field.at);
    }
  }
  for (const { at, length, offset: target } of block.stringPlaces) {
    bytes.writeUInt16LE(length, offset + at);
    bytes.writeUInt16LE(target, offset + at + 2);
  }
}

function writeControlWords(bytes: Buffer, { positions, extensions }: Blocks): void {
  const at = HEADER_LENGTH + CONTROL_OFFSETS_AT;
  bytes.writeUInt16LE(extensions, at);
  bytes.writeUInt16LE(positions.initiator, at + 2);
  for (const [i, offset] of positions.nics.entries()) bytes.writeUInt16LE(offset, at + 4 + i * 4);
  for (const [i, offset] of positions.targets.entries()) bytes.writeUInt16LE(offset, at + 6 + i * 4);
}

function writeText(bytes: Buffer, at: number, size: number, path: string, text: string): void {
  const latin = Buffer.from(text, "latin1");
  if (latin.length > size || latin.toString("latin1") !== text)
    throw wrongValue(path, text, `at most ${size} characters`);
  latin.copy(bytes, at);
}

function refuseIfFatal(bytes: Uint8Array): void {
  const fatal = lintIbft(bytes, { profile: "spec" }).filter(({ severity }) => severity === "fatal");
  const [first] = fatal;
  if (first === undefined) return;
  const others = fatal.length === 1 ? "" : ` (and ${fatal.length - 1} more)`;
  const cure = "mend it, or add `quirks: {}` to write it all the same";
  throw new UsageError(
    "IBFT_SPEC",
    `iBFT: ${first.field}: ${first.message} (${first.rule})${others}; ${cure}`,
  );
}

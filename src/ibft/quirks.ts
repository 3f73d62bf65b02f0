import { UsageError } from "#core";
import type { FieldPlace } from "./fields.ts";
import type { IbftQuirks } from "./spec.ts";
import { fieldBytes, writeChecksum } from "./field-bytes.ts";

/** Makes a sound table wrong as told. Throws a UsageError for a path or value that cannot be. */
export function applyQuirks(bytes: Buffer, quirks: IbftQuirks, places: readonly FieldPlace[]): void {
  for (const [path, value] of Object.entries(quirks.fields ?? {})) {
    const place = places.find((one) => one.path === path);
    if (place === undefined) {
      throw new UsageError(
        "IBFT_SPEC",
        `iBFT: quirks.fields: no field "${path}"; there are ${examples(places)}`,
      );
    }
    put(bytes, place.offset, valueBytes(place, value), path);
  }
  for (const { at, hex } of quirks.bytes ?? []) {
    if (!/^([0-9a-f]{2})+$/i.test(hex))
      throw new UsageError("IBFT_SPEC", `iBFT: quirks.bytes: "${hex}" is not hexadecimal`);
    put(bytes, at, Buffer.from(hex, "hex"), `quirks.bytes at ${at}`);
  }
  const { checksum = quirks.fields?.["checksum"] === undefined ? "right" : undefined } = quirks;
  if (checksum === "right" || checksum === "wrong") writeChecksum(bytes);
  if (checksum === "wrong") bytes.writeUInt8((bytes.readUInt8(9) + 1) & 0xff, 9);
  if (typeof checksum === "number") put(bytes, 9, fieldBytes("checksum", "u8", checksum), "checksum");
}

function valueBytes(place: FieldPlace, value: number | string | null): Buffer {
  const { kind, path, size } = place;
  if (typeof value === "string" && /^0x([0-9a-f]{2})+$/i.test(value) && value.length === 2 + size * 2) {
    return Buffer.from(value.slice(2), "hex");
  }
  if (kind === "text" && typeof value === "string")
    return Buffer.from(value.padEnd(size, "\0").slice(0, size), "latin1");
  if (kind === "u32" && typeof value === "number") {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    return bytes;
  }
  if (kind === "offset-word") return fieldBytes(path, "u16", value);
  if (kind === "string" || kind === "secret" || kind === "text" || kind === "u32") {
    throw new UsageError(
      "IBFT_SPEC",
      `iBFT: quirks.fields: ${path} takes ${size} bytes as 0x…, or its .length and .offset`,
    );
  }
  return fieldBytes(path, kind, value);
}

function put(bytes: Buffer, at: number, value: Buffer, what: string): void {
  if (!Number.isInteger(at) || at < 0 || at + value.length > bytes.length) {
    throw new UsageError("IBFT_SPEC", `iBFT: ${what}: outside of the table (${bytes.length} bytes)`);
  }
  value.copy(bytes, at);
}

function examples(places: readonly FieldPlace[]): string {
  const names = places.map(({ path }) => path.split(".")[0]);
  return `${[...new Set(names)].join(", ")} (like nic0.index, control.target0, target0.name.offset)`;
}

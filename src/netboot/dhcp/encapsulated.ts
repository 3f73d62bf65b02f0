import { readOptionArea, writeOption } from "./option-bytes.ts";
import { encodeOptions, type OptionTable, type OptionValues } from "./options.ts";

/** A block of sub-options, as in options 43 and 175; without an end mark, which iPXE does not need. */
export function encodeEncapsulated<T extends OptionTable>(table: T, values: OptionValues<T>): Uint8Array {
  return Buffer.concat([...encodeOptions(table, values)].map(([code, value]) => writeOption(code, value)));
}

/** The sub-options of a block by code, or undefined where it is damaged. */
export function readEncapsulated(block: Uint8Array): Map<number, Uint8Array> | undefined {
  const found = new Map<number, Uint8Array>();
  return readOptionArea(block, found) ? found : undefined;
}

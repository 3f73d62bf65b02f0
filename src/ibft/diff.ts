import type { Ibft } from "./model.ts";
import { readIbft } from "./read.ts";

export interface IbftDifference {
  /** Like `nic0.gateway`, or `bytes 24-47` where only bytes outside of the fields differ. */
  readonly field: string;
  /** Undefined where that side has no such field; secrets are not told. */
  readonly a: Value | undefined;
  readonly b: Value | undefined;
}

type Value = string | number | null;

/** Differences of two tables, field by field; where all fields agree, the bytes that differ all the same. */
export function diffIbft(a: Uint8Array, b: Uint8Array): readonly IbftDifference[] {
  const [left, right] = [fieldsOf(readIbft(a).table), fieldsOf(readIbft(b).table)];
  const names = new Set([...left.keys(), ...right.keys()]);
  const differences = [...names]
    .filter((field) => left.get(field) !== right.get(field))
    .map((field) => ({ field, a: told(field, left.get(field)), b: told(field, right.get(field)) }));
  return differences.length > 0 ? differences : byteDifferences(a, b);
}

function fieldsOf(table: Ibft): ReadonlyMap<string, Value> {
  const fields = new Map<string, Value>();
  const add = (name: string, block: object | null) => {
    for (const [field, value] of Object.entries(block ?? {})) {
      if (isValue(value)) fields.set(`${name}.${field}`, value);
    }
  };
  for (const [field, value] of Object.entries(table)) if (isValue(value)) fields.set(field, value);
  add("control", table.control);
  for (const [i, offset] of table.control.offsets.entries()) fields.set(`control.offsets.${i}`, offset);
  add("initiator", table.initiator);
  for (const [i, nic] of table.nics.entries()) add(`nic${i}`, nic);
  for (const [i, target] of table.targets.entries()) add(`target${i}`, target);
  for (const [i, extension] of table.extensions.entries()) add(`extension${i}`, extension);
  return fields;
}

function isValue(value: unknown): value is Value {
  return value === null || typeof value === "string" || typeof value === "number";
}

function told(field: string, value: Value | undefined): Value | undefined {
  return typeof value === "string" && field.endsWith("Secret") ? "<redacted>" : value;
}

function byteDifferences(a: Uint8Array, b: Uint8Array): readonly IbftDifference[] {
  const length = Math.max(a.length, b.length);
  const ranges: { from: number; to: number }[] = [];
  for (let at = 0; at < length; at++) {
    if (a[at] === b[at]) continue;
    const last = ranges.at(-1);
    if (last !== undefined && last.to === at) last.to = at + 1;
    else ranges.push({ from: at, to: at + 1 });
  }
  return ranges.map(({ from, to }) => ({
    field: `bytes ${from}-${to - 1}`,
    a: Buffer.from(a.subarray(from, to)).toString("hex"),
    b: Buffer.from(b.subarray(from, to)).toString("hex"),
  }));
}

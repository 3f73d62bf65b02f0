import { formatIp, parseIp } from "#core";
import type { Ibft } from "#ibft";

/** A model as `path=value` lines, sorted, as independent decoders print the table; null is `-`. */
export function modelLines(table: Ibft): string[] {
  const { control, initiator, nics, targets, extensions: _, ...head } = table;
  const { offsets: __, ...words } = control;
  const blocks: readonly (readonly [string, object])[] = [
    ["control", words],
    ...(initiator === null ? [] : [["initiator", initiator] as const]),
    ...nics.map((nic, i) => [`nic${i}`, nic] as const),
    ...targets.map((target, i) => [`target${i}`, target] as const),
  ];
  const lines = blocks.flatMap(([name, block]) =>
    Object.entries(block)
      .filter(([field]) => field !== "offset")
      .map(([field, value]) => `${name}.${field}=${String(value ?? "-")}`),
  );
  return [...Object.entries(head).map(([field, value]) => `${field}=${value}`), ...lines].toSorted();
}

/** A line with an IPv6 address written in full, with the address as the model has it. */
export function canonicalLine(line: string): string {
  const [, name, value = ""] = /^([^=]+)=(.*)$/.exec(line) ?? [];
  const address = /^[0-9a-f]{4}(:[0-9a-f]{4}){7}$/.test(value) ? parseIp(value) : undefined;
  return address === undefined ? line : `${name}=${formatIp(address)}`;
}

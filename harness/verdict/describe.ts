import type { Observation } from "#harness/observe";

/** One line that says what was seen. */
export function describeObservation({ source, kind, data }: Observation): string {
  if (source === "serial") return String(data["line"]);
  if (source === "screen") return (data["lines"] as readonly string[]).map((line) => line.trim()).join(" / ");
  if (source === "memory" && kind === "ibft")
    return `iBFT at 0x${Number(data["address"]).toString(16)} (${data["valid"] === true ? "valid" : "wrong"})`;
  const facts = Object.entries(data)
    .filter(([, value]) => value !== null && typeof value !== "object")
    .map(([name, value]) => `${name}=${String(value)}`);
  return [kind, ...facts].join(" ");
}

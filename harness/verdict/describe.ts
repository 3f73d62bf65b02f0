import type { Observation } from "#harness/observe";

/** New lines of the text screen; what is seen of a picture is another kind. */
export function isScreenText({ source, kind }: Observation): boolean {
  return source === "screen" && kind === "text";
}

/** One line that says what was seen. */
export function describeObservation({ source, kind, data }: Observation): string {
  if (source === "serial") return String(data["line"]);
  if (source === "screen" && kind === "text")
    return (data["lines"] as readonly string[]).map((line) => line.trim()).join(" / ");
  if (source === "memory" && kind === "ibft")
    return `iBFT at 0x${Number(data["address"]).toString(16)} (${data["valid"] === true ? "valid" : "wrong"})`;
  if (source === "kd") return describeKd(kind, data);
  const facts = Object.entries(data)
    .filter(([, value]) => value !== null && typeof value !== "object")
    .map(([name, value]) => `${name}=${String(value)}`);
  return [kind, ...facts].join(" ");
}

function describeKd(kind: string, data: Observation["data"]): string {
  switch (kind) {
    case "print":
      return String(data["line"]);
    case "text":
      return String(data["text"]).trim();
    case "fact":
      return `${String(data["driver"])} ${String(data["kind"])} ${JSON.stringify(data["values"])}`;
    case "module":
      return `${data["unload"] === true ? "unloaded" : "loaded"} ${String(data["path"])}`;
    case "bugcheck":
      return `bugcheck ${String(data["code"])} ${nameOf(data)}(${words(data["parameters"])})`;
    case "stop":
      return `stopped: ${nameOf(data)}${String(data["code"])} at ${String(data["address"])}`;
    case "processes":
      return `processes ${words(data["names"])}`;
    case "kernel":
      return `processes ${words(data["processes"])}`;
    case "lost":
    case "misfit":
      return String(data["message"]);
    default:
      return kind;
  }
}

function nameOf({ name }: Observation["data"]): string {
  return typeof name === "string" ? `${name} ` : "";
}

function words(value: unknown): string {
  return (value as readonly unknown[] | undefined)?.join(", ") ?? "";
}

import { execFileSync } from "node:child_process";

/** What tshark says of the fields of each packet of a capture file: one row a packet. */
export function tsharkFields(
  file: string,
  fields: readonly string[],
  options: readonly string[] = [],
): string[][] {
  const text = execFileSync(
    "tshark",
    [
      "-r",
      file,
      "-T",
      "fields",
      ...fields.flatMap((field) => ["-e", field]),
      "-E",
      "separator=/t",
      ...options,
    ],
    { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], maxBuffer: 1 << 26 },
  );
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => line.split("\t"));
}

import { readFile } from "node:fs/promises";
import { UsageError } from "#core";
import type { Observation } from "./observation.ts";
import { TIMELINE_FORMAT } from "./timeline.ts";

/**
 * Reads a saved `events.jsonl`. A last line cut short by a crash is left out; the rest still tells how far it came.
 * The wire's observations carry the time of their packets, which may be earlier than lines written before them, so
 * the result is put in order of time.
 *
 * @throws {UsageError} when the file is missing, is no timeline, or is of a format that this version does not know
 */
export async function readTimeline(file: string): Promise<readonly Observation[]> {
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new UsageError(
      "NO_TIMELINE",
      `${file}: ${cause.code === "ENOENT" ? "no such file" : cause.message}; name the folder of a finished run`,
      { cause },
    );
  });
  const lines = text.split("\n").filter((line) => line !== "");
  const header = parse(lines.shift());
  if (header?.["formatVersion"] !== TIMELINE_FORMAT) {
    throw new UsageError(
      "UNKNOWN_FORMAT",
      `${file}: not a timeline of format ${TIMELINE_FORMAT}; it was written by another version of sanlab`,
    );
  }
  return inOrder(lines.flatMap((line) => (parse(line) as Observation | undefined) ?? []));
}

/** Sorted by time; what has the same time keeps its place. */
export function inOrder(observations: readonly Observation[]): readonly Observation[] {
  return observations.toSorted((a, b) => a.t - b.t);
}

function parse(line: string | undefined): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line ?? "") as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

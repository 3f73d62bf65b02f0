import { readFile } from "node:fs/promises";
import path from "node:path";
import { isMap, isPair, isScalar, LineCounter, parseDocument, type Document, type Node } from "yaml";
import type { z } from "zod";
import { UsageError } from "#core";
import { scenarioSchema, type Scenario, type ScenarioSource } from "./schema.ts";

/**
 * Reads and checks a scenario file.
 *
 * @throws {UsageError} with one `file:line:column: what is wrong` for the first mistake
 */
export async function loadScenario(file: string): Promise<Scenario> {
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new UsageError(
      "SCENARIO_UNREADABLE",
      `${file}: ${cause.code === "ENOENT" ? "no such scenario file" : cause.message}`,
      { cause },
    );
  });
  return parseScenario(text, file);
}

/** The same for text at hand; `file` names it in errors and, without its ending, the scenario. */
export function parseScenario(text: string, file: string): Scenario {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, strict: true });
  const fail = (offset: number, message: string): never => {
    const { line, col } = lines.linePos(offset);
    throw new UsageError("SCENARIO_INVALID", `${file}:${line}:${col}: ${message}`, {
      details: { file, line, column: col },
    });
  };
  const broken = document.errors[0] ?? document.warnings[0];
  if (broken !== undefined) fail(broken.pos[0], broken.message);
  const result = scenarioSchema.safeParse(document.toJS() ?? {});
  if (result.success) return named(result.data, path.basename(file).replace(/\.ya?ml$/, ""));
  const issue = deepest(result.error.issues[0]);
  return fail(offsetOf(document, issue), describe(issue));
}

/** A scenario from options instead of a file. */
export function scenarioFrom(source: ScenarioSource, name: string): Scenario {
  const result = scenarioSchema.safeParse(source);
  if (result.success) return named(result.data, name);
  const issue = deepest(result.error.issues[0]);
  throw new UsageError("SCENARIO_INVALID", describe(issue));
}

function named(data: z.output<typeof scenarioSchema>, name: string): Scenario {
  return Object.freeze({
    ...data,
    name: data.name ?? (name.replaceAll(/[^\w.-]+/g, "-").slice(0, 80) || "scenario"),
  });
}

type Issue = z.core.$ZodIssue;

/** Where no alternative fits, the complaint of the last, most general one says most. */
function deepest(issue: Issue | undefined): Issue {
  if (issue === undefined) throw new TypeError("a failed check without an issue");
  if (issue.code !== "invalid_union") return issue;
  const inner = issue.errors.at(-1)?.[0];
  return inner === undefined ? issue : deepest({ ...inner, path: [...issue.path, ...inner.path] });
}

function describe(issue: Issue): string {
  const place = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    const keys = issue.keys.map((key) => `"${key}"`).join(", ");
    return `unknown key ${keys}${place === "" ? "" : ` in ${place}`}; known are ${knownKeys(issue.path).join(", ")}`;
  }
  return `${place === "" ? "scenario" : place}: ${issue.message}`;
}

/** The keys that a mapping may have: what the schema's own JSON Schema lists there. */
function knownKeys(place: readonly PropertyKey[]): readonly string[] {
  let node = scenarioSchema as unknown as
    | { shape?: Record<string, unknown>; element?: unknown; def?: { innerType?: unknown } }
    | undefined;
  const unwrap = () => {
    while (node?.shape === undefined && node?.element === undefined && node?.def?.innerType !== undefined) {
      node = node.def.innerType as typeof node;
    }
  };
  for (const step of place) {
    unwrap();
    node = (typeof step === "number" ? node?.element : node?.shape?.[String(step)]) as typeof node;
  }
  unwrap();
  return Object.keys(node?.shape ?? {});
}

/** The offset of an unknown key itself, else of the value at fault, else of the nearest thing around it. */
function offsetOf(document: Document, issue: Issue): number {
  for (let depth = issue.path.length; depth >= 0; depth--) {
    const node = (depth === 0 ? document.contents : document.getIn(issue.path.slice(0, depth), true)) as
      | Node
      | null
      | undefined;
    if (issue.code === "unrecognized_keys" && isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && issue.keys.includes(String(item.key.value)),
      );
      if (isScalar(pair?.key) && pair.key.range) return pair.key.range[0];
    }
    const range = node?.range;
    if (range) return range[0];
  }
  return 0;
}

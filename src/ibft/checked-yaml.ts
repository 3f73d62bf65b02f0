import { isMap, isPair, LineCounter, type Document, parseDocument } from "yaml";
import type { z } from "zod";
import { UsageError } from "#core";

/**
 * Reads YAML text by a schema. Throws a UsageError of that code whose message is `file:line:column: what is wrong` for
 * the first mistake.
 */
export function parseChecked<S extends z.ZodType>(
  text: string,
  file: string,
  schema: S,
  code: string,
): z.output<S> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, strict: true });
  const fail = (offset: number, message: string): never => {
    const { line, col } = lines.linePos(offset);
    const details = { file, line, column: col };
    throw new UsageError(code, `${file}:${line}:${col}: ${message}`, { details });
  };
  const broken = document.errors[0] ?? document.warnings[0];
  if (broken !== undefined) fail(broken.pos[0], broken.message.split("\n")[0] ?? "");
  const result = schema.safeParse(document.toJS() ?? {});
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue === undefined) throw new TypeError("a failed check without an issue");
  const place = issue.path.join(".");
  const unknown = issue.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const offset = offsetOf(document, unknown === undefined ? issue.path : [...issue.path, unknown]);
  return fail(offset, `${place === "" ? "" : `${place}: `}${issue.message}`);
}

/** Where the value at a path stands, or the nearest thing around it. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1), true) ?? document.contents;
    const key = path[length - 1];
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isPair(item) && String(item.key) === String(key));
      const node = pair?.key;
      if (node !== undefined && typeof node === "object" && node !== null && "range" in node) {
        return rangeStart(node.range);
      }
    }
    const node = document.getIn(path.slice(0, length), true);
    if (typeof node === "object" && node !== null && "range" in node) return rangeStart(node.range);
  }
  return 0;
}

function rangeStart(range: unknown): number {
  return Array.isArray(range) && typeof range[0] === "number" ? range[0] : 0;
}

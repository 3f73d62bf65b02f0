import { existsSync } from "node:fs";
import { readFile, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { UsageError } from "#core";
import type { z } from "zod";
import { isMap, isNode, LineCounter, parseDocument, type Document } from "yaml";
import { guestFolder } from "./guest-folder.ts";
import { manifestSchema, type GuestManifest } from "./manifest.ts";

/** The guests that come with sanlab, by name. */
export async function listGuests(): Promise<readonly GuestManifest[]> {
  const names = (await readdir(guestFolder)).filter((name) => existsSync(manifestFile(name))).sort();
  return Promise.all(names.map((name) => readManifest(manifestFile(name))));
}

/**
 * A guest by its name, by the path of its `guest.yaml` or of the folder around it, or by the path of a raw disk image,
 * of which is then assumed only that it asks for a login on its serial port.
 *
 * @throws UsageError where there is no such guest, or where its manifest is wrong (with line and column).
 */
export async function loadGuest(nameOrPath: string): Promise<GuestManifest> {
  if (/^[a-z0-9][a-z0-9.-]*$/u.test(nameOrPath) && existsSync(manifestFile(nameOrPath))) {
    return readManifest(manifestFile(nameOrPath));
  }
  const found = await stat(nameOrPath).catch(() => undefined);
  if (found?.isDirectory()) return readManifest(path.join(nameOrPath, "guest.yaml"));
  if (found?.isFile()) {
    return /\.ya?ml$/u.test(nameOrPath) ? readManifest(nameOrPath) : guestOfImage(nameOrPath);
  }
  const known = (await listGuests()).map((guest) => guest.name).join(", ");
  throw new UsageError(
    "GUEST_UNKNOWN",
    `no guest or disk image "${nameOrPath}"; sanlab brings the guests ${known}, others are given by path`,
  );
}

function manifestFile(name: string): string {
  return path.join(guestFolder, name, "guest.yaml");
}

function guestOfImage(image: string): GuestManifest {
  const name = path
    .basename(image)
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/gu, "-")
    .replace(/^[.-]+/u, "");
  return manifestSchema.parse({
    name: name === "" ? "image" : name,
    title: path.basename(image),
    licence: "the user's own",
    source: { kind: "file", path: path.resolve(image) },
    firmware: ["bios", "uefi"],
    memoryMiB: 1024,
    markers: {
      kernelStarted: String.raw`Linux version \d`,
      ibftFound: "(?<!No )iBFT (found at|detected)",
      ibftMissing: "No iBFT detected",
      login: String.raw`\blogin: ?$`,
      panic: "Kernel panic - not syncing: (?<reason>.*)",
    },
  } satisfies z.input<typeof manifestSchema>);
}

async function readManifest(file: string): Promise<GuestManifest> {
  const { document, lines } = await readYaml(file);
  const own: unknown = document.toJS();
  const { extends: base, ...fields } = isRecord(own) ? own : {};
  const inherited = typeof base === "string" ? await loadGuest(base) : {};
  const parsed = manifestSchema.safeParse({ ...inherited, ...fields });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const at = [
      ...(issue?.path ?? []),
      ...(issue?.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : []),
    ];
    const what = [at.join("."), issue?.message ?? "not a guest"].filter((part) => part !== "").join(": ");
    throw new UsageError("GUEST_INVALID", `${file}:${position(document, lines, at)}: ${what}`);
  }
  const { source } = parsed.data;
  if (source.kind !== "file") return parsed.data;
  return { ...parsed.data, source: { ...source, path: path.resolve(path.dirname(file), source.path) } };
}

async function readYaml(file: string): Promise<{ document: Document; lines: LineCounter }> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new UsageError("GUEST_UNKNOWN", `cannot read ${file}`, { cause: error });
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [wrong] = document.errors;
  if (wrong !== undefined) {
    const { line, col } = lines.linePos(wrong.pos[0]);
    throw new UsageError("GUEST_INVALID", `${file}:${line}:${col}: ${wrong.message}`);
  }
  return { document, lines };
}

/** Line and column of the deepest part of `at` that the document has. */
function position(document: Document, lines: LineCounter, at: readonly PropertyKey[]): string {
  for (let depth = at.length; depth >= 0; depth--) {
    const node = depth === 0 ? document.contents : document.getIn(at.slice(0, depth), true);
    if (isNode(node) && node.range && !(depth === 0 && isMap(node) && at.length === 0)) {
      const { line, col } = lines.linePos(node.range[0]);
      return `${line}:${col}`;
    }
  }
  return "1:1";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

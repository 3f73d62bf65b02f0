import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";

/** One entry of a file tree that is put together in memory. Paths are relative, without a leading slash. */
export type TreeEntry =
  | { readonly kind: "folder"; readonly path: string; readonly mode: number }
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly data: Uint8Array }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  | {
      readonly kind: "device";
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

/** All regular files under `folder`, placed under `at`; executable where they are so on disk. */
export async function filesOf(folder: string, at: string): Promise<readonly TreeEntry[]> {
  const entries: TreeEntry[] = [];
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const file = path.join(folder, name);
    const found = await stat(file);
    if (!found.isFile()) continue;
    entries.push(fileEntry(path.posix.join(at, name), await readFile(file), (found.mode & 0o100) !== 0));
  }
  return entries;
}

export function fileEntry(place: string, data: string | Uint8Array, executable = false): TreeEntry {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  return { kind: "file", path: place, mode: executable ? 0o755 : 0o644, data: bytes };
}

/** The entries in order of path, with every folder that they need in front of them; of two for one path the last. */
export function completeTree(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  const tree = new Map<string, TreeEntry>();
  for (const entry of entries) {
    for (let up = path.posix.dirname(entry.path); up !== "."; up = path.posix.dirname(up)) {
      if (!tree.has(up)) tree.set(up, { kind: "folder", path: up, mode: 0o755 });
    }
    tree.set(entry.path, entry);
  }
  return [...tree.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Writes folders, files and links below an existing folder. Device nodes need root and are refused. */
export async function writeTree(entries: readonly TreeEntry[], into: string): Promise<void> {
  for (const entry of completeTree(entries)) {
    const place = path.join(into, entry.path);
    if (entry.kind === "folder") await mkdir(place, { mode: entry.mode });
    else if (entry.kind === "file") await writeFile(place, entry.data, { mode: entry.mode });
    else if (entry.kind === "link") await symlink(entry.target, place);
    else throw new TypeError(`writeTree: ${entry.path} is a device node`);
  }
}

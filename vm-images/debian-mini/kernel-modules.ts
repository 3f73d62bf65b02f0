import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { LabError } from "#core";
import { runTool } from "../host-tool.ts";
import { filesOf, type TreeEntry } from "./file-tree.ts";
import { findOne } from "./find-one.ts";

export interface ModuleSelection {
  /** Folder with an unpacked kernel package. */
  readonly packages: string;
  readonly scratch: string;
  readonly names: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * The named kernel modules with all that they depend on, uncompressed (busybox reads them so), and the index files by
 * which modprobe finds them by name and by device.
 *
 * @throws LabError `GUEST_PACKAGES` where the kernel has no such module.
 */
export async function selectModules(selection: ModuleSelection): Promise<readonly TreeEntry[]> {
  const { packages, signal } = selection;
  const all = await findOne(packages, /^modules$/u, ["lib", "usr/lib"]);
  const version = path.basename(await findOne(all, /^\d/u));
  const source = path.join(all, version);
  const known = new Map<string, string>();
  for (const file of await readdir(source, { recursive: true })) {
    const match = /([^/]+)\.ko(?:\.xz|\.zst)?$/u.exec(file);
    if (match?.[1] !== undefined) known.set(canonical(match[1]), file);
  }

  const root = path.join(selection.scratch, "modules");
  const target = path.join(root, "lib/modules", version);
  const chosen = new Set(selection.names.map(canonical));
  const builtIn = new Set(
    (await readFile(path.join(source, "modules.builtin"), "utf8")).split("\n").map(canonical),
  );
  await mkdir(target, { recursive: true });
  for (const name of chosen) {
    if (builtIn.has(name)) continue;
    const file = known.get(name);
    if (file === undefined) {
      throw new LabError(
        "GUEST_PACKAGES",
        `Debian's kernel ${version} has no module ${name}: take it out of guest.yaml`,
      );
    }
    const plain = path.join(target, file.replace(/\.(?:xz|zst)$/u, ""));
    await mkdir(path.dirname(plain), { recursive: true });
    await uncompress(path.join(source, file), plain, signal);
    for (const needed of dependencies(await readFile(plain))) chosen.add(canonical(needed));
  }
  for (const file of ["modules.builtin", "modules.order"])
    await copyFile(path.join(source, file), path.join(target, file));
  await runTool("depmod", ["-b", root, version], { signal, writes: root });
  const entries = await filesOf(root, "");
  return entries.filter((entry) => /\.ko$|modules\.(?:alias|dep|softdep|symbols|builtin)$/u.test(entry.path));
}

/** The kernel takes `-` and `_` in a module's name for the same. */
function canonical(name: string): string {
  return path.basename(name).replace(/\.ko$/u, "").replaceAll("-", "_");
}

/** A module names what it needs in its section .modinfo, as a string `depends=a,b`. */
export function dependencies(module: Uint8Array): readonly string[] {
  const text = Buffer.from(module.buffer, module.byteOffset, module.length).toString("latin1");
  const list = /\0depends=([^\0]*)\0/u.exec(text)?.[1] ?? "";
  return list === "" ? [] : list.split(",");
}

async function uncompress(file: string, into: string, signal: AbortSignal | undefined): Promise<void> {
  if (file.endsWith(".xz")) await runTool("xz", ["-dkf", file], { signal });
  if (file.endsWith(".zst")) await writeFile(into, zstdDecompressSync(await readFile(file)));
  else await copyFile(file.replace(/\.xz$/u, ""), into);
}

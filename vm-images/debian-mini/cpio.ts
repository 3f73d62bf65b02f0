import { completeTree, type TreeEntry } from "./file-tree.ts";

const typeBits = { folder: 0o040000, file: 0o100000, link: 0o120000, device: 0o020000 } as const;

/**
 * A cpio archive of the "newc" format, which the kernel unpacks as its first root: per entry a header of 110 ASCII
 * bytes, the name with its NUL, the content; name and content padded to 4 bytes (Linux
 * Documentation/driver-api/early-userspace/buffer-format.rst). All belongs to root; times are zero, so that the same
 * tree gives the same bytes.
 */
export function writeCpio(entries: readonly TreeEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let inode = 0;
  const add = (name: string, mode: number, data: Uint8Array, device: readonly [number, number]) => {
    const encoded = Buffer.from(`${name}\0`);
    const links = (mode & 0o170000) === typeBits.folder ? 2 : 1;
    const fields = [++inode, mode, 0, 0, links, 0, data.length, 0, 0, ...device, encoded.length, 0];
    const header = Buffer.from(
      `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`,
    );
    parts.push(header, encoded, padding(header.length + encoded.length), data, padding(data.length));
  };
  for (const entry of completeTree(entries)) {
    const device = entry.kind === "device" ? ([entry.major, entry.minor] as const) : ([0, 0] as const);
    const mode = typeBits[entry.kind] | (entry.kind === "link" ? 0o777 : entry.mode);
    add(entry.path, mode, contentOf(entry), device);
  }
  add("TRAILER!!!", 0, new Uint8Array(), [0, 0]);
  return Buffer.concat(parts);
}

function contentOf(entry: TreeEntry): Uint8Array {
  if (entry.kind === "file") return entry.data;
  return entry.kind === "link" ? Buffer.from(entry.target) : new Uint8Array();
}

function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}

import type { Extent } from "./block-device.ts";

/** Joins neighbours of the same kind, so that a caller sees the fewest extents. */
export async function* mergeExtents(extents: AsyncIterable<Extent>): AsyncIterable<Extent> {
  let open: Extent | undefined;
  for await (const extent of extents) {
    if (open !== undefined && open.allocated === extent.allocated) {
      open = { ...open, length: open.length + extent.length };
      continue;
    }
    if (open !== undefined) yield open;
    open = extent;
  }
  if (open !== undefined) yield open;
}

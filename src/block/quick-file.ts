import { readSync, writeSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { constants } from "node:os";

/** File systems that live in memory, by `statfs`: tmpfs and ramfs. */
const inMemory: ReadonlySet<number> = new Set([0x0102_1994, 0x8584_58f6]);
/** `RWF_NOWAIT` of `preadv2`: fail rather than wait for a disk. */
const noWait = 8;
/** More than this is left to the threads, so that the event loop never copies for long. */
const longest = 256 * 1024;

/**
 * Reads and writes of a file that need no waiting, and so no thread: what lies in memory is moved in a microsecond or
 * two, and the way to a thread and back takes ten.
 */
export interface QuickFile {
  /** Bytes that could be had at once, from the first; fewer than asked, or none, where the rest needs waiting. */
  read(into: Uint8Array, offset: number): number;
  /** Bytes that could be stored at once. */
  write(from: Uint8Array, offset: number): number;
}

/**
 * Everything of a file in memory is there at once. Of any other, reads can be where the page cache has the data and the
 * optional package koffi asks for it; undefined where neither holds.
 */
export async function quickFile(fd: number, file: string): Promise<QuickFile | undefined> {
  if (process.platform !== "linux") return undefined;
  const { type } = await statfs(file);
  if (inMemory.has(type))
    return {
      read: (into, offset) => (into.length > longest ? 0 : readSync(fd, into, 0, into.length, offset)),
      write: (from, offset) => (from.length > longest ? 0 : writeSync(fd, from, 0, from.length, offset)),
    };
  cached ??= loadCachedRead();
  const read = await cached;
  if (read === undefined || read(fd, new Uint8Array(1), 0) === unsupported) return undefined;
  return {
    read: (into, offset) => (into.length > longest ? 0 : Math.max(0, read(fd, into, offset))),
    write: () => 0,
  };
}

/** Gives the number of bytes, or a negative error number. */
type CachedRead = (fd: number, into: Uint8Array, offset: number) => number;

const unsupported = -constants.errno.EOPNOTSUPP;

let cached: Promise<CachedRead | undefined> | undefined;

async function loadCachedRead(): Promise<CachedRead | undefined> {
  const koffi = await import("koffi").then(({ default: koffi }) => koffi).catch(() => undefined);
  if (koffi === undefined) return undefined;
  const vector = koffi.struct({ base: "void *", length: "size_t" });
  const preadv2 = koffi
    .load(null)
    .func("preadv2", "int64_t", ["int", koffi.pointer(vector), "int", "int64_t", "int"]);
  return (fd, base, offset) => {
    const count = Number(preadv2(fd, { base, length: base.length }, 1, offset, noWait));
    return count < 0 ? -koffi.errno() : count;
  };
}

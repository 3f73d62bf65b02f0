import { open, readFile, readdir, readlink, rm, type FileHandle } from "node:fs/promises";
import path from "node:path";
import type { MachineSpec } from "./machine-spec.ts";
import type { Qmp } from "./qmp.ts";
import type { Wait } from "./waiting.ts";

const fourGiB = 0x1_0000_0000;
/** VGA memory and the expansion-ROM window, where RAM is not always what the processor sees. */
const windowStart = 0xa_0000;
const windowEnd = 0x10_0000;

/**
 * The guest's physical memory, read from outside. RAM comes straight from the memory file that QEMU shares with us: the
 * guest does not notice and nothing is copied through QEMU. What RAM does not back (VGA, ROMs) or what cannot be mapped
 * so is read by QEMU itself, 1-2 ms a piece.
 */
export class GuestMemory implements AsyncDisposable {
  readonly #spec: MachineSpec;
  readonly #qmp: Qmp;
  readonly #runDir: string;
  #file: FileHandle | undefined;
  #serial = 0;

  private constructor(spec: MachineSpec, qmp: Qmp, runDir: string, file: FileHandle | undefined) {
    this.#spec = spec;
    this.#qmp = qmp;
    this.#runDir = runDir;
    this.#file = file;
  }

  static async open(
    spec: MachineSpec,
    qmp: Qmp,
    options: { pid: number; runDir: string },
  ): Promise<GuestMemory> {
    return new GuestMemory(spec, qmp, options.runDir, await openMemoryFile(options.pid));
  }

  /** Bytes at a physical address. What lies outside every memory reads as QEMU reads it (usually zeros). */
  async read(address: number, length: number, wait: Wait = {}): Promise<Buffer> {
    const out = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      const { offset, bytes } = this.#segment(address + done, length - done);
      const piece = out.subarray(done, done + bytes);
      if (offset === undefined || this.#file === undefined) await this.#ask(address + done, piece, wait);
      else await this.#file.read(piece, 0, bytes, offset);
      done += bytes;
    }
    return out;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  /** The longest piece from `address` that lies in one place; `offset` is its place in the memory file, if in RAM. */
  #segment(address: number, length: number): { offset: number | undefined; bytes: number } {
    const size = this.#spec.memoryMiB * 0x10_0000;
    const low = lowMemory(this.#spec);
    const upTo = (end: number) => Math.min(length, end - address);
    if (address < windowStart) return { offset: address, bytes: upTo(windowStart) };
    if (address < windowEnd) return { offset: undefined, bytes: upTo(windowEnd) };
    if (address < low) return { offset: address, bytes: upTo(low) };
    if (address < fourGiB) return { offset: undefined, bytes: upTo(fourGiB) };
    const high = fourGiB + size - low;
    if (address < high) return { offset: address - fourGiB + low, bytes: upTo(high) };
    return { offset: undefined, bytes: length };
  }

  async #ask(address: number, into: Buffer, wait: Wait): Promise<void> {
    const filename = path.join(this.#runDir, `.memory-${this.#serial++}`);
    try {
      await this.#qmp.execute("pmemsave", { val: address, size: into.length, filename }, wait);
      (await readFile(filename)).copy(into);
    } finally {
      await rm(filename, { force: true });
    }
  }
}

/**
 * How much RAM lies below 4 GiB; the rest begins at 4 GiB. QEMU's hw/i386/pc_piix.c and pc_q35.c: RAM that does not fit
 * under the PCI hole is split at 3 GiB (pc) or 2 GiB (q35).
 */
export function lowMemory(spec: Pick<MachineSpec, "machine" | "memoryMiB">): number {
  const size = spec.memoryMiB * 0x10_0000;
  if (spec.machine === "q35") return size >= 0xb000_0000 ? 0x8000_0000 : size;
  return size >= 0xe000_0000 ? 0xc000_0000 : size;
}

/** QEMU's memory file has no name; /proc lends one as long as QEMU lives. Undefined where /proc does not let us. */
async function openMemoryFile(pid: number): Promise<FileHandle | undefined> {
  const dir = `/proc/${pid}/fd`;
  try {
    for (const fd of await readdir(dir)) {
      const link = await readlink(`${dir}/${fd}`).catch(() => "");
      if (link.startsWith("/memfd:memory-backend-memfd")) return await open(`${dir}/${fd}`, "r");
    }
  } catch {
    return undefined;
  }
  return undefined;
}

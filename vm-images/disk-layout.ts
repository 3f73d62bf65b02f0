import { open, type FileHandle } from "node:fs/promises";

export interface Partition {
  /** Of 512 bytes. */
  readonly startSector: number;
  /** The type byte of an MBR's entry, or the type GUID of a GPT's in lower case. */
  readonly type: string;
  /** Marked as the one that a BIOS boots. */
  readonly active: boolean;
  readonly filesystem: "ntfs" | "fat" | undefined;
  /** As the file system itself says. */
  readonly bytesPerSector: number | undefined;
}

export interface DiskLayout {
  /** `gpt-4096`: the table of a disk with sectors of 4096 bytes. */
  readonly table: "mbr" | "gpt" | "gpt-4096" | "none";
  readonly partitions: readonly Partition[];
}

const sector = 512;
const espGuid = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
const espByte = "ef";
const protectiveByte = "ee";
const mostEntries = 256;

export function isEfiSystem({ type }: Partition): boolean {
  return type === espGuid || type === espByte;
}

/** The partitions of a raw disk and their file systems, by the bytes of the disk alone. */
export async function readLayout(image: string): Promise<DiskLayout> {
  await using handle = await open(image, "r");
  const mbr = await read(handle, 0, sector);
  if (mbr.length < sector || mbr.readUInt16LE(510) !== 0xaa55) return { table: "none", partitions: [] };
  const entries = [0, 1, 2, 3].map((index) => mbr.subarray(446 + 16 * index, 462 + 16 * index));
  if (entries.some((entry) => entry.readUInt8(4).toString(16) === protectiveByte)) {
    if ((await read(handle, sector, 8)).toString("latin1") === "EFI PART")
      return { table: "gpt", partitions: await gptPartitions(handle) };
    if ((await read(handle, 4096, 8)).toString("latin1") === "EFI PART")
      return { table: "gpt-4096", partitions: [] };
  }
  const partitions = entries
    .filter((entry) => entry.readUInt8(4) !== 0)
    .map((entry) => ({
      startSector: entry.readUInt32LE(8),
      type: entry.readUInt8(4).toString(16).padStart(2, "0"),
      active: entry.readUInt8(0) === 0x80,
    }));
  return {
    table: "mbr",
    partitions: await Promise.all(partitions.map((one) => withFilesystem(handle, one))),
  };
}

type BarePartition = Pick<Partition, "startSector" | "type" | "active">;

/** UEFI specification, 5.3: the header names where the entries begin (72), how many there are (80) and their size (84). */
async function gptPartitions(handle: FileHandle): Promise<readonly Partition[]> {
  const header = await read(handle, sector, 92);
  if (header.length < 92) return [];
  const size = Math.max(128, Math.min(4096, header.readUInt32LE(84)));
  const count = Math.min(mostEntries, header.readUInt32LE(80));
  const table = await read(handle, Number(header.readBigUInt64LE(72)) * sector, size * count);
  const partitions: BarePartition[] = [];
  for (let at = 0; at + size <= table.length; at += size) {
    const type = guid(table.subarray(at, at + 16));
    if (/^[0-]+$/u.test(type)) continue;
    partitions.push({ type, startSector: Number(table.readBigUInt64LE(at + 32)), active: false });
  }
  return Promise.all(partitions.map((one) => withFilesystem(handle, one)));
}

/** NTFS has its name at 3 of its boot sector, FAT at 54 (12 and 16 bits) or 82 (32); both their sector size at 11. */
async function withFilesystem(handle: FileHandle, partition: BarePartition): Promise<Partition> {
  const boot = await read(handle, partition.startSector * sector, sector);
  const text = boot.toString("latin1");
  const filesystem =
    boot.length < sector
      ? undefined
      : text.startsWith("NTFS    ", 3)
        ? "ntfs"
        : text.startsWith("FAT", 54) || text.startsWith("FAT32", 82)
          ? "fat"
          : undefined;
  return {
    ...partition,
    filesystem,
    bytesPerSector: filesystem === undefined ? undefined : boot.readUInt16LE(11),
  };
}

/** The first three fields of a GUID are little-endian on disk. */
function guid(bytes: Buffer): string {
  const turned = (from: number, to: number) =>
    Buffer.from(bytes.subarray(from, to)).reverse().toString("hex");
  const rest = bytes.toString("hex", 8, 16);
  return [turned(0, 4), turned(4, 6), turned(6, 8), rest.slice(0, 4), rest.slice(4)].join("-");
}

async function read(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  if (!Number.isSafeInteger(at)) return Buffer.alloc(0);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, at);
  return buffer.subarray(0, bytesRead);
}

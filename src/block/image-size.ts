import { readFile, type FileHandle } from "node:fs/promises";
import { UsageError } from "#core";
import { formatOf } from "./image-format.ts";

/**
 * Bytes of the disk that an opened image file or Linux block device holds.
 * @throws UsageError when it cannot be a raw disk: a folder, empty, cut inside a block, or in another format.
 */
export async function imageSize(handle: FileHandle, file: string, blockSize: number): Promise<number> {
  const stat = await handle.stat();
  if (stat.isBlockDevice()) return await blockDeviceSize(stat.rdev, file);
  if (!stat.isFile()) {
    throw new UsageError("NOT_AN_IMAGE", `${file}: neither a file nor a block device; name a raw disk image`);
  }
  if (stat.size === 0)
    throw new UsageError("IMAGE_SHORT", `${file}: is empty; build or download the image again`);
  const format = await formatOf(handle);
  if (format !== "raw")
    throw new UsageError(
      "NOT_RAW",
      `${file}: is a ${format} image, not a raw one; convert it: qemu-img convert -f ${format === "vmdk-descriptor" ? "vmdk" : format} -O raw IN OUT`,
    );
  if (stat.size % blockSize !== 0) {
    throw new UsageError(
      "IMAGE_SHORT",
      `${file}: ${stat.size} bytes is not a multiple of the ${blockSize}-byte block; the image is cut off, build or download it again`,
    );
  }
  return stat.size;
}

/** The kernel counts sectors of 512 bytes there, whatever the device's own block. */
async function blockDeviceSize(rdev: number, file: string): Promise<number> {
  const major = (Math.floor(rdev / 0x100) & 0xfff) >>> 0;
  const minor = (rdev & 0xff) | ((Math.floor(rdev / 0x1000) & 0xfff00) >>> 0);
  const sectors = Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, "utf8").catch(() => "0"));
  if (sectors > 0) return sectors * 512;
  throw new UsageError(
    "NOT_AN_IMAGE",
    `${file}: the kernel gives no size for this block device; is a medium in it?`,
  );
}

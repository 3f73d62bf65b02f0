import { readFile, type FileHandle } from "node:fs/promises";
import { UsageError } from "#core";

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
  await refuseOtherFormats(handle, file);
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

/** Magic numbers at the head of image formats whose bytes are not the disk's own. */
const formats: readonly { readonly name: string; readonly magic: string; readonly qemu: string }[] = [
  { name: "qcow2", magic: "QFI\u00fb", qemu: "qcow2" },
  { name: "VHDX", magic: "vhdxfile", qemu: "vhdx" },
  { name: "VHD", magic: "conectix", qemu: "vpc" },
  { name: "VMDK", magic: "KDMV", qemu: "vmdk" },
];

async function refuseOtherFormats(handle: FileHandle, file: string): Promise<void> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, 0);
  const head = buffer.toString("latin1", 0, bytesRead);
  const format = formats.find(({ magic }) => head.startsWith(magic));
  if (format === undefined) return;
  throw new UsageError(
    "NOT_RAW",
    `${file}: is a ${format.name} image, not a raw one; convert it: qemu-img convert -f ${format.qemu} -O raw IN OUT`,
  );
}

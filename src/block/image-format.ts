import { open, type FileHandle } from "node:fs/promises";

/** Disk image formats by QEMU's names. */
export type ImageFormat = "raw" | "qcow2" | "vhdx" | "vmdk" | "vpc" | "vdi";

/** What QEMU calls a VMDK that only names other files is a text file. */
export type DetectedFormat = ImageFormat | "vmdk-descriptor";

const magics: readonly (readonly [format: DetectedFormat, offset: number, magic: string])[] = [
  ["qcow2", 0, "QFI\u00fb"],
  ["vhdx", 0, "vhdxfile"],
  ["vmdk", 0, "KDMV"],
  ["vmdk-descriptor", 0, "# Disk DescriptorFile"],
  ["vpc", 0, "conectix"],
  ["vdi", 0x40, "\u007f\u0010\u00da\u00be"],
];
const footerBytes = 512;

/**
 * The format of an image by its own signature, never by its name. A fixed VHD has its signature in its last 512 bytes
 * only; all that has none is raw.
 */
export async function detectFormat(file: string): Promise<DetectedFormat> {
  await using handle = await open(file, "r");
  return await formatOf(handle);
}

/** As `detectFormat`, of a file that is open. */
export async function formatOf(handle: FileHandle): Promise<DetectedFormat> {
  const { size } = await handle.stat();
  const read = async (at: number) => {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(footerBytes), 0, footerBytes, at);
    return buffer.toString("latin1", 0, bytesRead);
  };
  const head = await read(0);
  const found = magics.find(([, offset, magic]) => head.startsWith(magic, offset))?.[0];
  if (found !== undefined) return found;
  const tail = size > footerBytes ? await read(size - footerBytes) : "";
  return tail.startsWith("conectix") ? "vpc" : "raw";
}

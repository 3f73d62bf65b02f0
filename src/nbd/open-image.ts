import { stat } from "node:fs/promises";
import { FileDevice, detectFormat, type BlockDevice } from "#block";
import { UsageError } from "#core";
import { describeImage } from "./image-node.ts";
import { openThroughQemu } from "./qemu-nbd.ts";

export interface OpenImageOptions {
  readonly readOnly?: boolean;
  /** Ends opening, and nothing after it. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a disk image of any kind: a raw one or a block device by itself, qcow2, VHDX, VMDK, VHD and VDI through a
 * qemu-nbd of its own. The format is told by the image's own signature, never by its name.
 *
 * @throws UsageError where there is no such image, or part of it lies outside its folder; LabError TOOL_MISSING;
 * SanlabError IMAGE_BROKEN
 */
export async function openImage(file: string, options: OpenImageOptions = {}): Promise<BlockDevice> {
  const { readOnly = false, signal } = options;
  signal?.throwIfAborted();
  // FileDevice tells what is wrong with all that is no file; a FIFO would not even let itself be looked at.
  const found = await stat(file).catch(() => undefined);
  const format = found?.isFile() || found?.isBlockDevice() ? await readableFormat(file) : "raw";
  if (format === "raw") return await FileDevice.open(file, { readOnly });
  if (format === "vmdk-descriptor")
    throw new UsageError(
      "IMAGE_LEADS_OUT",
      `${file}: only names other files; make one of them: qemu-img convert -f vmdk -O raw ${file} disk.raw`,
    );
  return await openThroughQemu(file, await describeImage(file, format, options), options);
}

async function readableFormat(file: string) {
  // What cannot be read is FileDevice's to explain.
  return await detectFormat(file).catch(() => "raw" as const);
}

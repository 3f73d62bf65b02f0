import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import { detectFormat, type ImageFormat } from "#block";
import { UsageError, errorCode } from "#core";
import { qemuImgInfo, type ImageInfo } from "./qemu-img.ts";

/** How many images may lie on top of each other. */
const deepest = 32;

/** A block driver's options as QEMU takes them in a `json:` file name; it opens what they name and nothing else. */
export interface ImageNode {
  readonly driver: ImageFormat;
  readonly file: { readonly driver: "file" | "host_device"; readonly filename: string };
  /** Null forbids one that the image names. */
  readonly backing?: ImageNode | null;
}

/**
 * Describes an image with all images below it, each with its format, for QEMU to open without a guess. An image may
 * come from a stranger, who can name any file of this machine in it: everything has to lie in the image's folder.
 *
 * @throws UsageError IMAGE_LEADS_OUT; what `qemuImgInfo` throws
 */
export async function describeImage(
  file: string,
  format: ImageFormat,
  options: { readonly signal?: AbortSignal } = {},
): Promise<ImageNode> {
  const image = await realpath(file);
  return await describe(image, format, { top: file, folder: path.dirname(image), depth: 0, ...options });
}

interface Scope {
  /** The image as the user named it. */
  readonly top: string;
  readonly folder: string;
  readonly depth: number;
  readonly signal?: AbortSignal;
}

async function describe(image: string, format: ImageFormat, scope: Scope): Promise<ImageNode> {
  const file = {
    driver: (await stat(image)).isBlockDevice() ? "host_device" : "file",
    filename: image,
  } as const;
  if (format === "raw") return { driver: format, file };
  const info = await qemuImgInfo(image, format, scope);
  for (const extent of info.files)
    if ((await realpath(path.resolve(path.dirname(image), extent)).catch(() => "")) !== image)
      throw leadsOut(scope.top, extent, "only an image in one file can be used");
  const lower = await describeBacking(image, info, scope);
  return format === "qcow2" || format === "vmdk"
    ? { driver: format, file, backing: lower }
    : { driver: format, file };
}

async function describeBacking(image: string, info: ImageInfo, scope: Scope): Promise<ImageNode | null> {
  const { backing, backingFormat } = info;
  if (backing === undefined) return null;
  if (scope.depth >= deepest)
    throw leadsOut(scope.top, backing, `more than ${deepest} images on top of each other`);
  // "json:" and "nbd:" are more than file names to QEMU.
  if (/^[\w.+-]+:/.test(backing)) throw leadsOut(scope.top, backing, "it is no plain file name");
  const lower = await realpath(path.resolve(path.dirname(image), backing)).catch((error: unknown) => {
    throw leadsOut(scope.top, backing, `it cannot be opened (${errorCode(error)})`);
  });
  if (!lower.startsWith(path.join(scope.folder, path.sep)))
    throw leadsOut(scope.top, backing, "it lies outside the image's folder");
  if (!(await stat(lower)).isFile()) throw leadsOut(scope.top, backing, "it is no file");
  const format = backingFormat ?? (await detectFormat(lower));
  if (!isFormat(format)) throw leadsOut(scope.top, backing, `its format is ${format}`);
  return await describe(lower, format, { ...scope, depth: scope.depth + 1 });
}

const formats = ["raw", "qcow2", "vhdx", "vmdk", "vpc", "vdi"] as const satisfies readonly ImageFormat[];

const isFormat = (format: string): format is ImageFormat => formats.some((known) => known === format);

const leadsOut = (top: string, other: string, why: string) =>
  new UsageError(
    "IMAGE_LEADS_OUT",
    `${top}: part of it lies in ${JSON.stringify(other.slice(0, 200))}, and ${why}; make one file of them with qemu-img convert, if you trust it`,
  );

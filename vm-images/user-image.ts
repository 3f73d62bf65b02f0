import { createHash } from "node:crypto";
import { access, constants, stat } from "node:fs/promises";
import path from "node:path";
import { detectFormat } from "#block";
import { UsageError, type Report } from "#core";
import { z } from "zod";
import { ImageCache } from "./image-cache.ts";
import { runTool } from "./host-tool.ts";
import { recordChecksum, verifiedChecksum } from "./known-checksum.ts";

export interface UserImageOptions {
  readonly cache: string;
  /** Checksum of the file as its owner gives it. */
  readonly expected: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly report?: Report | undefined;
}

export interface UserImage {
  readonly image: string;
  readonly sha256: string;
  readonly built: boolean;
}

/**
 * A user's disk image as raw bytes: itself where it is raw, else a raw copy in the cache, made once for each content. No
 * image may lead to other files: a stranger's could name any file of this machine.
 *
 * @throws UsageError `GUEST_IMAGE`, LabError as of `runTool`
 */
export async function openUserImage(given: string, options: UserImageOptions): Promise<UserImage> {
  // QEMU takes what stands before a colon for a protocol unless a slash comes first.
  const file = path.resolve(given);
  const { cache, expected, signal, report } = options;
  await access(file, constants.R_OK).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === "ENOENT" ? "there is no such file" : "it cannot be read";
    throw new UsageError("GUEST_IMAGE", `disk image ${file}: ${why}`, { cause });
  });
  if ((await stat(file)).isDirectory())
    throw new UsageError("GUEST_IMAGE", `disk image ${file}: it is a folder, not a file`);
  const format = await detectFormat(file);
  if (format === "vmdk-descriptor")
    throw new UsageError(
      "GUEST_IMAGE",
      `disk image ${file}: it only names other files; make one of them: qemu-img convert -f vmdk -O raw ${file} disk.raw`,
    );
  const sha256 = await checksum(file, cache);
  if (expected !== undefined && sha256 !== expected)
    throw new UsageError("GUEST_IMAGE", `${file} has sha256 ${sha256}, its guest.yaml says ${expected}`);
  if (format === "raw") return { image: file, sha256, built: false };
  await refuseOtherFiles(file, format, signal);
  const images = new ImageCache(cache, report);
  const key = `image-${sha256.slice(0, 24)}`;
  const found = await images.find(key);
  if (found !== undefined) return { ...found, built: false };
  report?.("guest-image", { step: "convert", image: file, format });
  const made = await images.make(key, async (image) => {
    await runTool("qemu-img", ["convert", "-f", format, "-O", "raw", "--", file, image], {
      signal,
      writes: cache,
    });
  });
  return { ...made, built: true };
}

/** An image may be large: its checksum is computed once for each state of the file. */
async function checksum(file: string, cache: string): Promise<string> {
  const name = createHash("sha256").update(path.resolve(file)).digest("hex");
  const record = path.join(cache, "checksums", `${name}.json`);
  return (await verifiedChecksum(file, record)) ?? (await recordChecksum(file, record));
}

const infoSchema = z.object({
  "backing-filename": z.string().optional(),
  "format-specific": z
    .object({ data: z.object({ "data-file": z.string().optional() }).optional() })
    .optional(),
});

async function refuseOtherFiles(
  file: string,
  format: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const text = await runTool("qemu-img", ["info", "--output=json", "-f", format, "--", file], { signal });
  const info = infoSchema.parse(JSON.parse(text));
  const other = info["backing-filename"] ?? info["format-specific"]?.data?.["data-file"];
  if (other === undefined) return;
  throw new UsageError(
    "GUEST_IMAGE",
    `disk image ${file}: part of it lies in ${other}; make one file of them: qemu-img convert -f ${format} -O raw ${file} disk.raw`,
  );
}

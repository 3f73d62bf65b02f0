import { execa, ExecaError } from "execa";
import { z } from "zod";
import { LabError, SanlabError } from "#core";
import type { ImageFormat } from "#block";

/** What an image says of itself. */
export interface ImageInfo {
  readonly backing: string | undefined;
  readonly backingFormat: string | undefined;
  /** The files that hold its data, as it names them; none where that is the image itself alone. */
  readonly files: readonly string[];
}

const infoSchema = z.object({
  "full-backing-filename": z.string().optional(),
  "backing-filename": z.string().optional(),
  "backing-filename-format": z.string().optional(),
  "format-specific": z
    .object({
      data: z
        .object({
          "data-file": z.string().optional(),
          extents: z.array(z.object({ filename: z.string() })).optional(),
        })
        .optional(),
    })
    .optional(),
});

/** @throws LabError TOOL_MISSING; SanlabError IMAGE_BROKEN */
export async function qemuImgInfo(
  image: string,
  format: ImageFormat,
  options: { readonly signal?: AbortSignal } = {},
): Promise<ImageInfo> {
  const { signal } = options;
  const { stdout } = await execa("qemu-img", ["info", "--output=json", "-f", format, "--", image], {
    stdin: "ignore",
    timeout: 30_000,
    ...(signal && { cancelSignal: signal }),
  }).catch((error: unknown) => {
    throw failure("qemu-img", image, error);
  });
  const info = infoSchema.parse(JSON.parse(stdout));
  const data = info["format-specific"]?.data;
  const external = data?.["data-file"];
  return {
    backing: info["full-backing-filename"] ?? info["backing-filename"],
    backingFormat: info["backing-filename-format"],
    files: [
      ...(data?.extents ?? []).map(({ filename }) => filename),
      ...(external === undefined ? [] : [external]),
    ],
  };
}

/** What it means that a program of qemu-utils failed. */
function failure(program: string, image: string, error: unknown): unknown {
  if (!(error instanceof ExecaError) || error.isCanceled) return error;
  if (error.code === "ENOENT") return missing(program, error);
  const stderr: unknown = error.stderr;
  const said = typeof stderr === "string" ? (stderr.trim().split("\n").at(-1) ?? "") : "";
  return new SanlabError(
    "IMAGE_BROKEN",
    `${image}: ${program} cannot open it: ${said || error.shortMessage}`,
    { cause: error },
  );
}

export const missing = (program: string, cause?: unknown): LabError =>
  new LabError("TOOL_MISSING", `${program} is missing: sudo apt-get install qemu-utils`, { cause });

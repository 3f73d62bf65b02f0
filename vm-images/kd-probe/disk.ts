import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { guestFolder } from "../guest-folder.ts";
import { runTool } from "../host-tool.ts";
import { settingsSector, type KdProbeSettings } from "./settings.ts";

export interface KdProbeBuild {
  /** The file to make. */
  readonly image: string;
  /** An empty folder for intermediate files. */
  readonly scratch: string;
  readonly settings: KdProbeSettings;
  readonly signal?: AbortSignal | undefined;
}

const sector = 512;
const diskSize = 1 << 20;

/**
 * Builds the disk of the stand-in for a Windows kernel: the boot sector, a sector with its settings, the program. The
 * assembler is nasm.
 *
 * @throws LabError `TOOL_MISSING`, `TOOL_FAILED`
 */
export async function buildKdProbe(build: KdProbeBuild): Promise<void> {
  const program = await assemble("kd-probe.asm", [], build);
  const sectors = 1 + Math.ceil(program.length / sector);
  const boot = await assemble("boot.asm", [`-DSECTORS=${sectors}`], build);
  const disk = Buffer.alloc(diskSize);
  boot.copy(disk, 0);
  settingsSector(build.settings).copy(disk, sector);
  program.copy(disk, 2 * sector);
  await writeFile(build.image, disk);
}

async function assemble(
  source: string,
  options: readonly string[],
  { scratch, signal }: KdProbeBuild,
): Promise<Buffer> {
  const folder = path.join(guestFolder, "kd-probe");
  const out = path.join(scratch, `${source}.bin`);
  const strict = ["-w+all", "-w-unknown-warning", "-Werror"];
  await runTool(
    "nasm",
    ["-f", "bin", ...strict, ...options, "-I", `${folder}/`, "-o", out, path.join(folder, source)],
    {
      signal,
      writes: scratch,
    },
  );
  return readFile(out);
}

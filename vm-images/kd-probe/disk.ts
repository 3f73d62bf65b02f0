import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { guestFolder } from "../guest-folder.ts";
import { runTool } from "../host-tool.ts";
import { settingsSector, type KdProbeSettings } from "./settings.ts";

const sector = 512;
const diskSize = 1 << 20;

/**
 * The disk of the stand-in for a Windows kernel: the boot sector, a sector with its settings, the program, zeros up to
 * 1 MiB. The assembler is nasm.
 *
 * @throws LabError `TOOL_MISSING`, `TOOL_FAILED`
 */
export async function buildKdProbe(
  settings: KdProbeSettings = {},
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Buffer> {
  const scratch = await mkdtemp(path.join(tmpdir(), "sanlab-kd-probe-"));
  try {
    const program = await assemble("kd-probe.asm", [], scratch, options);
    const sectors = 1 + Math.ceil(program.length / sector);
    const boot = await assemble("boot.asm", [`-DSECTORS=${sectors}`], scratch, options);
    const disk = Buffer.alloc(diskSize);
    boot.copy(disk, 0);
    settingsSector(settings).copy(disk, sector);
    program.copy(disk, 2 * sector);
    return disk;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function assemble(
  source: string,
  defines: readonly string[],
  scratch: string,
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<Buffer> {
  const folder = path.join(guestFolder, "kd-probe");
  const out = path.join(scratch, `${source}.bin`);
  const strict = ["-w+all", "-w-unknown-warning", "-Werror"];
  const args = ["-f", "bin", ...strict, ...defines, "-I", `${folder}/`, "-o", out, path.join(folder, source)];
  await runTool("nasm", args, { signal, writes: scratch });
  return readFile(out);
}

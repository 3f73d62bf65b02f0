import { mkdir, writeFile } from "node:fs/promises";
import { bootScriptName } from "./boot-machine.ts";
import { rootPathOf } from "./boot-services.ts";
import { sanbootScript } from "#netboot";
import type { Lab } from "#harness/lab";
import type { RunPlan } from "./plan.ts";
import type { Portal } from "./start-target.ts";

/**
 * On QEMU's user-mode network its own DHCP server answers, which has no root path: an iPXE script takes its place.
 *
 * @returns the folder that QEMU's TFTP server is to offer
 */
export async function bootScriptFolder(plan: RunPlan, portal: Portal, lab: Lab): Promise<string> {
  const folder = lab.path("tftp");
  await mkdir(folder, { mode: 0o700 });
  const script = sanbootScript({
    rootPath: rootPathOf(plan, portal.port),
    initiatorName: plan.initiatorName,
  });
  await writeFile(`${folder}/${bootScriptName}`, script);
  return folder;
}

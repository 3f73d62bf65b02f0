import { constants } from "node:fs";
import { copyFile, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { errorMessage, LabError } from "#core";
import type { Lab } from "#harness/lab";
import type { RunPlan } from "./plan.ts";
import type { Portal } from "./start-target.ts";

const startLimitMs = 10_000;
const pollMs = 50;

/**
 * Serves the guest's disk by Debian's tgtd: a target that is not ours. tgtd writes to what it serves, so it gets a copy
 * of the image (a reflink where the file system can), which loses its name as soon as tgtd holds it open.
 *
 * @throws LabError TGT_MISSING, TGT_FAILED
 */
export async function startTgt(plan: RunPlan, lab: Lab, portal: Portal): Promise<Portal> {
  const disk = path.join(lab.folder, "tgt-disk.img");
  await copyFile(plan.guest.image, disk, constants.COPYFILE_FICLONE);
  lab.defer(() => rm(disk, { force: true }));

  // A socket's path may have 107 bytes only: seen from the run folder it is short, wherever that is.
  const options = {
    cwd: lab.folder,
    env: { TGT_IPC_SOCKET: "tgtd.sock", PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` },
    stdin: "ignore",
  } as const;
  const log = { file: lab.path("target-tgtd.log") };
  const daemon = execa("tgtd", ["-f", "--iscsi", `portal=${portal.host}:${portal.port}`], {
    ...options,
    stdout: log,
    stderr: log,
    reject: false,
    forceKillAfterDelay: 1000,
  });
  lab.defer(async () => {
    daemon.kill("SIGKILL");
    await daemon;
    for (const name of ["tgtd.sock", "tgtd.sock.lock", "tgtd.sock.0", "tgtd.sock.0.lock"])
      await rm(lab.path(name), { force: true });
  });
  let ended: string | undefined;
  void daemon.then(
    (result) => (ended = result.code === "ENOENT" ? "ENOENT" : (result.shortMessage ?? "it ended")),
  );

  const admin = async (...args: readonly string[]) => {
    const result = await execa("tgtadm", ["--lld", "iscsi", ...args], {
      ...options,
      reject: false,
      cancelSignal: lab.signal,
    });
    if (result.failed)
      throw new LabError(
        "TGT_FAILED",
        `tgtadm ${args.join(" ")}: ${result.stderr.trim() || errorMessage(result)}`,
      );
  };
  const limit = performance.now() + startLimitMs;
  for (;;) {
    try {
      await admin("--op", "show", "--mode", "sys");
      break;
    } catch (error) {
      if (ended === "ENOENT")
        throw new LabError("TGT_MISSING", "tgtd is not installed: apt-get install tgt", { cause: error });
      if (ended !== undefined)
        throw new LabError("TGT_FAILED", `tgtd did not start (${ended}); see ${log.file}`, { cause: error });
      if (performance.now() > limit) throw error;
      await delay(pollMs, undefined, { signal: lab.signal });
    }
  }
  await admin("--op", "new", "--mode", "target", "--tid", "1", "-T", plan.target.iqn);
  await admin(
    "--op",
    "new",
    "--mode",
    "logicalunit",
    "--tid",
    "1",
    "--lun",
    String(plan.target.lun),
    "-b",
    disk,
  );
  await admin("--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL");
  await rm(disk, { force: true });
  return portal;
}

import { constants } from "node:fs";
import { copyFile, rm } from "node:fs/promises";
import { LabError } from "#core";
import type { Lab } from "#harness/lab";
import { runTool, toolEnvironment } from "#harness/network";
import type { RunPlan } from "./plan.ts";
import { relaySecret } from "./secret-relay.ts";
import type { Portal } from "./start-target.ts";
import { startDaemon, waitForDaemon } from "./target-daemon.ts";

/** A socket's path may have 107 bytes only, so both programs work in the run folder and name it relatively. */
const socket = "tgtd.sock";
const relaySocket = "relay.sock";
const leftovers = [socket, `${socket}.lock`, `${socket}.0`, `${socket}.0.lock`];

/**
 * Serves the guest's disk by Debian's tgtd: a target that is not ours. tgtd writes to what it serves, so it gets a copy
 * of the image (a reflink where the file system can), which loses its name as soon as tgtd holds it open.
 *
 * @throws LabError TGT_MISSING, TGT_FAILED
 */
export async function startTgt(plan: RunPlan, lab: Lab, portal: Portal): Promise<Portal> {
  const disk = lab.path("tgt-disk.img");
  lab.defer(() => rm(disk, { force: true }));
  await copyFile(plan.guest.image, disk, constants.COPYFILE_FICLONE);
  const env = { ...toolEnvironment(), TGT_IPC_SOCKET: socket };
  const daemon = await startDaemon(lab, {
    command: ["tgtd", "-f", "--iscsi", `portal=${portal.host}:${portal.port}`],
    env,
    leftovers,
  });

  const adminBy =
    (over: string) =>
    async (...args: readonly string[]) => {
      const { status, reason } = await runTool("tgtadm", ["--lld", "iscsi", ...args], {
        env: { ...env, TGT_IPC_SOCKET: over },
        cwd: lab.folder,
        signal: lab.signal,
      });
      return status === 0 ? undefined : reason;
    };
  const admin = adminBy(socket);
  await waitForDaemon(daemon, lab, { missing: "TGT_MISSING", failed: "TGT_FAILED", debian: "tgt" }, () =>
    admin("--op", "show", "--mode", "sys"),
  );
  const target = ["--mode", "target", "--tid", "1"];
  const steps = [
    ["--op", "new", ...target, "-T", plan.target.iqn],
    ["--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", String(plan.target.lun), "-b", disk],
    ["--op", "bind", ...target, "-I", "ALL"],
  ];
  for (const step of steps) {
    const reason = await admin(...step);
    if (reason !== undefined) throw new LabError("TGT_FAILED", `tgtadm ${step.join(" ")}: ${reason}`);
  }
  for (const account of accountsOf(plan)) await addAccount(account, lab.folder, adminBy(relaySocket));
  await rm(disk);
  return portal;
}

interface Account {
  readonly user: string;
  readonly secret: string;
  /** By which tgtd proves itself to initiators. */
  readonly outgoing: boolean;
}

function accountsOf({ target: { chap } }: RunPlan): readonly Account[] {
  if (chap === undefined) return [];
  return [
    { user: chap.user, secret: chap.secret, outgoing: false },
    ...(chap.mutual === undefined ? [] : [{ ...chap.mutual, outgoing: true }]),
  ];
}

async function addAccount(
  { user, secret, outgoing }: Account,
  folder: string,
  admin: (...args: readonly string[]) => Promise<string | undefined>,
): Promise<void> {
  const account = ["--mode", "account", "--user", user];
  await using relay = await relaySecret({
    folder,
    name: `${relaySocket}.0`,
    daemon: `${socket}.0`,
    secret,
  });
  const reason =
    (await admin("--op", "new", ...account, "--password", relay.placeholder)) ??
    (await admin("--op", "bind", ...account, "--tid", "1", ...(outgoing ? ["--outgoing"] : [])));
  if (reason !== undefined) throw new LabError("TGT_FAILED", `tgtadm: the account of ${user}: ${reason}`);
}

import { constants } from "node:fs";
import { copyFile, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import type { Lab } from "#harness/lab";
import { toolEnvironment } from "#harness/network";
import type { RunPlan } from "./plan.ts";
import type { Portal } from "./start-target.ts";
import { startDaemon, waitForDaemon } from "./target-daemon.ts";

const configuration = "istgt.conf";
const pidFile = "istgt.pid";
const authentication = "istgt-auth.conf";

/**
 * Serves the guest's disk by Debian's istgt: the FreeBSD project's target. It writes to what it serves, so it gets a
 * copy of the image, which loses its name as soon as istgt holds it open. Secrets are in a file of mode 0600 until then.
 *
 * @throws LabError ISTGT_MISSING, ISTGT_FAILED
 */
export async function startIstgt(plan: RunPlan, lab: Lab, portal: Portal): Promise<Portal> {
  const disk = lab.path("istgt-disk.img");
  const files = [configuration, authentication].map((name) => lab.path(name));
  for (const file of [disk, ...files]) lab.defer(() => rm(file, { force: true }));
  await copyFile(plan.guest.image, disk, constants.COPYFILE_FICLONE);
  const { size } = await stat(disk);
  await writeFile(lab.path(authentication), secretsOf(plan), { mode: 0o600 });
  await writeFile(lab.path(configuration), settings(plan, portal, lab, disk, size), { mode: 0o600 });
  const daemon = await startDaemon(lab, {
    command: ["istgt", "-D", "-c", lab.path(configuration)],
    env: toolEnvironment(),
    leftovers: [pidFile],
  });
  await waitForDaemon(
    daemon,
    lab,
    { missing: "ISTGT_MISSING", failed: "ISTGT_FAILED", debian: "istgt" },
    () => refusal(portal),
  );
  for (const file of [disk, ...files, lab.path(pidFile)]) await rm(file, { force: true });
  return portal;
}

/** Why nothing answers at a portal; undefined where something does. */
async function refusal({ host, port }: Portal): Promise<string | undefined> {
  const socket = connect({ host, port });
  const reason = await new Promise<string | undefined>((resolve) => {
    socket.once("connect", () => resolve(undefined));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
  socket.destroy();
  return reason;
}

/** One line: who may log in, and as whom istgt proves itself. */
function secretsOf({ target: { chap } }: RunPlan): string {
  if (chap === undefined) return "";
  const own = chap.mutual === undefined ? [] : [chap.mutual.user, chap.mutual.secret];
  const words = [chap.user, chap.secret, ...own].map((word) => JSON.stringify(word));
  return `[AuthGroup1]\n  Auth ${words.join(" ")}\n`;
}

function settings(plan: RunPlan, portal: Portal, lab: Lab, disk: string, size: number): string {
  const { iqn, lun, chap } = plan.target;
  const host = portal.host.includes(":") ? `[${portal.host}]` : portal.host;
  const method = chap === undefined ? "None" : chap.mutual === undefined ? "CHAP" : "CHAP Mutual";
  return `
[Global]
  NodeBase "${iqn.split(":")[0]}"
  PidFile ${lab.path(pidFile)}
  AuthFile ${lab.path(authentication)}
  MediaDirectory ${lab.folder}
  LogFacility "local7"
  Timeout 30
  NopInInterval 20
  DiscoveryAuthMethod None
  MaxSessions 16
  MaxConnections 4
  MaxR2T 32
  MaxOutstandingR2T 16
  DefaultTime2Wait 2
  DefaultTime2Retain 60
  FirstBurstLength 262144
  MaxBurstLength 1048576
  MaxRecvDataSegmentLength 262144
  InitialR2T Yes
  ImmediateData Yes
  DataPDUInOrder Yes
  DataSequenceInOrder Yes
  ErrorRecoveryLevel 0
[UnitControl]
  Portal UC1 127.0.0.1:0
[PortalGroup1]
  Portal DA1 ${host}:${portal.port}
[InitiatorGroup1]
  InitiatorName "ALL"
  Netmask ALL
[LogicalUnit1]
  TargetName "${iqn}"
  Mapping PortalGroup1 InitiatorGroup1
  AuthMethod ${method}
  ${chap === undefined ? "" : "AuthGroup AuthGroup1"}
  UseDigest Auto
  UnitType Disk
  QueueDepth 64
  LUN${lun} Storage ${disk} ${Math.floor(size / 1024 / 1024)}MB
`;
}

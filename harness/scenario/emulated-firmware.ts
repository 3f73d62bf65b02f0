import { lookup } from "node:dns/promises";
import { open, rm } from "node:fs/promises";
import { LabError, parseIp, type Report } from "#core";
import { Session } from "#initiator";
import { serveNbd, type NbdExportOptions, type NbdServer } from "#nbd";
import type { Lab } from "#harness/lab";
import type { Timeline } from "#harness/observe";
import type { DiskController, DiskSpec } from "#harness/qemu-launcher";
import { carryTables, type TableCarriers } from "./emulated-carriers.ts";
import type { SessionFactsForTable } from "./emulated-table.ts";
import { FirmwareDiskLog } from "./firmware-disk-log.ts";
import type { RunPlan } from "./plan.ts";
import { ReadAhead } from "./read-ahead.ts";
import type { Portal } from "./start-target.ts";

/** The boot firmware that sanlab itself plays: its session, its disk, and the table that it leaves. */
export interface EmulatedFirmware {
  readonly disk: DiskSpec;
  readonly carriers: TableCarriers;
  /** The machine runs and has its disk: what is read from now on is its own firmware's doing. */
  started(): Promise<void>;
  /** Takes the disk away: whoever still uses it gets errors. Resolves when nothing of it is under way any more. */
  fence(): Promise<void>;
  /** Ends the session, as firmware does that the operating system has relieved. */
  logout(): Promise<void>;
}

const exportName = "firmware";
const socketName = "firmware.sock";

/** Logs in to the target and offers its disk to the machine, in the lab's keeping (`firmware` events). */
export async function startEmulatedFirmware(
  plan: RunPlan,
  portal: Portal,
  lab: Lab,
  timeline: Timeline,
): Promise<EmulatedFirmware> {
  const { signal } = lab;
  const { iqn, lun, chap } = plan.target;
  const report = timeline.reporter("firmware");
  const session = lab.own(
    await Session.login({
      ...portal,
      target: iqn,
      initiator: plan.initiatorName,
      ...(chap && { chap }),
      report,
      signal,
    }),
  );
  const device = await session.disk(lun, { signal });
  timeline.append("firmware", "disk", { lun, size: device.size, blockSize: device.blockSize });
  const log = new FirmwareDiskLog(report);
  const server = await serve(lab, { name: exportName, device: new ReadAhead(device) }, log.see);
  const carriers = await carryTables(plan, await factsOf(plan, session, portal), lab);
  return {
    disk: {
      id: "san",
      source: { kind: "nbd", socket: `/proc/self/cwd/${socketName}`, export: exportName },
      controller: controllerOf(plan),
      bootIndex: 0,
    },
    carriers,
    async started() {
      log.started();
      // QEMU holds its connection, and nobody else is to have one.
      await rm(lab.path(socketName), { force: true });
    },
    fence: () => server.fence(exportName, { signal }),
    async logout() {
      log.end();
      await session.logout();
    },
  };
}

function controllerOf({ scenario }: RunPlan): DiskController {
  return scenario.emulated?.controller ?? (scenario.uefi ? "nvme" : "lsi53c895a");
}

/** A socket's path may have 107 bytes only, so server and QEMU both name it from the run folder, which they have open. */
async function serve(lab: Lab, served: NbdExportOptions, report: Report): Promise<NbdServer> {
  const folder = await open(lab.folder, "r");
  lab.defer(() => folder.close());
  return lab.own(
    await serveNbd({
      listen: { path: `/proc/self/fd/${folder.fd}/${socketName}` },
      exports: [served],
      report,
      signal: lab.signal,
    }),
  );
}

/** As the guest reaches it: the portal that was asked, or the one that the target sent the login to. */
async function factsOf(plan: RunPlan, session: Session, asked: Portal): Promise<SessionFactsForTable> {
  const { iqn, lun } = plan.target;
  const { host, port } = session.portal;
  const redirected = host !== asked.host || port !== asked.port;
  const named = redirected ? host : plan.target.host;
  return { host: await addressOf(named), port, target: iqn, lun };
}

/** The table has room for an address only. */
async function addressOf(host: string): Promise<string> {
  if (parseIp(host) !== undefined) return host;
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new LabError("NO_SUCH_HOST", `${host} has no address; name the portal by its address`, {
      cause: error,
    });
  }
}

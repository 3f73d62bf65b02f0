import { UsageError } from "#core";
import { Session } from "#initiator";
import type { Timeline } from "#harness/observe";
import type { RunPlan } from "./plan.ts";
import type { Portal } from "./start-target.ts";

/** The last two bytes of a boot sector, on a BIOS and in the protective MBR of a GPT disk. */
const bootSignature = 0xaa55;

/**
 * Logs in to the target before any guest does, and looks at the disk: what fails here would fail every boot, and here it
 * can be said plainly. What is seen goes to the timeline (`preflight` events).
 *
 * @throws what the initiator throws, naming portal and target; UsageError IMAGE_NOT_BOOTABLE
 */
export async function checkTarget(
  plan: RunPlan,
  portal: Portal,
  timeline: Timeline,
  signal: AbortSignal,
): Promise<void> {
  const { iqn, lun, chap } = plan.target;
  await using session = await Session.login({
    ...portal,
    target: iqn,
    initiator: plan.initiatorName,
    ...(chap && { chap }),
    recovery: { attempts: 0 },
    report: timeline.reporter("preflight"),
    signal,
  });
  const disk = await session.disk(lun, { signal });
  const { vendor, product } = disk.identity.inquiry;
  timeline.append("preflight", "disk", { vendor, product, size: disk.size, blockSize: disk.blockSize });
  const sector = Buffer.alloc(disk.blockSize);
  await disk.read(0, sector, { signal });
  const signed = sector.readUInt16LE(510) === bootSignature;
  timeline.append("preflight", "boot-sector", { signed });
  await session.logout();
  if (!signed) {
    throw new UsageError(
      "IMAGE_NOT_BOOTABLE",
      `${plan.guest.image}: the first sector has no boot signature (55 AA); name a raw image of a whole bootable disk`,
    );
  }
}

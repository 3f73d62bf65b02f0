import {
  dpoFuaBit,
  ModePage,
  readBlockLimits,
  readDesignators,
  readLogicalBlockProvisioning,
  VpdPage,
  writeProtectBit,
  type BlockLimits,
  type Capacity16,
  type Designator,
  type LogicalBlockProvisioning,
  type StandardInquiry,
} from "#scsi";
import type { LogicalUnit, SignalOptions } from "./logical-unit.ts";

/** What a disk says of itself; what it does not say is undefined. */
export interface DiskIdentity {
  readonly inquiry: StandardInquiry;
  readonly capacity: Capacity16;
  /** VPD pages that it has, by number. */
  readonly pages: readonly number[];
  readonly serial: string | undefined;
  readonly designators: readonly Designator[];
  readonly limits: BlockLimits | undefined;
  readonly provisioning: LogicalBlockProvisioning | undefined;
  readonly writeProtected: boolean;
  /** Whether READ and WRITE take the FUA bit. */
  readonly forcedAccess: boolean;
}

/** Asks a disk who it is: INQUIRY, the VPD pages it lists, READ CAPACITY, MODE SENSE. */
export async function identifyDisk(unit: LogicalUnit, options: SignalOptions = {}): Promise<DiskIdentity> {
  const inquiry = await unit.inquiry(options);
  await unit.testUnitReady(options);
  const capacity = await unit.readCapacity(options);
  const pages = [...((await unit.vpd(VpdPage.Supported, options)) ?? [])];
  const page = async (number: number) =>
    pages.includes(number) ? await unit.vpd(number, options) : undefined;
  const serial = await page(VpdPage.SerialNumber);
  const designators = await page(VpdPage.DeviceIdentification);
  const limits = await page(VpdPage.BlockLimits);
  const provisioning = await page(VpdPage.LogicalBlockProvisioning);
  const mode = await unit.modeSense(ModePage.Caching, options).catch(() => undefined);
  return {
    inquiry,
    capacity,
    pages,
    serial: serial && Buffer.from(serial).toString("latin1").trim(),
    designators: designators === undefined ? [] : readDesignators(designators),
    limits: limits && readBlockLimits(limits),
    provisioning: provisioning && readLogicalBlockProvisioning(provisioning),
    writeProtected: ((mode?.deviceSpecific ?? 0) & writeProtectBit) !== 0,
    forcedAccess: ((mode?.deviceSpecific ?? 0) & dpoFuaBit) !== 0,
  };
}

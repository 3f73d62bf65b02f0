import { readReportLuns } from "#scsi";
import { lunValue, type LunValue } from "ts-iscsi-pdu";
import { LogicalUnit, type Executor, type SignalOptions } from "./logical-unit.ts";

/** A target may have 16,384 single-level LUNs; this bounds what it can make us allocate. */
const longestAnswer = 8 + 8 * 65_536;

/** The logical units that a target reports, in its order: plain numbers where they have one, else their 8 bytes. */
export async function reportLuns(
  executor: Executor,
  options: SignalOptions = {},
): Promise<readonly LunValue[]> {
  const unit = new LogicalUnit(executor, 0);
  for (let length = 4096; ;) {
    const bytes = await unit.fetch("reportLuns", { allocationLength: length }, length, options);
    const { luns, totalLength } = readReportLuns(bytes);
    if (totalLength <= length || length >= longestAnswer) return luns.map((lun) => lunValue(lun));
    length = Math.min(totalLength, longestAnswer);
  }
}

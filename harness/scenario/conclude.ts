import { readFile } from "node:fs/promises";
import path from "node:path";
import { describeIbft, readIbft } from "#ibft";
import { writeJson, type Lab } from "#harness/lab";
import { readTimeline, type Observation } from "#harness/observe";
import { judge, type Verdict } from "#harness/verdict";

export interface Judgement {
  readonly verdict: Verdict;
  /** The table that the firmware left, for people; secrets redacted. */
  readonly ibftText?: string;
}

/** Judges what was seen and keeps the verdict in the run folder. */
export async function conclude(
  observations: readonly Observation[],
  lab: Pick<Lab, "folder">,
): Promise<Judgement> {
  const { formatVersion, ...verdict } = judge(observations);
  await writeJson(path.join(lab.folder, "verdict.json"), verdict, { formatVersion });
  return { verdict: { formatVersion, ...verdict }, ...(await ibftText(lab.folder)) };
}

/**
 * Judges a finished run again, from its saved timeline.
 *
 * @throws UsageError where the folder holds no timeline that this version can read
 */
export async function judgeFolder(folder: string): Promise<Judgement> {
  return await conclude(await readTimeline(path.join(folder, "events.jsonl")), { folder });
}

async function ibftText(folder: string): Promise<{ ibftText?: string }> {
  const bytes = await readFile(path.join(folder, "ibft.bin")).catch(() => undefined);
  return bytes === undefined ? {} : { ibftText: describeIbft(readIbft(bytes).table) };
}

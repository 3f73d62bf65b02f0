import type { Plan } from "../scsi/plan.ts";
import { Burst } from "./burst.ts";
import type { ScsiTask } from "./scsi-task.ts";

type Receiving = Extract<Plan, { kind: "gather" | "stream" }>;

const nothing = new Uint8Array(0);

/**
 * Gets `total` bytes of a command's data: what has come unasked, then by R2T, up to MaxOutstandingR2T of them at a time
 * and never more than the session's budget. A stream's bursts go to the device as they come.
 * @returns all data of a gathering plan, nothing of a stream; undefined where the command was aborted.
 */
export async function receiveData(
  task: ScsiTask,
  plan: Receiving,
  total: number,
): Promise<Uint8Array | undefined> {
  const first = Math.min(total, task.unsolicited?.received ?? 0);
  const unasked = task.unsolicited?.buffer.subarray(0, first) ?? nothing;
  if (first === total) {
    if (plan.kind === "gather") return unasked;
    if (total > 0) await plan.write(0, unasked);
    return nothing;
  }
  return plan.kind === "gather" ? gather(task, unasked, total) : stream(task, plan, unasked, total);
}

async function gather(task: ScsiTask, unasked: Uint8Array, total: number): Promise<Uint8Array | undefined> {
  const { budget } = task.session;
  await budget.take(total);
  try {
    const whole = Buffer.allocUnsafeSlow(total);
    whole.set(unasked);
    const came = await forEachBurst(task, unasked.length, total, async (offset, length) => {
      const burst = openBurst(task, offset, whole.subarray(offset, offset + length));
      return await waitFor(task, burst);
    });
    return came ? whole : undefined;
  } finally {
    budget.give(total);
  }
}

async function stream(
  task: ScsiTask,
  plan: Extract<Plan, { kind: "stream" }>,
  unasked: Uint8Array,
  total: number,
): Promise<Uint8Array | undefined> {
  const { budget } = task.session;
  const writeFirst = unasked.length === 0 ? Promise.resolve() : plan.write(0, unasked);
  const rest = forEachBurst(task, unasked.length, total, async (offset, length) => {
    await budget.take(length);
    try {
      if (task.aborted) return false;
      const burst = openBurst(task, offset, Buffer.allocUnsafeSlow(length));
      if (!(await waitFor(task, burst))) return false;
      await plan.write(offset, burst.buffer);
      return true;
    } finally {
      budget.give(length);
    }
  });
  const [, came] = await Promise.all([writeFirst, rest]);
  return came ? nothing : undefined;
}

/** Works through the range in bursts, several at a time; false as soon as one of them says so. */
async function forEachBurst(
  task: ScsiTask,
  start: number,
  total: number,
  work: (offset: number, length: number) => Promise<boolean>,
): Promise<boolean> {
  const { MaxBurstLength, MaxOutstandingR2T } = task.session.params;
  let next = start;
  let going = true;
  const lane = async () => {
    while (going && next < total) {
      const offset = next;
      const length = Math.min(MaxBurstLength, total - offset);
      next += length;
      if (!(await work(offset, length))) going = false;
    }
  };
  const lanes = Math.min(MaxOutstandingR2T, Math.ceil((total - start) / MaxBurstLength));
  const results = await Promise.allSettled(
    Array.from({ length: lanes }, () =>
      lane().catch((error: unknown) => {
        going = false;
        throw error;
      }),
    ),
  );
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return going;
}

function openBurst(task: ScsiTask, offset: number, buffer: Uint8Array): Burst {
  const burst = new Burst(offset, buffer, task.session.params.DataPDUInOrder);
  task.bursts.add(burst);
  task.sendR2t(burst);
  return burst;
}

async function waitFor(task: ScsiTask, burst: Burst): Promise<boolean> {
  if (task.aborted) burst.abort();
  const whole = await burst.complete;
  task.bursts.delete(burst);
  task.session.closeBurst(burst);
  return whole && !task.aborted;
}

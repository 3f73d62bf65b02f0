import type { Plan } from "../scsi/plan.ts";
import { Burst, type Arrival } from "./burst.ts";
import type { ScsiTask } from "./scsi-task.ts";

type Receiving = Extract<Plan, { kind: "gather" | "stream" }>;

const nothing = new Uint8Array(0);
/** How often one part of the data is asked for again. */
const maxAttempts = 8;

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

/**
 * Waits for a sequence to come, and asks for what of it was lost by recovery R2Ts (RFC 7143, section 7.8); false where
 * the command was aborted or the data does not come.
 */
export async function receiveBurst(
  task: ScsiTask,
  burst: Burst,
  solicited = true,
  attempt = 1,
): Promise<boolean> {
  if (task.aborted) burst.abort();
  else if (task.suspended) burst.cut();
  const arrival = await arrivalOf(task, burst);
  task.bursts.delete(burst);
  task.session.closeBurst(burst);
  if (task.suspended) await task.regained();
  if (arrival === "aborted" || task.aborted) return false;
  if (arrival === "whole") return true;
  for (const { start, end } of burst.holes(solicited)) {
    if (attempt === maxAttempts) return false;
    const again = openBurst(task, burst.offset + start, burst.buffer.subarray(start, end));
    if (!(await receiveBurst(task, again, true, attempt + 1))) return false;
    burst.fill(start, end);
  }
  return true;
}

async function gather(task: ScsiTask, unasked: Uint8Array, total: number): Promise<Uint8Array | undefined> {
  const { budget } = task.session;
  await budget.take(total);
  try {
    const whole = Buffer.allocUnsafeSlow(total);
    whole.set(unasked);
    const came = await forEachBurst(task, unasked.length, total, async (offset, length) => {
      const burst = openBurst(task, offset, whole.subarray(offset, offset + length));
      return await receiveBurst(task, burst);
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
      if (!(await receiveBurst(task, burst))) return false;
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
  const { MaxBurstLength, MaxOutstandingR2T, DataSequenceInOrder } = task.session.params;
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
  // Section 13.19: recovery reaches only the last of sequences that are kept in order.
  const oneByOne = task.session.recovery !== undefined && DataSequenceInOrder;
  const lanes = oneByOne ? 1 : Math.min(MaxOutstandingR2T, Math.ceil((total - start) / MaxBurstLength));
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
  const { params, recovery } = task.session;
  const burst = new Burst(offset, buffer, {
    inOrder: params.DataPDUInOrder,
    recovers: recovery !== undefined,
  });
  task.bursts.add(burst);
  if (!task.suspended) task.sendR2t(burst);
  return burst;
}

/** A header that was lost with its F bit shows only as silence (RFC 7143, section 7.1.4.1). */
async function arrivalOf(task: ScsiTask, burst: Burst): Promise<Arrival> {
  const { dataOutTimeout } = task.session.limits;
  if (task.session.recovery === undefined || dataOutTimeout === 0) return burst.complete;
  let seen = burst.received;
  const timer = setInterval(() => {
    if (burst.received === seen) burst.cut();
    seen = burst.received;
  }, dataOutTimeout);
  try {
    return await burst.complete;
  } finally {
    clearInterval(timer);
  }
}

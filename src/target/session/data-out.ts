import type { Plan } from "../scsi/plan.ts";
import { giveBuffer, takeBuffer } from "../buffer-pool.ts";
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
    letGo(task, unasked);
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
  const { budget, params } = task.session;
  await budget.take(total);
  try {
    const whole = Buffer.allocUnsafeSlow(total);
    whole.set(unasked);
    const came = await forEachRun(task, unasked.length, total, params.MaxBurstLength, (offset, length) =>
      receiveRun(task, offset, whole.subarray(offset, offset + length)),
    );
    return came ? whole : undefined;
  } finally {
    budget.give(total);
  }
}

/** A device takes whole blocks, though neither unasked data nor bursts need to end with one. */
async function stream(
  task: ScsiTask,
  plan: Extract<Plan, { kind: "stream" }>,
  unasked: Uint8Array,
  total: number,
): Promise<Uint8Array | undefined> {
  const { budget, params } = task.session;
  const blockSize = task.unit?.blockSize ?? 512;
  const wholeBlocks = (length: number) => length - (length % blockSize);
  const start = wholeBlocks(unasked.length);
  const step = Math.max(blockSize, wholeBlocks(params.MaxBurstLength));
  const writeFirst = start === 0 ? Promise.resolve() : plan.write(0, unasked.subarray(0, start));
  const rest = forEachRun(task, start, total, step, async (offset, length) => {
    await budget.take(length);
    try {
      if (task.aborted) return false;
      const run = takeBuffer(length);
      const known = offset === start ? unasked.length - start : 0;
      run.set(unasked.subarray(start, start + known));
      if (!(await receiveRun(task, offset + known, run.subarray(known)))) return false;
      await plan.write(offset, run);
      letGo(task, run);
      return true;
    } finally {
      budget.give(length);
    }
  });
  const [, came] = await Promise.all([writeFirst, rest]);
  if (!came) return undefined;
  letGo(task, unasked);
  return nothing;
}

/** The device has this data, and all of it had come: nobody writes into it any more, unless it may be sent again. */
function letGo(task: ScsiTask, data: Uint8Array): void {
  if (task.session.recovery === undefined) giveBuffer(data);
}

/** Asks for data until `into` is full: one burst, or more where it is longer than a burst may be. */
async function receiveRun(task: ScsiTask, offset: number, into: Uint8Array): Promise<boolean> {
  const { MaxBurstLength } = task.session.params;
  for (let at = 0; at < into.length; at += MaxBurstLength) {
    const burst = openBurst(task, offset + at, into.subarray(at, at + MaxBurstLength));
    if (!(await receiveBurst(task, burst))) return false;
  }
  return true;
}

/** Works through the range in steps, several at a time; false as soon as one of them says so. */
async function forEachRun(
  task: ScsiTask,
  start: number,
  total: number,
  step: number,
  work: (offset: number, length: number) => Promise<boolean>,
): Promise<boolean> {
  const { MaxOutstandingR2T, DataSequenceInOrder } = task.session.params;
  let next = start;
  let going = true;
  const lane = async () => {
    while (going && next < total) {
      const offset = next;
      const length = Math.min(step, total - offset);
      next += length;
      if (!(await work(offset, length))) going = false;
    }
  };
  // Section 13.19: recovery reaches only the last of sequences that are kept in order.
  const oneByOne = task.session.recovery !== undefined && DataSequenceInOrder;
  const lanes = oneByOne ? 1 : Math.min(MaxOutstandingR2T, Math.ceil((total - start) / step));
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

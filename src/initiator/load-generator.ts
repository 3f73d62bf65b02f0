import { SeededRandom } from "#core";
import { ScsiStatus } from "#scsi";
import { accessCdb } from "./access-cdb.ts";
import { ScsiError } from "./errors.ts";
import { LogicalUnit, type Executor } from "./logical-unit.ts";

export type LoadPattern = "read" | "write" | "randread" | "randwrite";

export interface LoadOptions {
  readonly pattern: LoadPattern;
  /** Bytes of one command; a multiple of the block size. */
  readonly size: number;
  /** Commands outstanding at a time, over all executors. */
  readonly depth: number;
  readonly seconds: number;
  readonly lun: number;
  readonly blockSize: number;
  /** Blocks of the disk that may be used, from the first. */
  readonly blocks: number;
  readonly signal?: AbortSignal;
}

export interface LoadResult {
  readonly commands: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Of this process, user and system, while the load ran. */
  readonly cpuSeconds: number;
  /** Milliseconds a command, by rank. */
  readonly latency: { readonly median: number; readonly p99: number; readonly max: number };
}

/** Every so many commands one is timed. */
const sampleEvery = 16;

/**
 * Keeps `depth` commands outstanding for a while and counts. The commands are spread over the executors in turn; any
 * status but GOOD ends it as a ScsiError.
 */
export async function generateLoad(
  executors: readonly Executor[],
  options: LoadOptions,
): Promise<LoadResult> {
  const { seconds, depth, signal, lun } = options;
  // What a new session has to announce is not part of the load.
  for (const executor of executors) await new LogicalUnit(executor, lun).testUnitReady();
  const samples: number[] = [];
  const start = performance.now();
  const cpu = process.cpuUsage();
  const end = start + seconds * 1000;
  const next = addresses(options);
  const write = options.pattern.endsWith("write");
  const blocks = options.size / options.blockSize;
  let commands = 0;
  const worker = async (executor: Executor) => {
    const buffer = Buffer.allocUnsafeSlow(options.size).fill(0x5a);
    for (let turn = 0; ; turn++) {
      const before = turn % sampleEvery === 0 ? performance.now() : 0;
      if (before >= end || signal?.aborted === true) return;
      const cdb = accessCdb(write ? "write" : "read", next(), blocks, false);
      const { status, sense } = await executor.execute(
        write ? { lun, cdb, write: buffer } : { lun, cdb, readInto: buffer },
      );
      if (status !== ScsiStatus.Good) throw new ScsiError(write ? "WRITE" : "READ", lun, status, sense);
      commands++;
      if (before > 0) samples.push(performance.now() - before);
    }
  };
  const turns = Array.from({ length: depth }, (_, i) => executors.slice(i % executors.length)).flatMap(
    (list) => list.slice(0, 1),
  );
  await Promise.all(turns.map(worker));
  signal?.throwIfAborted();
  const { user, system } = process.cpuUsage(cpu);
  samples.sort((a, b) => a - b);
  const rank = (share: number) =>
    samples[Math.min(Math.floor(samples.length * share), samples.length - 1)] ?? 0;
  return {
    commands,
    bytes: commands * options.size,
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: (user + system) / 1e6,
    latency: { median: rank(0.5), p99: rank(0.99), max: rank(1) },
  };
}

/** Block addresses without end, random or one after the other. */
function addresses({ pattern, size, blockSize, blocks }: LoadOptions): () => number {
  const step = size / blockSize;
  const slots = Math.floor(blocks / step);
  if (slots < 1)
    throw new RangeError(`a command of ${size} bytes does not fit on a disk of ${blocks * blockSize}`);
  const random = new SeededRandom(1);
  let at = 0;
  return pattern.startsWith("rand") ? () => random.below(slots) * step : () => (at++ % slots) * step;
}

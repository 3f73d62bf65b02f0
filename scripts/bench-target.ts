import { randomFillSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { Istgt, istgtTarget } from "../test/initiator/peers/istgt.ts";
import { Tgtd, tgtdTarget } from "../test/initiator/peers/tgtd.ts";
import { describeLoad, iscsiPerf, qemuBench, type Client, type Load } from "./bench/clients.ts";
import { enterOwnNetwork } from "./bench/own-network.ts";
import { OwnTarget } from "./bench/own-target.ts";
import { againstGoal, median, medianRatio } from "./bench/statistics.ts";

/**
 * The target beside tgtd and istgt: all three serve the same file in memory, and libiscsi's iscsi-perf and qemu-img
 * bench use them in turns, so that whatever else the machine does strikes all of them. Ratios are medians over the
 * rounds. The processor time is the target's.
 *
 *     npm run bench:target [-- --seconds 1 --rounds 5 --folder /dev/shm]
 */
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "1" },
    folder: { type: "string", default: "/dev/shm" },
  },
});
await enterOwnNetwork();
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const mebibytes = 256;

interface Subject {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
}

interface Figure {
  readonly rate: number;
  /** Processor time of the target for one command, in seconds. */
  readonly cpu: number;
}

const loads: readonly (readonly [Client, Load])[] = [
  [iscsiPerf, { pattern: "randread", size: 4096, depth: 1 }],
  [iscsiPerf, { pattern: "randread", size: 4096, depth: 32 }],
  [iscsiPerf, { pattern: "randread", size: 4096, depth: 64 }],
  [iscsiPerf, { pattern: "read", size: 131_072, depth: 8 }],
  [iscsiPerf, { pattern: "read", size: 1_048_576, depth: 4 }],
  [qemuBench, { pattern: "read", size: 4096, depth: 32 }],
  [qemuBench, { pattern: "read", size: 1_048_576, depth: 4 }],
  [qemuBench, { pattern: "write", size: 4096, depth: 32 }],
  [qemuBench, { pattern: "write", size: 131_072, depth: 8 }],
  [qemuBench, { pattern: "write", size: 1_048_576, depth: 4 }],
];

const folder = await mkdtemp(path.join(values.folder, "sanlab-bench-"));
try {
  const image = path.join(folder, "disk.img");
  await writeFile(image, randomFillSync(Buffer.allocUnsafe(mebibytes * 1024 * 1024)));
  await using own = await OwnTarget.start([image]);
  await using tgtd = await Tgtd.start({ file: image });
  await using istgt = await Istgt.start({ image, mebibytes });
  const subjects: readonly Subject[] = [
    { name: "sanlab", url: own.url, pid: own.pid },
    { name: "tgtd", url: `iscsi://127.0.0.1:${tgtd.port}/${tgtdTarget}/1`, pid: tgtd.pid },
    { name: "istgt", url: `iscsi://127.0.0.1:${istgt.port}/${istgtTarget}/0`, pid: istgt.pid },
  ];
  console.log(
    `${rounds} rounds of ${seconds} s a target, ${mebibytes} MiB in ${values.folder}; CPU: seconds of the target`,
  );
  for (const [client, load] of loads) {
    // The first seconds of a JavaScript program are its compiler's.
    await client.run(own.url, load, 1);
    await compare(subjects, client, load);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function compare(subjects: readonly Subject[], client: Client, load: Load): Promise<void> {
  const results = subjects.map((): Figure[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [at, subject] of subjects.entries()) {
      const before = cpuSeconds(subject.pid);
      const { rate, commands } = await client.run(subject.url, load, seconds);
      results[at]?.push({ rate, cpu: (cpuSeconds(subject.pid) - before) / commands });
    }
  console.log(`${describeLoad(load)} by ${client.name}`);
  const [ours = []] = results;
  for (const [at, theirs] of results.entries()) {
    const rate = median(theirs.map((figure) => figure.rate));
    const cpu = median(theirs.map((figure) => figure.cpu));
    const speed =
      load.size === 4096 ? `${rate.toFixed(0)} IOPS` : `${((rate * load.size) / 1e6).toFixed(0)} MB/s`;
    const perGib = (cpu * 2 ** 30) / load.size;
    const figures = `${subjects[at]?.name} ${speed}, ${(cpu * 100_000).toFixed(2)} s/100k, ${perGib.toFixed(2)} s/GiB`;
    console.log(`  ${figures}${at === 0 ? "" : `: ${verdict(ours, theirs, at === 1)}`}`);
  }
}

/** Only tgtd is a goal: istgt is here to be seen. */
function verdict(ours: readonly Figure[], theirs: readonly Figure[], goal: boolean): string {
  const ratio = (of: (figure: Figure) => number) => medianRatio(ours.map(of), theirs.map(of));
  const speed = ratio(({ rate }) => rate);
  const cpu = ratio((figure) => figure.cpu);
  return goal
    ? `speed × ${againstGoal(speed, "≥", 1)}, CPU × ${againstGoal(cpu, "≤", 1)}`
    : `speed × ${speed.toFixed(2)}, CPU × ${cpu.toFixed(2)}`;
}

/** User and system time of a process (proc(5): fields 14 and 15, in ticks of 10 ms). */
function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

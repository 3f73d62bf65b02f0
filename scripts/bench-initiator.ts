import { spawn } from "node:child_process";
import { MemoryDevice } from "#block";
import { generateLoad, Session, type LoadPattern } from "#initiator";
import { Target } from "#target";
import { Tgtd, tgtdTarget } from "../test/initiator/peers/tgtd.ts";

/**
 * The initiator beside libiscsi's iscsi-perf and qemu-img bench, against the same target and in turns, so that whatever
 * else the machine does strikes all of them. Prints medians and ratios; CPU is that of the client.
 *
 *     npm run bench:initiator [-- --seconds 3 --rounds 3]
 */
interface Figure {
  readonly iops: number;
  /** Seconds of processor time for 100,000 commands. */
  readonly cpu: number;
}

interface Load {
  readonly pattern: LoadPattern;
  readonly size: number;
  readonly depth: number;
  readonly digests?: true;
}

const initiator = "iqn.2026-01.org.sanlab:bench";
const option = (name: string, otherwise: number) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const seconds = option("--seconds", 3);
const rounds = option("--rounds", 3);

const loads: readonly Load[] = [
  { pattern: "randread", size: 4096, depth: 32 },
  { pattern: "randread", size: 4096, depth: 64 },
  { pattern: "read", size: 131_072, depth: 8 },
  { pattern: "read", size: 1_048_576, depth: 4 },
  { pattern: "write", size: 131_072, depth: 8 },
  { pattern: "write", size: 1_048_576, depth: 4 },
];

await using tgtd = await Tgtd.start({ store: "null" });
await using own = await Target.listen({
  iqn: tgtdTarget,
  luns: [{ lun: 1, device: new MemoryDevice(1024 * 1024 * 1024) }],
});
console.log(
  `${rounds} rounds of ${seconds} s; the own target shares this process's processor time, so only tgtd gives CPU figures`,
);
for (const [name, port] of [
  ["tgtd, null store", tgtd.port],
  ["own target, memory disk", own.address.port],
] as const) {
  console.log(`\n${name}`);
  for (const load of loads) await compare(port, load);
}
await compareDigests(tgtd.port);

async function compare(port: number, load: Load): Promise<void> {
  const ours: Figure[] = [];
  const theirs: Figure[] = [];
  const peer = load.pattern === "randread" ? iscsiPerf : qemuBench;
  for (let round = 0; round < rounds; round++) {
    ours.push(await sanlab(port, load));
    theirs.push(await peer(port, load));
  }
  const [a, b] = [median(ours), median(theirs)];
  const gib = 2 ** 30 / load.size / 100_000;
  console.log(
    `${load.pattern} ${load.size} @${load.depth}: sanlab ${a.iops.toFixed(0)}/s, ${a.cpu.toFixed(2)} s/100k, ${(a.cpu * gib).toFixed(2)} s/GiB; ` +
      `${peer.name} ${b.iops.toFixed(0)}/s, ${b.cpu.toFixed(2)} s/100k, ${(b.cpu * gib).toFixed(2)} s/GiB; ` +
      `speed × ${(a.iops / b.iops).toFixed(2)}, CPU × ${(a.cpu / b.cpu).toFixed(2)}`,
  );
}

/** What digests cost, in turns with and without. */
async function compareDigests(port: number): Promise<void> {
  await tgtd.admin(
    "--op",
    "update",
    "--mode",
    "target",
    "--tid",
    "1",
    "--name",
    "HeaderDigest",
    "--value",
    "CRC32C,None",
  );
  await tgtd.admin(
    "--op",
    "update",
    "--mode",
    "target",
    "--tid",
    "1",
    "--name",
    "DataDigest",
    "--value",
    "CRC32C,None",
  );
  const load: Load = { pattern: "read", size: 131_072, depth: 8 };
  const [plain, checked]: [Figure[], Figure[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    plain.push(await sanlab(port, load));
    checked.push(await sanlab(port, { ...load, digests: true }));
  }
  const [a, b] = [median(plain), median(checked)];
  console.log(
    `\ndigests, ${load.size} @${load.depth}: speed × ${(b.iops / a.iops).toFixed(2)}, CPU × ${(b.cpu / a.cpu).toFixed(2)}`,
  );
}

async function sanlab(port: number, { pattern, size, depth, digests }: Load): Promise<Figure> {
  const digest = digests ? "CRC32C" : "None";
  await using session = await Session.login({
    host: "127.0.0.1",
    port,
    target: tgtdTarget,
    initiator,
    keys: { HeaderDigest: digest, DataDigest: digest },
  });
  const {
    commands,
    seconds: took,
    cpuSeconds,
  } = await generateLoad([session], {
    pattern,
    size,
    depth,
    seconds,
    lun: 1,
    blockSize: 512,
    blocks: (512 * 1024 * 1024) / 512,
  });
  return { iops: commands / took, cpu: (cpuSeconds / commands) * 100_000 };
}

async function iscsiPerf(port: number, { size, depth }: Load): Promise<Figure> {
  const url = `iscsi://127.0.0.1:${port}/${tgtdTarget}/1`;
  const { output, cpu } = await timed([
    "timeout",
    "-s",
    "INT",
    String(seconds),
    "iscsi-perf",
    "-m",
    String(depth),
    "-b",
    String(size / 512),
    "-r",
    "-t",
    "60",
    url,
  ]);
  const iops = Number([...output.matchAll(/iops average (\d+)/g)].at(-1)?.[1]);
  return { iops, cpu: (cpu / (iops * seconds)) * 100_000 };
}

async function qemuBench(port: number, { pattern, size, depth }: Load): Promise<Figure> {
  const count = Math.ceil((512 * 1024 * 1024) / size);
  const image = `driver=raw,file.driver=iscsi,file.transport=tcp,file.portal=127.0.0.1:${port},file.target=${tgtdTarget},file.lun=1,file.initiator-name=${initiator}`;
  const write = pattern.endsWith("write") ? ["-w"] : [];
  const { output, cpu } = await timed([
    "qemu-img",
    "bench",
    ...write,
    "-c",
    String(count),
    "-s",
    String(size),
    "-d",
    String(depth),
    "--image-opts",
    image,
  ]);
  const took = Number(/in ([\d.]+) seconds/.exec(output)?.[1]);
  return { iops: count / took, cpu: (cpu / count) * 100_000 };
}

/** Runs a program; gives what it printed and the processor time it used. */
async function timed(command: readonly string[]): Promise<{ output: string; cpu: number }> {
  const child = spawn("bash", ["-c", 'TIMEFORMAT="CPU %U %S"; time "$@"', "bash", ...command]);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (output += String(bytes)));
  await new Promise((resolve) => child.once("close", resolve));
  const match = /CPU ([\d.]+) ([\d.]+)/.exec(output);
  return { output, cpu: Number(match?.[1]) + Number(match?.[2]) };
}

function median(figures: readonly Figure[]): Figure {
  return { iops: middle(figures.map(({ iops }) => iops)), cpu: middle(figures.map(({ cpu }) => cpu)) };
}

const middle = (list: readonly number[]) =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;

import { parseArgs } from "node:util";
import { generateLoad, Session } from "#initiator";
import { Tgtd, tgtdTarget } from "../test/initiator/peers/tgtd.ts";
import { describeLoad, iscsiPerf, qemuBench, type Client, type Load, type Run } from "./bench/clients.ts";
import { enterOwnNetwork } from "./bench/own-network.ts";
import { OwnTarget } from "./bench/own-target.ts";
import { againstGoal, median, medianRatio } from "./bench/statistics.ts";

/**
 * The initiator beside libiscsi's iscsi-perf and qemu-img bench, which uses libiscsi too: in turns against the same
 * target, so that whatever else the machine does strikes all of them. Ratios are medians over the rounds. The
 * processor time is the client's; the initiator's is that of a program that has been running for a while.
 *
 *     npm run bench:initiator [-- --seconds 1 --rounds 5]
 */
const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "1" } },
});
await enterOwnNetwork();
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const size = 256 * 1024 * 1024;

const loads: readonly Load[] = [
  { pattern: "randread", size: 4096, depth: 1 },
  { pattern: "randread", size: 4096, depth: 32 },
  { pattern: "randread", size: 4096, depth: 64 },
  { pattern: "read", size: 131_072, depth: 8 },
  { pattern: "read", size: 1_048_576, depth: 4 },
  { pattern: "write", size: 131_072, depth: 8 },
  { pattern: "write", size: 1_048_576, depth: 4 },
];

await using tgtd = await Tgtd.start({
  store: "null",
  parameters: { HeaderDigest: "CRC32C,None", DataDigest: "CRC32C,None" },
});
await using own = await OwnTarget.start(["--memory", `${size / 2 ** 20}M`]);
const targets = [
  { name: "tgtd with its null store", url: `iscsi://127.0.0.1:${tgtd.port}/${tgtdTarget}/1` },
  { name: "sanlab's target with a memory disk", url: own.url },
];

// QEMU does not ask a target for blocks that it knows to be holes.
await fill(own.url);
console.log(`${rounds} rounds of ${seconds} s a client; CPU: seconds of the client`);
for (const { name, url } of targets) {
  console.log(`\nagainst ${name}`);
  // The first seconds of a JavaScript program are its compiler's.
  for (const load of loads) await sanlab(false).run(url, load, 0.3);
  for (const load of loads) await compare(url, load);
}
console.log(`\nboth digests, against ${targets[1]?.name}`);
for (const load of loads) if (load.depth !== 1) await compareDigests(own.url, load);

async function compare(url: string, load: Load): Promise<void> {
  const clients = [sanlab(false), ...[iscsiPerf, qemuBench].filter((client) => client.can(load))];
  const [ours = [], ...peers] = await inTurns(url, load, clients);
  console.log(`${describeLoad(load)}: ${figures("sanlab", load, ours)}`);
  for (const [at, theirs] of peers.entries()) {
    const small = load.size === 4096;
    const speed = ratio(ours, theirs, ({ rate }) => rate);
    const cpu = ratio(ours, theirs, perCommand);
    const verdicts =
      load.depth === 1
        ? `speed × ${speed.toFixed(2)}, CPU × ${cpu.toFixed(2)}`
        : `speed × ${againstGoal(speed, "≥", small ? 1.25 : 1)}, CPU × ${small ? againstGoal(cpu, "≤", 0.7) : cpu.toFixed(2)}`;
    console.log(`  ${figures(clients[at + 1]?.name ?? "", load, theirs)}: ${verdicts}`);
  }
}

/** What digests cost, in turns without and with. */
async function compareDigests(url: string, load: Load): Promise<void> {
  const [plain = [], checked = []] = await inTurns(url, load, [sanlab(false), sanlab(true)]);
  const speed = ratio(checked, plain, ({ rate }) => rate);
  const cpu = ratio(checked, plain, perCommand);
  console.log(
    `${describeLoad(load)}: speed × ${againstGoal(speed, "≥", 0.75)}, client's CPU × ${cpu.toFixed(2)}`,
  );
}

async function inTurns(url: string, load: Load, clients: readonly Client[]): Promise<readonly Run[][]> {
  const runs = clients.map((): Run[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [at, client] of clients.entries()) runs[at]?.push(await client.run(url, load, seconds));
  return runs;
}

async function fill(url: string): Promise<void> {
  await using session = await login(url, "None");
  const disk = await session.disk(lunOf(url));
  const bytes = Buffer.alloc(1024 * 1024, "bench");
  for (let at = 0; at < size; at += bytes.length) await disk.write(at, bytes);
}

function lunOf(url: string): number {
  return Number(url.split("/").at(-1));
}

async function login(url: string, digest: "None" | "CRC32C"): Promise<Session> {
  const { port } = new URL(url.replace("iscsi:", "http:"));
  return await Session.login({
    host: "127.0.0.1",
    port: Number(port),
    target: url.split("/").at(-2) ?? "",
    initiator: "iqn.2026-01.org.sanlab:bench",
    keys: { HeaderDigest: digest, DataDigest: digest },
  });
}

function sanlab(digests: boolean): Client {
  const digest = digests ? "CRC32C" : "None";
  return {
    name: "sanlab",
    can: () => true,
    async run(url, { pattern, size: bytes, depth }, time) {
      await using session = await login(url, digest);
      const result = await generateLoad([session], {
        pattern,
        size: bytes,
        depth,
        seconds: time,
        lun: lunOf(url),
        blockSize: 512,
        blocks: size / 512,
      });
      return {
        commands: result.commands,
        rate: result.commands / result.seconds,
        cpu: result.cpuSeconds,
      };
    },
  };
}

function perCommand({ cpu, commands }: Run): number {
  return cpu / commands;
}

function ratio(ours: readonly Run[], theirs: readonly Run[], of: (run: Run) => number): number {
  return medianRatio(ours.map(of), theirs.map(of));
}

function figures(name: string, load: Load, runs: readonly Run[]): string {
  const rate = median(runs.map((run) => run.rate));
  const cpu = median(runs.map(perCommand));
  const speed =
    load.size === 4096 ? `${rate.toFixed(0)} IOPS` : `${((rate * load.size) / 1e6).toFixed(0)} MB/s`;
  const perGib = (cpu * 2 ** 30) / load.size;
  return `${name} ${speed}, ${(cpu * 100_000).toFixed(2)} s/100k, ${perGib.toFixed(2)} s/GiB`;
}

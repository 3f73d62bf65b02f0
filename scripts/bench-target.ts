import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "..");
const iqn = "iqn.2026-01.org.sanlab:bench";
const mebibytes = 64;

/** A target at work: where, and which process's CPU time counts. */
interface Subject {
  readonly name: string;
  readonly url: string;
  readonly process: ChildProcess;
}

interface Load {
  readonly name: string;
  readonly unit: "IOPS" | "MB/s";
  readonly args: readonly string[];
}

const loads: readonly Load[] = [
  { name: "random reads of 4 KiB, depth 1", unit: "IOPS", args: ["-b", "8", "-m", "1", "-r"] },
  { name: "random reads of 4 KiB, depth 32", unit: "IOPS", args: ["-b", "8", "-m", "32", "-r"] },
  { name: "random reads of 4 KiB, depth 64", unit: "IOPS", args: ["-b", "8", "-m", "64", "-r"] },
  { name: "reads of 128 KiB, depth 8", unit: "MB/s", args: ["-b", "256", "-m", "8"] },
  { name: "reads of 1 MiB, depth 4", unit: "MB/s", args: ["-b", "2048", "-m", "4"] },
];

const warmUp: Load = { name: "warm-up", unit: "IOPS", args: ["-b", "8", "-m", "32", "-r"] };

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, seconds: { type: "string", default: "3" } },
});

/** iscsi-perf's average, and the CPU seconds that the target spent on 100,000 commands. */
async function measure(
  subject: Subject,
  load: Load,
): Promise<{ readonly figure: number; readonly cpu: number }> {
  const before = await cpuSeconds(subject.process);
  const begin = performance.now();
  const { stdout } = await run("iscsi-perf", [...load.args, "-t", values.seconds, subject.url]);
  const seconds = (performance.now() - begin) / 1000;
  const averages = [...stdout.matchAll(/iops average (\d+) \((\d+) MB\/s\)/g)].at(-1);
  const iops = Number(averages?.[1]);
  const cpu = (((await cpuSeconds(subject.process)) - before) / (iops * seconds)) * 100_000;
  return { figure: load.unit === "IOPS" ? iops : Number(averages?.[2]), cpu };
}

/** User and system time of a process (proc(5): fields 14 and 15, in ticks of 10 ms). */
async function cpuSeconds({ pid }: ChildProcess): Promise<number> {
  const text = await readFile(`/proc/${String(pid)}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function startOwn(image: string): Promise<Subject> {
  const node = path.join(root, "node_modules/.bin/node");
  const main = path.join(root, "src/cli/main.ts");
  const args = [
    "--conditions=source",
    main,
    "target",
    "serve",
    image,
    "--json",
    "--listen",
    "127.0.0.1:0",
    "--iqn",
    iqn,
  ];
  const child = spawn(node, args, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as { readonly kind: string; readonly port?: number };
    if (event.kind !== "listening") continue;
    child.stdout.resume();
    return { name: "sanlab", url: `iscsi://127.0.0.1:${event.port}/${iqn}/0`, process: child };
  }
  throw new Error("sanlab target serve ended early");
}

async function startTgtd(image: string, folder: string): Promise<Subject> {
  const port = 20_000 + (process.pid % 20_000);
  const env = { ...process.env, TGT_IPC_SOCKET: path.join(folder, "ipc") };
  const child = spawn("tgtd", ["-f", "-C", "0", "--iscsi", `portal=127.0.0.1:${port}`], {
    env,
    stdio: "ignore",
  });
  const admin = (args: string) => run("tgtadm", ["-C", "0", "--lld", "iscsi", ...args.split(" ")], { env });
  for (let tries = 0; ; tries++) {
    try {
      await admin(`--op new --mode target --tid 1 -T ${iqn}`);
      break;
    } catch (error) {
      if (tries > 100) throw error;
      await sleep(50);
    }
  }
  await admin(`--op new --mode logicalunit --tid 1 --lun 1 -b ${image}`);
  await admin("--op bind --mode target --tid 1 -I ALL");
  return { name: "tgtd", url: `iscsi://127.0.0.1:${port}/${iqn}/1`, process: child };
}

const median = (list: readonly number[]) =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;

const folder = await mkdtemp("/dev/shm/sanlab-bench-");
const subjects: Subject[] = [];
try {
  for (const name of ["own.img", "tgtd.img"])
    await writeFile(path.join(folder, name), Buffer.alloc(mebibytes * 1024 * 1024, "bench"));
  subjects.push(
    await startOwn(path.join(folder, "own.img")),
    await startTgtd(path.join(folder, "tgtd.img"), folder),
  );
  console.log(
    `${values.rounds} rounds of ${values.seconds} s each, in alternation; medians; CPU seconds of the target per 100,000 commands`,
  );
  // The first seconds of a JavaScript program are its compiler's.
  for (const subject of subjects) await measure(subject, warmUp);
  for (const load of loads) {
    const results = subjects.map(() => ({ figures: [] as number[], cpu: [] as number[] }));
    for (let round = 0; round < Number(values.rounds); round++)
      for (const [index, subject] of subjects.entries()) {
        const { figure, cpu } = await measure(subject, load);
        results[index]?.figures.push(figure);
        results[index]?.cpu.push(cpu);
      }
    const [own, tgtd] = results.map(({ figures, cpu }) => ({ figure: median(figures), cpu: median(cpu) }));
    if (own === undefined || tgtd === undefined) continue;
    console.log(
      `${load.name}: sanlab ${own.figure} ${load.unit} (${own.cpu.toFixed(2)} s), tgtd ${tgtd.figure} ${load.unit} (${tgtd.cpu.toFixed(2)} s), ratio ${(own.figure / tgtd.figure).toFixed(2)}, CPU ratio ${(own.cpu / tgtd.cpu).toFixed(2)}`,
    );
  }
} finally {
  for (const { process: child } of subjects) {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
  await rm(folder, { recursive: true, force: true });
}

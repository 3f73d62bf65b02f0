// The time to login of a guest that is booted by iPXE and by the emulated firmware, one after the other, so that both
// see the same machine; and the processor time of the whole run, which tells the same on a machine that has others to
// serve. `npm run bench:boot -- --rounds 5 --nic virtio --uefi`.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { parseArgs, promisify } from "node:util";

const root = path.resolve(import.meta.dirname, "..");
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    nic: { type: "string", default: "virtio" },
    uefi: { type: "boolean", default: false },
  },
});
const kinds = ["ipxe", "emulated"] as const;
type Kind = (typeof kinds)[number];

const folder = await mkdtemp(path.join(tmpdir(), "sanlab-bench-boot-"));
const results: Readonly<Record<Kind, Result[]>> = { ipxe: [], emulated: [] };
try {
  for (let round = 1; round <= Number(values.rounds); round++) {
    // Who begins changes, so that a machine that warms up or fills favours neither.
    for (const kind of round % 2 === 1 ? kinds : kinds.toReversed()) {
      const result = await boot(kind, path.join(folder, `${kind}-${round}`));
      results[kind].push(result);
      const { login, processor } = result;
      console.log(
        `round ${round}  ${kind.padEnd(8)}  ${login.toFixed(2)} s to login, ${processor.toFixed(2)} s of processor time`,
      );
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
for (const [what, name] of [
  ["login", "seconds to login"],
  ["processor", "seconds of processor time"],
] as const) {
  const [ipxe, emulated] = kinds.map((kind) => median(results[kind].map((one) => one[what])));
  if (ipxe === undefined || emulated === undefined) continue;
  console.log(
    `${name}, median: iPXE ${ipxe.toFixed(2)}, emulated ${emulated.toFixed(2)}, ratio ${(emulated / ipxe).toFixed(2)}`,
  );
}

interface Result {
  /** Seconds from QEMU's start. The emulated firmware's own login, some 0.1 s, comes before that. */
  readonly login: number;
  /** Seconds, user and system, of sanlab, QEMU and all that they start. */
  readonly processor: number;
}

async function boot(kind: Kind, out: string): Promise<Result> {
  const args = ["boot", "--firmware", kind, "--nic", values.nic, "--json", "--out", out];
  if (values.uefi) args.push("--uefi");
  const { stdout, stderr } = await promisify(execFile)(
    "bash",
    ["-c", '"$@"; status=$?; times >&2; exit $status', "bash", path.join(root, "bin/sanlab"), ...args],
    { cwd: root },
  );
  const { outcome, summary, timings } = JSON.parse(stdout) as {
    outcome: string;
    summary: string;
    timings: Readonly<Record<string, number>>;
  };
  if (outcome !== "pass" || timings["P17"] === undefined) {
    console.error(`${kind}: ${summary}`);
    process.exit(1);
  }
  return { login: timings["P17"], processor: childrenSeconds(stderr) };
}

/** The last line of what bash's `times` prints: user and system time of all that it waited for. */
function childrenSeconds(text: string): number {
  const [, ...parts] = /(\d+)m([\d.]+)s (\d+)m([\d.]+)s\s*$/.exec(text) ?? [];
  const [userMinutes = 0, user = 0, systemMinutes = 0, system = 0] = parts.map(Number);
  return (userMinutes + systemMinutes) * 60 + user + system;
}

function median(list: readonly number[]): number {
  const sorted = list.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}

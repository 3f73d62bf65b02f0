// The time to login of a guest that is booted by iPXE and by the emulated firmware, one after the other, so that both
// see the same machine. `npm run bench:boot -- --rounds 5 --nic virtio --uefi`.
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
const times: Readonly<Record<Kind, number[]>> = { ipxe: [], emulated: [] };
try {
  for (let round = 1; round <= Number(values.rounds); round++) {
    // Who begins changes, so that a machine that warms up or fills favours neither.
    for (const kind of round % 2 === 1 ? kinds : kinds.toReversed()) {
      const seconds = await boot(kind, path.join(folder, `${kind}-${round}`));
      times[kind].push(seconds);
      console.log(`round ${round}  ${kind.padEnd(8)}  ${seconds.toFixed(2)} s to login`);
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
for (const kind of kinds) {
  const sorted = times[kind].toSorted((a, b) => a - b);
  console.log(
    `${kind.padEnd(8)}  median ${median(sorted).toFixed(2)} s, ${sorted[0]?.toFixed(2)} to ${sorted.at(-1)?.toFixed(2)} s`,
  );
}
console.log(`emulated / iPXE: ${(median(times.emulated) / median(times.ipxe)).toFixed(2)}`);

/** Seconds from QEMU's start to login. The emulated firmware's own login, some 0.1 s, comes before that. */
async function boot(kind: Kind, out: string): Promise<number> {
  const args = ["boot", "--firmware", kind, "--nic", values.nic, "--json", "--out", out];
  const { stdout } = await promisify(execFile)(
    path.join(root, "bin/sanlab"),
    [...args, ...(values.uefi ? ["--uefi"] : [])],
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
  return timings["P17"];
}

function median(list: readonly number[]): number {
  const sorted = list.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}

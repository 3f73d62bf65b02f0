/** Cases on a file system of 256 KiB at the folder of the argument; prints one JSON document. */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { errorCode, errorMessage, SanlabError } from "#core";
import { Lab, requireDiskSpace, writeJson } from "#harness/lab";

const [small = ""] = process.argv.slice(2);

let left: readonly string[] = [];

const cases = {
  tooSmallToBegin: () => Lab.open({ scenario: "x", runs: small }),
  roomEnough: () => requireDiskSpace(small, 1000),
  write: async () => {
    await using lab = await Lab.open({ scenario: "x", runs: small, minimumFreeBytes: 0 });
    await lab.write("net.pcap", Buffer.alloc(1 << 20));
  },
  json: async () => {
    const file = path.join(small, "verdict.json");
    await writeJson(file, { outcome: "pass" });
    try {
      await writeJson(file, { filling: "x".repeat(1 << 20) });
    } finally {
      left = readdirSync(small);
    }
  },
  insideTheRun: async () => {
    await using lab = await Lab.open({ scenario: "x", runs: small, minimumFreeBytes: 0 });
    await lab.run(async () => {
      try {
        writeFileSync(lab.path("big"), Buffer.alloc(1 << 20));
      } catch (cause) {
        throw new Error("the target stopped", { cause });
      }
    });
  },
  whileTakingDown: async () => {
    await using lab = await Lab.open({ scenario: "x", runs: small, minimumFreeBytes: 0 });
    lab.defer(() => writeFileSync(lab.path("big"), Buffer.alloc(1 << 20)));
  },
} satisfies Record<string, () => Promise<unknown>>;

const results: Record<string, object> = {};
for (const [name, work] of Object.entries(cases)) {
  for (const file of readdirSync(small)) rmSync(path.join(small, file), { recursive: true });
  results[name] = await work().then(
    () => ({}),
    (error: unknown) => ({
      code: errorCode(error),
      message: errorMessage(error),
      exitStatus: error instanceof SanlabError ? error.exitStatus : undefined,
    }),
  );
}
results["afterJson"] = { left };
console.log(JSON.stringify(results));

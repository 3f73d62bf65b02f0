// The long forms of what CI runs in small: fuzzing, integrity under disturbance, random streams. Hours, not minutes.
// `npm run soak -- 7` takes the seed 7.
import { spawnSync } from "node:child_process";
import process from "node:process";

const seed = process.argv[2] ?? "1";
const suites = [
  {
    name: "iBFT: a million mutated tables, 10,000 round trips and decodes",
    env: { SANLAB_MUTATIONS: "1000000", SANLAB_ROUNDS: "10000" },
    argv: ["ava", "--timeout=6h", "test/ibft"],
  },
  {
    name: "initiator: 100,000 operations under each disturbance, a million hostile PDUs",
    env: { SANLAB_SOAK_OPERATIONS: "100000", SANLAB_SOAK_PDUS: "1000000" },
    argv: ["ava", "--timeout=6h", "test/initiator/integrity.test.ts", "test/initiator/hostile.test.ts"],
  },
  {
    name: "target: a million hostile PDUs at every level of recovery",
    env: { SANLAB_SOAK_PDUS: "1000000" },
    argv: ["ava", "--timeout=6h", "test/target/hostile.test.ts"],
  },
  {
    name: "NBD: 20,000 hostile clients",
    env: { SANLAB_ROUNDS: "20000" },
    argv: ["ava", "--timeout=6h", "test/nbd/hostile.test.ts"],
  },
  {
    name: "emulated boots: every card, firmware, carrier, table and mistake",
    env: {},
    argv: ["node", "--conditions=source", "scripts/soak-emulated.ts"],
  },
  {
    name: "kernel debugger: 100 MB of random bytes",
    env: {},
    argv: ["node", "--conditions=source", "scripts/soak-kd.ts", "100", seed],
  },
];

let failed = 0;
for (const { name, env, argv } of suites) {
  console.log(`# ${name}, seed ${seed}`);
  const { status } = spawnSync("npx", argv, {
    stdio: "inherit",
    env: { ...process.env, ...env, SANLAB_SEED: seed },
  });
  if (status !== 0) failed++;
}
console.log(`${suites.length - failed} suites passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

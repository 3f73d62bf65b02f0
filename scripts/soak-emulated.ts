// Every emulated boot, one at a time: each card on each firmware with each carrier, every kind of table, every mistake.
// `node --conditions=source scripts/soak-emulated.ts FOLDER [NAME…]` boots the cases of these names only.
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { bootCase } from "../test/boot/helpers/emulated.ts";
import { everyCard, everyMistake, everyTable } from "../test/boot/helpers/emulated-scenarios.ts";

const [given, ...names] = process.argv.slice(2);
const folder = given ?? (await mkdtemp(path.join(tmpdir(), "sanlab-emulated-")));
await mkdir(folder, { recursive: true });
const cases = [...everyCard, ...everyTable, ...everyMistake].filter(
  ({ name }) => names.length === 0 || names.includes(name),
);

let failed = 0;
for (const one of cases) {
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(0)} s`;
  try {
    const { summary } = await bootCase(one, path.join(folder, one.name));
    console.log(`ok     ${one.name} (${seconds()}): ${summary}`);
  } catch (error) {
    failed++;
    console.log(
      `not ok ${one.name} (${seconds()}): ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
console.log(`${cases.length - failed} boots as they should be, ${failed} not; evidence in ${folder}`);
process.exitCode = failed === 0 ? 0 : 1;

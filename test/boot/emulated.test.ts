import path from "node:path";
import test from "ava";
import { evidenceFolder } from "./helpers/boot.ts";
import { bootCase } from "./helpers/emulated.ts";
import { chosen } from "./helpers/emulated-scenarios.ts";

let folder: string;
test.before(async () => {
  folder = await evidenceFolder("emulated");
});

for (const one of chosen) {
  test.serial(`${one.name} ends with ${one.class ?? "login"}`, async (t) => {
    t.timeout(300_000);
    const { summary } = await bootCase(one, path.join(folder, one.name));
    t.log(summary);
    t.pass();
  });
}

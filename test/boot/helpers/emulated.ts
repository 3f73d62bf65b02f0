import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { readIbft } from "#ibft";
import { Boot, type Document } from "./boot.ts";
import type { EmulatedCase } from "./emulated-scenarios.ts";
import { shownLines, sysfs } from "./ibft-sysfs.ts";

/**
 * Boots a case in a folder that does not exist yet and holds it to its word: the verdict; for a boot that reaches login,
 * also that Linux shows exactly the table that was written, and that the guest let go of the firmware's disk.
 */
export async function bootCase(one: EmulatedCase, folder: string): Promise<Document> {
  const file = `${folder}.yaml`;
  const scenario = { name: one.name, firmware: "emulated", requests: ["show-ibft"], ...one.scenario };
  await writeFile(file, JSON.stringify(scenario));
  const boot = new Boot([file, "--json", "--out", folder]);
  const { status } = await boot.end();
  assert.ok(boot.stdout.startsWith("{"), boot.stderr);
  const document = boot.document();
  const goal = one.class === undefined ? "pass" : "fail";
  assert.deepEqual(
    { status, outcome: document.outcome, class: document.class },
    { status: goal === "pass" ? 0 : 1, outcome: goal, class: one.class ?? null },
    `${document.summary}\n${boot.stderr}`,
  );
  if (goal === "pass") await holdsToTable(document, folder);
  return document;
}

async function holdsToTable(document: Document, folder: string): Promise<void> {
  assert.equal(document.reached, "P17");
  const { table } = readIbft(await readFile(`${folder}/ibft.bin`));
  assert.deepEqual(shownLines(await readFile(`${folder}/serial.log`, "utf8")), sysfs(table));
  const events = (await readFile(`${folder}/events.jsonl`, "utf8")).split("\n");
  const kinds = events.flatMap((line) => /"source":"firmware","kind":"([\w-]+)"/.exec(line)?.[1] ?? []);
  for (const kind of ["login", "boot-sector", "fenced", "hand-over", "unplugged"]) {
    assert.ok(kinds.includes(kind), `${kind} is missing of ${kinds.join(" ")}`);
  }
  for (const { chapSecret, reverseChapSecret } of table.targets) {
    for (const secret of [chapSecret, reverseChapSecret]) {
      assert.ok(
        secret === null || !events.some((line) => line.includes(secret)),
        "a secret is in the events",
      );
    }
  }
}

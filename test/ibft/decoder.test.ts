import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { SeededRandom } from "#core";
import { readIbft, writeIbft } from "#ibft";
import { canonicalLine, modelLines } from "./lines.ts";
import { randomSpec } from "./random-spec.ts";

const decoder = fileURLToPath(new URL("decode.pl", import.meta.url));

/** What the decoder in Perl reads in each table. */
function decode(tables: readonly Uint8Array[]): string[][] {
  const input = tables.map((table) => `${Buffer.from(table).toString("hex")}\n`).join("");
  const output = execFileSync("perl", [decoder], { input, encoding: "utf8", maxBuffer: 1 << 28 });
  return output
    .split("\n\n")
    .slice(0, -1)
    .map((text) => text.split("\n").map(canonicalLine).toSorted());
}

test("an independent decoder reads iPXE's table as the model has it", (t) => {
  const sample = readFileSync(new URL("data/ipxe-bios-e1000.bin", import.meta.url));
  const lines = ["sum=0", ...modelLines(readIbft(sample).table)].toSorted();
  t.deepEqual(decode([sample]), [lines]);
});

test("an independent decoder reads every table that is written, whatever is in it", (t) => {
  const random = new SeededRandom(Number(process.env["SANLAB_SEED"] ?? 4));
  const rounds = Number(process.env["SANLAB_ROUNDS"] ?? 300);
  const tables = Array.from({ length: rounds }, () => writeIbft(randomSpec(random)));
  for (const [i, lines] of decode(tables).entries()) {
    t.deepEqual(lines, ["sum=0", ...modelLines(readIbft(tables[i]!).table)].toSorted());
  }
});

import { readFile } from "node:fs/promises";
import path from "node:path";
import test from "ava";
import { lintIbft, readIbft } from "#ibft";
import { canonicalLine, modelLines } from "../ibft/lines.ts";
import { Boot, evidenceFolder } from "./helpers/boot.ts";

let folder: string;
test.before(async () => {
  folder = await evidenceFolder("ibft-dump");
});

for (const [title, by, args] of [
  ["iPXE", "scan", ["--firmware", "ipxe"]],
  ["emulated firmware, by option ROM", "scan", ["--firmware", "emulated"]],
  ["emulated firmware, by ACPI", "acpi", ["--firmware", "emulated", "--ibft", "acpi"]],
] as const) {
  test.serial(`the dumper, booted from the LUN, shows what the table in memory says: ${title}`, async (t) => {
    t.timeout(180_000);
    const run = path.join(folder, title.replaceAll(/\W+/g, "-"));
    const boot = new Boot(["ibft-dump", "--nic", "virtio", ...args, "--json", "--out", run]);
    t.is((await boot.end()).status, 0, boot.stderr);
    t.like(boot.document(), { outcome: "pass", reached: "P17" });
    const lines = (await readFile(path.join(run, "serial.log"), "utf8")).split(/\r?\n/);
    const shown = lines.slice(
      lines.indexOf("sanlab iBFT dumper") + 1,
      lines.indexOf("sanlab iBFT dumper: end"),
    );
    t.deepEqual([shown[1], shown[2], shown.at(-1)], [`by=${by}`, "sum=0", "tables=1"]);
    const bytes = await readFile(path.join(run, "ibft.bin"));
    const { table } = readIbft(bytes);
    t.deepEqual(
      shown.slice(3, -1).map(canonicalLine).toSorted(),
      [...modelLines(table), `control.offsets=${table.control.offsets.join(" ")}`].toSorted(),
    );
    const wrong = lintIbft(bytes).filter(({ severity }) => severity !== "info");
    t.deepEqual(wrong, []);
  });
}

/** Waits to be interrupted; then takes a lab down, which never ends where the argument is "stuck". */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { errorCode, errorMessage } from "#core";
import { Interruption, Lab } from "#harness/lab";

const runs = mkdtempSync(path.join(tmpdir(), "sanlab-lab-"));
process.on("exit", () => rmSync(runs, { recursive: true }));

using interruption = new Interruption();
try {
  await using lab = await Lab.open({ scenario: "x", runs, minimumFreeBytes: 0, signal: interruption.signal });
  const timer = setInterval(() => undefined, 60_000);
  lab.defer(() => clearInterval(timer));
  lab.defer(async () => {
    console.log("taking down");
    if (process.argv[2] === "stuck") await new Promise(() => undefined);
  });
  const { promise, reject } = Promise.withResolvers<never>();
  lab.signal.addEventListener("abort", () => reject(lab.signal.reason));
  console.log("ready");
  await promise;
} catch (error) {
  console.log(`${errorCode(error)}: ${errorMessage(error)}`);
  process.exitCode = interruption.exitStatus ?? 3;
}

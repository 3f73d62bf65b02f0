import type { ContextPath, Scene } from "./lint-scene.ts";
import type { IbftTarget } from "./model.ts";

/** What the firmware did and printed on its way to the table: R10, R73, R75 to R77. */
export function lintFirmware(scene: Scene): void {
  const { console = "", script = "", tables, paths = [] } = scene.context;
  if (console.includes("EFIBLK has no ACPI table protocol")) {
    scene.say("R10", "signature", "the UEFI firmware has no ACPI table protocol, as iPXE printed");
  }
  if (/--no-describe\b/.test(script)) {
    scene.say("R75", "signature", "--no-describe keeps iPXE from installing a table");
  } else if (tables === 0) scene.say("R75", "signature", "no table is found: this one was not installed");
  const failure = /Could not describe SAN devices?: ([^\r\n]*)/.exec(console);
  if (failure !== null) {
    scene.say("R76", "signature", `the firmware could not describe its SAN devices: ${failure[1]}`);
  }
  lintPaths(scene, paths);
}

/** The paths that the firmware was told of against the targets that the table has. */
function lintPaths(scene: Scene, paths: readonly ContextPath[]): void {
  const { targets } = scene.table;
  for (const path of paths) {
    const position = targets.findIndex((target) => leadsTo(path, target));
    const name = path.name === undefined ? path.ip : `${path.name} at ${path.ip}`;
    if (position < 0) {
      if (path.state !== "aborted") scene.say("R77", "control", `the path to ${name} is not in the table`);
    } else if (path.state === "aborted") {
      scene.say("R73", `target${position}`, `the firmware gave up its login to ${name}, and publishes it`);
    } else if (path.state === "down") {
      scene.say("R77", `target${position}`, `the path to ${name} was down at boot, and is in the table`);
    }
  }
}

function leadsTo({ ip, name }: ContextPath, target: IbftTarget): boolean {
  return target.ip === ip && (name === undefined || target.name === name);
}

/**
 * A process of its own that launches a machine in the folder given and prints QEMU's process id once the guest runs.
 * SIGINT ends the machine in order and this process with status 130.
 */
import { launchMachine } from "#harness/qemu-launcher";
import { guestDisk, guestSpec } from "../guest.ts";

const [runDir = ""] = process.argv.slice(2);
const interrupt = new AbortController();
process.once("SIGINT", () => interrupt.abort());
const machine = await launchMachine(guestSpec(runDir, guestDisk("up>")), {
  runDir,
  signal: interrupt.signal,
});
await machine.serial("console").until("up>");
console.log(machine.pid);
const { error } = await machine.exited;
console.log(error === undefined ? "ended in order" : error.message);
process.exit(130);

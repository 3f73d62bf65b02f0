/**
 * Run in a network namespace of its own: hands a TAP to a machine and prints, as JSON, what became of it. Arguments: the
 * run folder.
 */
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { execa } from "execa";
import { launchMachine } from "#harness/qemu-launcher";
import { openTap } from "#harness/tap-stream";
import { guestDisk, guestSpec } from "../guest.ts";

const [runDir = ""] = process.argv.slice(2);
const tap = await openTap({ vnetHeader: true });
await execa("ip", ["link", "set", tap.name, "up"]);
/** Frames that came out of the guest; undefined when the interface is gone. /sys would show another namespace's. */
const received = () => {
  const line = readFileSync("/proc/self/net/dev", "utf8").match(
    new RegExp(`\\b${tap.name}:\\s*\\d+\\s+(\\d+)`),
  );
  return line === null ? undefined : Number(line[1]);
};

const spec = guestSpec(runDir, guestDisk(""), {
  disks: [],
  nics: [{ model: "virtio", mac: "52:54:00:12:34:56", netdev: { kind: "tap", fdIndex: 0 }, bootIndex: 0 }],
});
let frames: number | undefined = 0;
{
  await using machine = await launchMachine(spec, { runDir, tapFds: [tap.fd] });
  tap.close();
  const limit = performance.now() + 60_000;
  while (frames === 0 && performance.now() < limit) {
    await setTimeout(50);
    frames = received();
  }
  await machine.qmp.execute("query-status");
}
console.log(JSON.stringify({ frames: (frames ?? 0) > 0, left: received() !== undefined }));

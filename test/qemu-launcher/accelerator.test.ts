import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { launchMachine, probeAccelerator, probeDisk, probeMarker, timeScale } from "#harness/qemu-launcher";
import { guestSpec, runFolder } from "./guest.ts";

const limit = { timeoutMs: 60_000 };

test.serial(
  "the probe guest works in 64-bit paged code under TCG, by the processor's own registers",
  async (t) => {
    const runDir = runFolder(t);
    await using machine = await launchMachine(guestSpec(runDir, probeDisk(), { display: "none" }), {
      runDir,
    });
    await machine.serial("console").until(probeMarker, limit);
    const registers = String(
      await machine.qmp.execute("human-monitor-command", { "command-line": "info registers" }),
    );
    // EFER: LME and LMA. CR0: PG and PE. CR4: PAE. The code segment is a 64-bit one.
    t.is(hex(registers, "EFER") & 0x500, 0x500);
    t.is(hex(registers, "CR0") & 0x8000_0001, 0x8000_0001 | 0);
    t.is(hex(registers, "CR4") & 0x20, 0x20);
    t.regex(registers, /CS64/);
  },
);

test.serial("the probe guest tells nothing on a processor without 64-bit mode", async (t) => {
  const runDir = runFolder(t);
  const spec = guestSpec(runDir, probeDisk(), { display: "none", cpu: "qemu32", noReboot: true });
  await using machine = await launchMachine(spec, { runDir });
  // The switch faults, nobody handles the fault, the machine resets.
  await machine.exited;
  t.is(machine.serial("console").history, "");
});

test.serial("a probe is made once for each boot of the host, and its answer is one that works", async (t) => {
  const cache = path.join(runFolder(t), "cache");
  process.env["SANLAB_CACHE"] = cache;
  t.teardown(() => delete process.env["SANLAB_CACHE"]);
  const tried: unknown[] = [];
  const options = { report: (kind: string, data: object) => tried.push({ kind, ...data }) };
  const choice = await probeAccelerator(options);
  t.true(choice.accel === "kvm" || choice.accel === "tcg");
  t.true(choice.reason.length > 0);
  if (!existsSync("/dev/kvm")) {
    t.deepEqual(choice, { accel: "tcg", reason: "this machine has no /dev/kvm" });
    return;
  }
  t.like(tried[0], { kind: "accelerator-probe", accel: "tcg", outcome: "ran" });
  t.like(tried.at(-1), { kind: "accelerator-probe", accel: "kvm" });

  const count = tried.length;
  t.deepEqual(await probeAccelerator(options), choice);
  t.is(tried.length, count, "the second answer comes from the cache");

  const file = path.join(cache, "accelerator.json");
  const saved = readFileSync(file, "utf8");
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  t.true(saved.includes(bootId));
  writeFileSync(file, saved.replace(bootId, "another-boot"));
  await probeAccelerator(options);
  t.true(tried.length > count, "another boot of the host is probed again");
});

test("time-outs are longer under TCG", (t) => {
  t.is(timeScale("kvm"), 1);
  t.true(timeScale("tcg") > 1);
});

/** The first number after `NAME=` in QEMU's register dump. */
function hex(registers: string, name: string): number {
  return Number.parseInt(new RegExp(`${name}=\\s*([0-9a-f]+)`).exec(registers)?.[1] ?? "", 16);
}

import test from "ava";
import { planRun, scenarioFrom, type ScenarioSource } from "#harness/scenario";
import { qemuArguments } from "#harness/qemu-launcher";
import { loadGuest } from "#vm-images";
import { machineOf } from "../../harness/scenario/boot-machine.ts";

const windows = await loadGuest("windows");
const debian = await loadGuest("debian-mini");
const prepared = { image: "/images/disk.raw", sha256: "00", format: "raw", built: false } as const;

function plan(source: ScenarioSource, manifest = windows, noWires?: string) {
  const host = { accel: { kind: "tcg", reason: "asked for" } as const, noWires };
  return planRun(scenarioFrom(source, "x"), { manifest, prepared }, host, "/runs/x");
}

test("a Windows has its debugger on COM1, its emergency console on COM2, its own clock and processor", (t) => {
  const machine = machineOf(plan({}));
  t.deepEqual(machine.serials, [
    { name: "kd", kind: "binary" },
    { name: "ems", kind: "text" },
  ]);
  t.like(machine, { rtc: "localtime", cpu: "Nehalem", memoryMiB: 2048, noReboot: true });
  t.is(plan({}).timeoutMs, 1_500_000);
});

test("a port that is nobody's keeps the number of the next", (t) => {
  const machine = machineOf(plan({}, { ...windows, serials: ["unused", "kd"] }));
  const devices = qemuArguments(machine, { runDir: "/runs/x" }).filter((one) => one.startsWith("isa-serial"));
  t.deepEqual(devices, ["isa-serial,chardev=serial0,index=0", "isa-serial,chardev=serial1,index=1"]);
  t.deepEqual(
    machine.serials.map(({ name }) => name),
    ["com1", "kd"],
  );
});

test("a guest with a console has that alone, and the machine's own processor", (t) => {
  const machine = machineOf(plan({}, debian));
  t.deepEqual(machine.serials, [{ name: "console", kind: "text" }]);
  t.is(machine.cpu, undefined);
  t.is(machine.rtc, undefined);
});

test("on the user-mode network a guest's ports are forwarded from the loopback", (t) => {
  const forwards = [
    { guestPort: 3389, hostPort: 40_001 },
    { guestPort: 5985, hostPort: 40_002 },
  ];
  const machine = machineOf(plan({}, windows, "no private network"), { userBoot: "/runs/x/tftp", forwards });
  const netdev = qemuArguments(machine, { runDir: "/runs/x" }).find((one) => one.startsWith("user,"));
  t.regex(netdev ?? "", /hostfwd=tcp:127\.0\.0\.1:40001-:3389,hostfwd=tcp:127\.0\.0\.1:40002-:5985/);
  t.regex(netdev ?? "", /tftp=\/runs\/x\/tftp,bootfile=boot\.ipxe/);
});

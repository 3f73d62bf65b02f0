import test from "ava";
import {
  launchMachine,
  lowMemory,
  QmpError,
  unplugId,
  type DiskController,
  type DiskSpec,
  type MachineSpec,
} from "#harness/qemu-launcher";
import { guestDisk, guestSpec, runFolder } from "./guest.ts";

const limit = { timeoutMs: 60_000 };

const boots = test.macro({
  async exec(t, controller: DiskController, machine: MachineSpec["machine"], hotplug: boolean) {
    const runDir = runFolder(t);
    const plain = guestSpec(runDir, guestDisk("booted"), { machine, display: "none" });
    const disks = plain.disks.map((disk): DiskSpec => ({ ...disk, controller, hotplug }));
    await using guest = await launchMachine({ ...plain, disks }, { runDir });
    await guest.serial("console").until("booted", limit);
    t.pass();
  },
  title: (_, controller, machine, hotplug) =>
    `SeaBIOS boots from ${String(controller)} on ${String(machine)}${hotplug ? ", behind a root port" : ""}`,
});

const everywhere = [
  "ahci",
  "virtio-blk",
  "virtio-scsi",
  "nvme",
  "usb-storage",
  "lsi53c895a",
  "megasas",
  "megasas-gen2",
  "mptsas1068",
  "pvscsi",
  "am53c974",
  "dc390",
] as const;
test.serial(boots, "ide", "pc", false);
test.serial(boots, "floppy", "pc", false);
test.serial(boots, "floppy", "q35", false);
for (const controller of everywhere) test.serial(boots, controller, "pc", false);
test.serial(boots, "ahci", "q35", false);
test.serial(boots, "nvme", "q35", true);
test.serial(boots, "pvscsi", "q35", true);

test.serial(
  "a disk is unplugged: at once on USB; on PCI asked again until the guest's reset lets it go",
  async (t) => {
    const runDir = runFolder(t);
    const plain = guestSpec(runDir, guestDisk("up>"), { display: "none" });
    const [boot] = plain.disks;
    if (boot === undefined) throw new Error("no disk");
    const usb: DiskSpec = { id: "stick", controller: "usb-storage", source: boot.source, readOnly: true };
    const pci: DiskSpec = { id: "card", controller: "virtio-blk", source: boot.source, readOnly: true };
    const spec = {
      ...plain,
      disks: [{ ...boot, controller: "virtio-scsi" as const, readOnly: true }, usb, pci],
    };
    await using machine = await launchMachine(spec, { runDir });
    await machine.serial("console").until("up>", limit);

    await machine.deviceDel("stick", limit);
    t.true(
      await isGone(machine.qmp.execute("qom-get", { path: "/machine/peripheral/stick", property: "drive" })),
    );

    // A boot sector has no ACPI driver, so the request stays open.
    await t.throwsAsync(machine.deviceDel(unplugId(pci), { timeoutMs: 1500 }), {
      code: "TIMEOUT",
      message: /DEVICE_DELETED/,
    });
    const gone = machine.deviceDel(unplugId(pci), limit);
    await machine.reset();
    await gone;
    t.true(
      await isGone(machine.qmp.execute("qom-get", { path: "/machine/peripheral/card", property: "drive" })),
    );
  },
);

test.serial("what can never be unplugged is refused at once", async (t) => {
  const runDir = runFolder(t);
  const plain = guestSpec(runDir, guestDisk("up>"), { display: "none", machine: "q35" });
  const disks = plain.disks.map((disk): DiskSpec => ({ ...disk, controller: "nvme" }));
  await using machine = await launchMachine({ ...plain, disks }, { runDir });
  const error = await t.throwsAsync(machine.deviceDel("boot", limit), { instanceOf: QmpError });
  t.regex(error.message, /does not support hotplugging/);
  await t.throwsAsync(machine.deviceDel("nothing", limit), { message: /'nothing' not found/ });
});

for (const [machine, memoryMiB] of [
  ["pc", 512],
  ["pc", 3583],
  ["pc", 3584],
  ["pc", 5000],
  ["q35", 2815],
  ["q35", 2816],
  ["q35", 4096],
] as const) {
  test.serial(`${machine} with ${memoryMiB} MiB: the PCI hole is where QEMU has it`, async (t) => {
    const runDir = runFolder(t);
    const spec = guestSpec(runDir, guestDisk(""), { machine, memoryMiB, disks: [], display: "none" });
    await using guest = await launchMachine(spec, { runDir });
    const tree = String(await guest.qmp.execute("human-monitor-command", { "command-line": "info mtree" }));
    const [, top = ""] = /0{16}-([0-9a-f]{16}) \(prio 0, ram\): alias ram-below-4g/.exec(tree) ?? [];
    t.is(Number.parseInt(top, 16) + 1, lowMemory(spec));
    const above = /0{7}1(0{8})-([0-9a-f]{16}) \(prio 0, ram\): alias ram-above-4g @ram ([0-9a-f]{16})/.exec(
      tree,
    );
    if (memoryMiB * 2 ** 20 === lowMemory(spec)) t.is(above, null);
    else t.is(Number.parseInt(above?.[3] ?? "", 16), lowMemory(spec));
    // Around 4 GiB: the firmware's reset vector, a far jump to F000:E05B, then RAM or nothing.
    const border = await guest.readMemory(2 ** 32 - 16, 32);
    t.is(border.subarray(0, 5).toString("hex"), "ea5be000f0");
    t.deepEqual(border.subarray(16), Buffer.alloc(16));
  });
}

const isGone = (answer: Promise<unknown>) =>
  answer.then(
    () => false,
    () => true,
  );

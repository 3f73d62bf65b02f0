import test from "ava";
import {
  qemuArguments,
  unplugId,
  type DiskSpec,
  type MachineSpec,
  type NicSpec,
} from "#harness/qemu-launcher";

const minimal: MachineSpec = {
  name: "m",
  machine: "pc",
  accel: "tcg",
  cpus: 1,
  memoryMiB: 256,
  firmware: "bios",
  nics: [],
  disks: [],
  serials: [],
  display: "none",
};
const nic: NicSpec = { model: "e1000", mac: "52:54:00:12:34:56", netdev: { kind: "tap", fdIndex: 0 } };
const disk: DiskSpec = { id: "d", controller: "virtio-blk", source: { kind: "file", path: "/i/disk.img" } };

const argumentsOf = (changes: Partial<MachineSpec>) =>
  qemuArguments({ ...minimal, ...changes }, { runDir: "/run", ovmfCode: "/fw/CODE.fd" });

/** The values of an option, in order. */
const valuesOf = (args: readonly string[], name: string) =>
  args.filter((_, index) => args[index - 1] === name);

test("the whole command line of a small machine", (t) => {
  t.deepEqual(argumentsOf({}), [
    "-name",
    "m",
    "-nodefaults",
    "-no-user-config",
    "-S",
    "-sandbox",
    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    "-machine",
    "pc,accel=tcg,memory-backend=ram",
    "-smp",
    "1",
    "-m",
    "256M",
    "-object",
    "memory-backend-memfd,id=ram,size=256M,share=on",
    "-display",
    "none",
    "-boot",
    "menu=off,strict=on",
    "-rtc",
    "base=utc",
    "-chardev",
    "socket,id=qmp,fd=3",
    "-mon",
    "chardev=qmp,mode=control",
  ]);
});

const has = test.macro({
  exec(t, changes: Partial<MachineSpec>, option: string, expected: readonly string[]) {
    t.deepEqual(valuesOf(argumentsOf(changes), option), expected);
  },
  title: (title, _changes, option) => `${String(option)}: ${title ?? ""}`,
});

test("the host's under KVM", has, { accel: "kvm" }, "-cpu", ["host"]);
test("QEMU's own under TCG", has, {}, "-cpu", []);
test("as asked for", has, { accel: "kvm", cpu: "kvm64" }, "-cpu", ["kvm64"]);
test("KVM", has, { accel: "kvm", machine: "q35" }, "-machine", ["q35,accel=kvm,memory-backend=ram"]);
test("a clock", has, { rtc: "localtime" }, "-rtc", ["base=localtime"]);
test("names with commas", has, { name: "a,b" }, "-name", ["a,,b"]);
test("UEFI flash", has, { firmware: "uefi" }, "-blockdev", [
  "driver=raw,node-name=uefi-code,read-only=on,file.driver=file,file.filename=/fw/CODE.fd",
  "driver=raw,node-name=uefi-variables,read-only=off,file.driver=file,file.filename=/run/uefi-variables.fd",
]);
test("UEFI machine", has, { firmware: "uefi" }, "-machine", [
  "pc,accel=tcg,memory-backend=ram,pflash0=uefi-code,pflash1=uefi-variables",
]);
test(
  "TAPs follow the monitor",
  has,
  { nics: [nic, { ...nic, netdev: { kind: "tap", fdIndex: 1 } }] },
  "-netdev",
  ["tap,id=net0,fd=4", "tap,id=net1,fd=5"],
);
test(
  "serial ports",
  has,
  {
    serials: [
      { name: "console", kind: "text" },
      { name: "kd", kind: "binary" },
    ],
  },
  "-chardev",
  ["socket,id=qmp,fd=3", "pipe,id=serial0,path=/run/.serial-console", "pipe,id=serial1,path=/run/.serial-kd"],
);
test("NIC with QEMU's ROM", has, { nics: [nic] }, "-device", [
  "e1000,id=nic0,netdev=net0,mac=52:54:00:12:34:56",
]);
test(
  "NIC without ROM, at a place, to boot from",
  has,
  { nics: [{ ...nic, model: "virtio", romFile: "", pciAddress: "5.1", bootIndex: 2 }] },
  "-device",
  ["virtio-net-pci,id=nic0,netdev=net0,mac=52:54:00:12:34:56,addr=5.1,bootindex=2,romfile="],
);
test("a ROM by path", has, { nics: [{ ...nic, romFile: "/r/x,y.rom" }] }, "-device", [
  "e1000,id=nic0,netdev=net0,mac=52:54:00:12:34:56,romfile=/r/x,,y.rom",
]);
test("frames to a file", has, { nics: [{ ...nic, capture: "/run/net.pcap" }] }, "-object", [
  "memory-backend-memfd,id=ram,size=256M,share=on",
  "filter-dump,id=dump0,netdev=net0,file=/run/net.pcap",
]);
test(
  "user networking with repeated options",
  has,
  {
    nics: [{ ...nic, netdev: { kind: "user", options: { tftp: "/t", guestfwd: ["a", "b,c"] } } }],
  },
  "-netdev",
  ["user,id=net0,tftp=/t,guestfwd=a,guestfwd=b,,c"],
);
test("a file, never probed for its format", has, { disks: [disk] }, "-blockdev", [
  "driver=raw,node-name=d-image,read-only=off,file.driver=file,file.filename=/i/disk.img",
]);
test(
  "an NBD export",
  has,
  { disks: [{ ...disk, source: { kind: "nbd", socket: "/s", export: "lun" }, readOnly: true }] },
  "-blockdev",
  [
    "driver=raw,node-name=d-image,read-only=on,file.driver=nbd,file.server.type=unix,file.server.path=/s,file.export=lun",
  ],
);
test(
  "a SCSI disk behind its adapter",
  has,
  { disks: [{ ...disk, controller: "megasas", bootIndex: 1 }] },
  "-device",
  ["megasas,id=d-controller", "scsi-hd,id=d,drive=d-image,bootindex=1,bus=d-controller.0"],
);
test("a CD is read-only", has, { disks: [{ ...disk, controller: "ide", media: "cdrom" }] }, "-blockdev", [
  "driver=raw,node-name=d-image,read-only=on,file.driver=file,file.filename=/i/disk.img",
]);
test(
  "the third IDE disk is on the second channel",
  has,
  { disks: ["a", "b", "c"].map((id): DiskSpec => ({ ...disk, id, controller: "ide" })) },
  "-device",
  [
    "ide-hd,id=a,drive=a-image,bus=ide.0,unit=0",
    "ide-hd,id=b,drive=b-image,bus=ide.0,unit=1",
    "ide-hd,id=c,drive=c-image,bus=ide.1,unit=0",
  ],
);
test(
  "what can be unplugged on q35 has a root port",
  has,
  { machine: "q35", disks: [{ ...disk, controller: "nvme", hotplug: true }] },
  "-device",
  ["pcie-root-port,id=d-port,chassis=1", "nvme,id=d,drive=d-image,bus=d-port,serial=d"],
);
test("option ROMs", has, { optionRoms: [{ path: "/r/ibft.rom", bootIndex: 0 }] }, "-option-rom", [
  "/r/ibft.rom,bootindex=0",
]);
test("ACPI tables are named from the run folder, which may have a colon", (t) => {
  const args = qemuArguments({ ...minimal, acpiTables: ["/r/12:00/t,1.bin"] }, { runDir: "/r/12:00" });
  t.deepEqual(valuesOf(args, "-acpitable"), ["file=t,,1.bin"]);
});
test("the display stands behind the NICs, extra arguments last", (t) => {
  const args = argumentsOf({ nics: [nic], display: "std", noReboot: true, extraArgs: ["-d", "int"] });
  t.deepEqual(valuesOf(args, "-device").at(-1), "VGA,id=vga");
  t.deepEqual(args.slice(-2), ["-d", "int"]);
  t.true(args.includes("-no-reboot"));
});

const refused = test.macro({
  exec(t, changes: Partial<MachineSpec>, code: string, message: RegExp) {
    const error = t.throws(() => argumentsOf(changes), { code });
    t.regex(error.message, message);
  },
  title: (title) => `refused: ${title ?? ""}`,
});
const port = { name: "a", kind: "text" } as const;

test(
  "five serial ports",
  refused,
  { serials: ["a", "b", "c", "d", "e"].map((name) => ({ ...port, name })) },
  "SERIAL_PORTS",
  /four/,
);
test("two ports of one name", refused, { serials: [port, port] }, "SERIAL_PORTS", /different/);
test("a port that names a path", refused, { serials: [{ ...port, name: "../x" }] }, "SERIAL_PORTS", /a-z/);
test("a MAC that is none", refused, { nics: [{ ...nic, mac: "52:54" }] }, "MAC_ADDRESS", /^52:54: not a MAC/);
test(
  "IDE on q35",
  refused,
  { machine: "q35", disks: [{ ...disk, controller: "ide" }] },
  "DISK_CONTROLLER",
  /use ahci/,
);
test(
  "a read-only ATA disk",
  refused,
  { disks: [{ ...disk, controller: "ahci", readOnly: true }] },
  "DISK_CONTROLLER",
  /read-only/,
);
test(
  "a CD on NVMe",
  refused,
  { disks: [{ ...disk, controller: "nvme", media: "cdrom" }] },
  "DISK_CONTROLLER",
  /no CD-ROM/,
);
test("an ACPI table behind a colon", refused, { acpiTables: ["/x:y/t.bin"] }, "ACPI_TABLE_PATH", /colon/);

test("what is unplugged is the PCI function", (t) => {
  t.is(unplugId(disk), "d");
  t.is(unplugId({ ...disk, controller: "nvme" }), "d");
  t.is(unplugId({ ...disk, controller: "lsi53c895a" }), "d-controller");
});

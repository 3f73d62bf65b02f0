import test from "ava";
import { readIbft, specFromSysfs, writeIbft } from "#ibft";

/** As Linux 6.1 shows a table with two NICs and mutual CHAP; absent addresses have no file. */
const SHOWN: Readonly<Record<string, string>> = {
  "acpi_header/signature": "iBFT",
  "acpi_header/oem_id": "FENSYS",
  "acpi_header/oem_table_id": "iPXE",
  "initiator/index": "0",
  "initiator/flags": "3",
  "initiator/initiator-name": "iqn.2026-11.lab.san:vm0",
  "initiator/isns-server": "10.77.0.9",
  "ethernet0/index": "0",
  "ethernet0/flags": "3",
  "ethernet0/ip-addr": "10.77.0.50",
  "ethernet0/prefix-len": "20",
  "ethernet0/subnet-mask": "255.255.240.0",
  "ethernet0/origin": "3",
  "ethernet0/gateway": "10.77.0.254",
  "ethernet0/primary-dns": "10.77.0.2",
  "ethernet0/dhcp": "10.77.0.1",
  "ethernet0/vlan": "77",
  "ethernet0/mac": "52:54:00:ab:cd:ef",
  "ethernet0/hostname": "vm0.lab",
  "ethernet0/device": "../../../devices/pci0000:00/0000:00:03.0",
  "ethernet1/index": "1",
  "ethernet1/flags": "1",
  "ethernet1/origin": "0",
  "ethernet1/vlan": "0",
  "ethernet1/mac": "52:54:00:77:00:51",
  "ethernet1/device": "../../../devices/pci0000:00/0000:00:1c.0/0000:02:00.1",
  "target0/index": "0",
  "target0/flags": "3",
  "target0/ip-addr": "10.77.0.1",
  "target0/port": "13260",
  "target0/lun": "011000000",
  "target0/chap-type": "2",
  "target0/nic-assoc": "0",
  "target0/target-name": "iqn.2026-11.lab.san:disk0",
  "target0/chap-name": "vm0",
  "target0/chap-secret": "secret of a vm",
  "target0/rev-chap-name": "target",
  "target0/rev-chap-name-secret": "secret of target",
};

const files = (change: Readonly<Record<string, string>> = {}) =>
  new Map(Object.entries({ ...SHOWN, ...change }).map(([name, value]) => [name, `${value}\n`]));

test("a table is read back from what Linux shows of it", (t) => {
  const { table, findings } = readIbft(writeIbft(specFromSysfs(files())));
  t.deepEqual(findings, []);
  t.like(table, { oemId: "FENSYS", oemTableId: "iPXE", nics: { length: 2 }, targets: { length: 1 } });
  t.like(table.initiator, { flags: 3, name: "iqn.2026-11.lab.san:vm0", isns: "10.77.0.9", slp: null });
  t.like(table.nics[0], {
    flags: 3,
    ip: "10.77.0.50",
    prefix: 20,
    origin: 3,
    gateway: "10.77.0.254",
    dns1: "10.77.0.2",
    dns2: null,
    dhcp: "10.77.0.1",
    vlan: 77,
    mac: "52:54:00:ab:cd:ef",
    pci: "00:03.0",
    hostname: "vm0.lab",
  });
  t.like(table.nics[1], { index: 1, flags: 1, ip: null, prefix: 0, pci: "02:00.1", hostname: null });
  t.like(table.targets[0], {
    port: 13260,
    lun: "0011000000000000",
    chapType: 2,
    chapSecret: "secret of a vm",
    reverseChapName: "target",
    reverseChapSecret: "secret of target",
  });
});

for (const [text, lun] of [
  ["00000000", "0000000000000000"],
  ["01000000", "0001000000000000"],
  ["0f0000000", "00f0000000000000"],
  ["412c000000", "412c000000000000"],
  ["401000000", "4001000000000000"],
  ["rubbish", "0000000000000000"],
] as const) {
  test(`the LUN that Linux shows as ${text}`, (t) => {
    t.is(specFromSysfs(files({ "target0/lun": text })).targets?.[0]?.lun, lun);
  });
}

test("an older kernel's mask, IPv6, and files of no use", (t) => {
  const shown = files({
    "ethernet0/ip-addr": "fd77:0000:0000:0000:0000:0000:0000:0050",
    "ethernet0/foo": "?",
  });
  shown.delete("ethernet0/prefix-len");
  const { nics } = specFromSysfs(shown);
  t.like(nics?.[0], { prefix: 20, ip: "fd77:0000:0000:0000:0000:0000:0000:0050" });
  t.deepEqual(specFromSysfs(new Map()), {
    signature: "iBFT",
    oemId: "",
    oemTableId: "",
    initiator: null,
    nics: [],
    targets: [],
  });
});

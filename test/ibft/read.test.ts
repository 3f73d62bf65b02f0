import { readFileSync } from "node:fs";
import test from "ava";
import { SeededRandom } from "#core";
import { describeIbft, ibftJson, readIbft } from "#ibft";

const sample = readFileSync(new URL("data/ipxe-bios-e1000.bin", import.meta.url));

/** The sample with some bytes set and the checksum mended. */
function changed(...changes: readonly (readonly [offset: number, hex: string])[]): Buffer {
  const bytes = Buffer.from(sample);
  for (const [offset, hex] of changes) Buffer.from(hex, "hex").copy(bytes, offset);
  bytes[9] = 0;
  bytes[9] = -bytes.reduce((sum, byte) => sum + byte, 0);
  return bytes;
}

const rules = (bytes: Uint8Array) => readIbft(bytes).findings.map(({ rule }) => rule);

test("a table that iPXE wrote reads as what the boot had", (t) => {
  const { table, findings, sum } = readIbft(sample);
  t.deepEqual(findings, []);
  t.is(sum, 0);
  t.like(table, {
    signature: "iBFT",
    length: 562,
    revision: 1,
    checksum: 8,
    oemId: "FENSYS",
    oemTableId: "iPXE",
    control: { offset: 48, version: 1, length: 18, index: 0, flags: 0, extensions: 0 },
    initiator: { offset: 80, flags: 3, name: "iqn.2026-11.lab.san:vm0", isns: null, radius2: null },
    extensions: [],
  });
  t.deepEqual(table.control.offsets, [80, 160, 384, 0, 0]);
  t.is(table.nics.length, 1);
  t.like(table.nics[0], {
    offset: 160,
    index: 0,
    flags: 3,
    ip: "10.77.0.50",
    prefix: 24,
    origin: 3,
    gateway: "10.77.0.1",
    dns1: null,
    dns2: null,
    dhcp: "10.77.0.1",
    vlan: 0,
    mac: "52:54:00:77:00:50",
    pci: "00:02.0",
    hostname: null,
  });
  t.like(table.targets[0], {
    offset: 384,
    ip: "10.77.0.1",
    port: 3260,
    lun: "0001000000000000",
    chapType: 0,
    nic: 0,
    name: "iqn.2026-11.lab.san:disk0",
    chapName: null,
    chapSecret: null,
  });
});

test("the description names every address once and the JSON keeps numbers", (t) => {
  const { table } = readIbft(sample);
  t.is(
    describeIbft(table),
    `iBFT, 562 bytes, revision 1, OEM "FENSYS" "iPXE"
  initiator  iqn.2026-11.lab.san:vm0 (valid, boot-selected)
  NIC 0      52:54:00:77:00:50 at PCI 00:02.0 (index 0, valid, boot-selected)
             10.77.0.50/24 (DHCP), gateway 10.77.0.1, dhcp 10.77.0.1
  target 0   10.77.0.1:3260 LUN 1 by NIC 0 (index 0, valid, boot-selected)
             iqn.2026-11.lab.san:disk0
             no CHAP`,
  );
  const json = JSON.parse(JSON.stringify(ibftJson(table)));
  t.like(json.targets[0], { port: 3260, lunNumber: 1, valid: true, bootSelected: true, chap: "none" });
  t.like(json.nics[0], { originName: "DHCP", prefix: 24, globalAddress: false });
});

test("secrets are shown only to who asks", (t) => {
  const secret = Buffer.from("open sesame 1\0");
  const bytes = Buffer.concat([changed(), secret]);
  bytes.writeUInt32LE(bytes.length, 4);
  bytes.writeUInt8(1, 384 + 32);
  bytes.writeUInt16LE(13, 384 + 42);
  bytes.writeUInt16LE(562, 384 + 44);
  const { table } = readIbft(bytes);
  t.is(table.targets[0]?.chapSecret, "open sesame 1");
  t.notRegex(describeIbft(table) + JSON.stringify(ibftJson(table)), /sesame/);
  t.regex(describeIbft(table, { secrets: true }), /sesame/);
  t.regex(JSON.stringify(ibftJson(table, { secrets: true })), /sesame/);
});

test("IPv6 addresses and deep LUNs read as such", (t) => {
  const { table } = readIbft(
    changed(
      [160 + 6, "fd000000000000000000000000000050"],
      [384 + 6, "fd00000000000000000000000000000a"],
      [384 + 24, "4001000200000000"],
    ),
  );
  t.is(table.nics[0]?.ip, "fd00::50");
  t.is(table.targets[0]?.ip, "fd00::a");
  t.regex(describeIbft(table), /\[fd00::a\]:3260 LUN 0x4001000200000000/);
});

test("further NICs and targets are read out of a longer control structure", (t) => {
  // Room for a third pair in the padding behind the control structure; its NIC is the first one's structure.
  const { table, findings } = readIbft(changed([50, "1600"], [48 + 18, "a0000000"]));
  t.deepEqual(findings, []);
  t.deepEqual(table.control.offsets, [80, 160, 384, 0, 0, 160, 0]);
  t.is(table.nics.length, 2);
});

for (const [title, bytes, expected] of [
  ["a wrong checksum", Buffer.from(sample).fill(9, 9, 10), ["R04"]],
  ["a length beyond the bytes", changed([4, "00040000"]), ["R02"]],
  ["a length of nothing", changed([4, "00000000"]), ["R02", "R14"]],
  ["no bytes", Buffer.alloc(0), ["R02", "R14"]],
  ["a control structure with another id", changed([48, "09"]), ["R14"]],
  ["a NIC linked as a target", changed([48 + 12, "a000"]), ["R21"]],
  ["a link out of the table", changed([48 + 14, "ff7f"]), ["R20"]],
  ["a link to no structure", changed([48 + 14, "0002"]), ["R25"]],
  ["a string out of the table", changed([80 + 70, "ff00"]), ["R30"]],
  ["an extensions link out of the table", changed([48 + 6, "ffff"]), ["R18"]],
] as const) {
  test(`${title} is found by its rule`, (t) => {
    t.deepEqual(rules(bytes), [...expected]);
  });
}

test("every truncation and ten thousand mutations read without an exception, and describe", (t) => {
  for (let length = 0; length <= sample.length; length++)
    describeIbft(readIbft(sample.subarray(0, length)).table);
  const random = new SeededRandom(1);
  for (let i = 0; i < 10_000; i++) {
    const bytes = Buffer.from(sample.subarray(0, random.below(5) === 0 ? random.below(563) : 562));
    for (let n = random.below(8); n >= 0; n--)
      bytes[random.below(random.below(3) ? 0x80 : 562)] = random.uint32();
    const { table } = readIbft(bytes);
    JSON.stringify(ibftJson(table, { secrets: true }));
    describeIbft(table);
  }
  t.pass();
});

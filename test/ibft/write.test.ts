import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import test from "ava";
import { lintIbft, readIbft, writeIbft, type IbftSpec } from "#ibft";
import { randomSpec } from "./random-spec.ts";
import { SeededRandom } from "#core";

const sample = readFileSync(new URL("data/ipxe-bios-e1000.bin", import.meta.url));

/** What iPXE was told in the boot that the sample comes from. */
const IPXE: IbftSpec = {
  oemId: "FENSYS",
  oemTableId: "iPXE",
  initiator: { name: "iqn.2026-11.lab.san:vm0" },
  nics: [
    {
      ip: "10.77.0.50",
      prefix: 24,
      origin: 3,
      gateway: "10.77.0.1",
      dhcp: "10.77.0.1",
      mac: "52:54:00:77:00:50",
      pci: "00:02.0",
    },
  ],
  targets: [{ ip: "10.77.0.1", lun: 1, name: "iqn.2026-11.lab.san:disk0" }],
};

test("iPXE's table is reproduced byte for byte from what iPXE was told", (t) => {
  t.deepEqual(Buffer.from(writeIbft(IPXE)), sample);
});

test("iPXE's table is reproduced byte for byte from its own model", (t) => {
  t.deepEqual(Buffer.from(writeIbft(readIbft(sample).table)), sample);
});

test("EDK2's layout: 8-byte grid, 2048 bytes, strings from the end down", (t) => {
  const bytes = Buffer.from(writeIbft({ ...IPXE, layout: "edk2" }));
  t.is(bytes.length, 2048);
  const { table, findings } = readIbft(bytes);
  t.deepEqual(findings, []);
  t.is(table.initiator?.offset, 72);
  t.is(table.nics[0]?.offset, 152);
  t.is(table.targets[0]?.offset, 256);
  t.is(bytes.readUInt16LE(72 + 72), 2048 - 24);
  t.is(table.initiator?.name, "iqn.2026-11.lab.san:vm0");
});

const clientNic = (i: number, mac: string) => ({
  flags: 3,
  ip: `192.168.${50 + i}.101`,
  prefix: 24,
  origin: 3,
  gateway: `192.168.${50 + i}.1`,
  dns1: `192.168.${50 + i}.1`,
  dhcp: `192.168.${50 + i}.1`,
  mac,
  pci: `00:0${3 + i}.0`,
  hostname: "client",
});

test("the table of three pairs that Linux' reader was tested with is reproduced byte for byte", (t) => {
  const spec: IbftSpec = {
    layout: "packed",
    oemId: "TESTIN",
    oemTableId: "TEST",
    initiator: { name: "iqn.1994-05.com.redhat:633114aacf2" },
    nics: [
      clientNic(0, "52:54:00:12:34:00"),
      clientNic(1, "52:54:00:12:34:01"),
      clientNic(2, "52:54:00:12:34:01"),
    ],
    targets: [0, 1, 2].map((i) => ({
      flags: 3,
      ip: `192.168.${50 + i}.1`,
      lun: i + 1,
      nic: 0,
      name: `iqn.2009-06.test:target${i}`,
    })),
  };
  const bytes = writeIbft(spec);
  // Lubomir Rintel to linux-kernel, 2020-01-11: "Don't limits Targets and NICs to two".
  t.is(createHash("md5").update(bytes).digest("hex"), "991d671cc36367da6b104cce120a6048");
  const { table, findings } = readIbft(bytes);
  t.deepEqual(findings, []);
  t.deepEqual(Buffer.from(writeIbft({ ...table, layout: "packed" })), Buffer.from(bytes));
});

test("more than two pairs make the control structure longer, and all are read again", (t) => {
  const nics = [0, 1, 2, 3].map((i) => ({
    ...IPXE.nics![0],
    mac: `52:54:00:77:00:5${i}`,
    pci: `00:0${i + 2}.0`,
  }));
  const { table, findings } = readIbft(writeIbft({ ...IPXE, nics }));
  t.deepEqual(findings, []);
  t.is(table.control.length, 26);
  t.deepEqual(
    table.nics.map(({ mac, index, flags }) => [mac, index, flags]),
    nics.map(({ mac }, i) => [mac, i, i === 0 ? 3 : 1]),
  );
});

test("a structure with an offset of its own lies there", (t) => {
  const nics = [
    { ...IPXE.nics![0], offset: 0x110 },
    { mac: "52:54:00:77:00:51", pci: "00:03.0", offset: 0xa0 },
  ];
  const { table } = readIbft(writeIbft({ ...IPXE, nics, quirks: {} }));
  t.deepEqual(
    table.nics.map(({ offset, mac }) => [offset, mac]),
    [
      [0x110, "52:54:00:77:00:50"],
      [0xa0, "52:54:00:77:00:51"],
    ],
  );
});

const lun = (value: number | string) =>
  readIbft(writeIbft({ ...IPXE, targets: [{ ...IPXE.targets![0], lun: value }] })).table.targets[0]?.lun;

for (const [title, quirks, look] of [
  ["a wrong checksum", { checksum: "wrong" }, (bytes: Uint8Array) => readIbft(bytes).sum === 1],
  ["a checksum of its own", { checksum: 0x55 }, (bytes: Uint8Array) => bytes[9] === 0x55],
  [
    "a NIC's index",
    { fields: { "nic0.index": 7 } },
    (b: Uint8Array) => readIbft(b).table.nics[0]?.index === 7,
  ],
  ["a control length", { fields: { "control.length": 17 } }, (b: Uint8Array) => b[50] === 17],
  [
    "an offset word",
    { fields: { "control.target0": 0 } },
    (b: Uint8Array) => readIbft(b).table.targets.length === 0,
  ],
  ["a structure's id", { fields: { "nic0.id": 9 } }, (b: Uint8Array) => b[0xa0] === 9],
  [
    "the length field",
    { fields: { length: 9999 } },
    (b: Uint8Array) => Buffer.from(b).readUInt32LE(4) === 9999,
  ],
  [
    "the signature",
    { fields: { signature: "IBFT" } },
    (b: Uint8Array) => readIbft(b).table.signature === "IBFT",
  ],
  ["raw bytes of a field", { fields: { "nic0.pci": "0xffff" } }, (b: Uint8Array) => b[0xa0 + 96] === 0xff],
  [
    "a string's offset",
    { fields: { "target0.name.offset": 0x200 } },
    (b: Uint8Array) => readIbft(b).table.targets[0]?.name === "iqn.2026-11.lab.san:vm0\0i",
  ],
  [
    "an address",
    { fields: { "nic0.gateway": "10.9.9.9" } },
    (b: Uint8Array) => readIbft(b).table.nics[0]?.gateway === "10.9.9.9",
  ],
  [
    "any bytes",
    { bytes: [{ at: 24, hex: "deadbeef" }] },
    (b: Uint8Array) => b[24] === 0xde && readIbft(b).sum === 0,
  ],
] as const) {
  test(`quirks: ${title}`, (t) => {
    t.true(look(writeIbft({ ...IPXE, quirks })));
  });
}

for (const [title, spec, message] of [
  ["no target", { ...IPXE, targets: [] }, /target0.*R59.*quirks/],
  ["no initiator", { ...IPXE, initiator: null }, /initiator.*R19/],
  [
    "two NICs with one index",
    { ...IPXE, nics: [...IPXE.nics!, { mac: "02:00:00:00:00:01", index: 0 }] },
    /nic1.index.*R35/,
  ],
  ["an address that is none", { ...IPXE, nics: [{ ip: "10.77.0" }] }, /nic0.ip: "10.77.0" is not an IPv4/],
  ["a MAC that is none", { ...IPXE, nics: [{ mac: "52:54" }] }, /nic0.mac/],
  ["a PCI location in another segment", { ...IPXE, nics: [{ pci: "0001:00:02.0" }] }, /nic0.pci.*00:02.0/],
  ["a LUN that is none", { ...IPXE, targets: [{ lun: -1 }] }, /target0.lun/],
  ["a port beyond 16 bits", { ...IPXE, targets: [{ port: 70000 }] }, /target0.port: 70000/],
  ["an OEM id that is too long", { ...IPXE, oemId: "SEVENLY" }, /oemId.*at most 6/],
  [
    "strings beyond EDK2's heap",
    { ...IPXE, layout: "edk2", initiator: { name: "x".repeat(1800) } },
    /do not fit/,
  ],
  ["strings beyond 64 KiB", { ...IPXE, initiator: { name: "x".repeat(66000) } }, /limit is 65535/],
  [
    "a quirk of no field",
    { ...IPXE, quirks: { fields: { "nic1.ip": "1.2.3.4" } } },
    /no field "nic1.ip".*nic0/,
  ],
  [
    "a quirk outside of the table",
    { ...IPXE, quirks: { bytes: [{ at: 600, hex: "00" }] } },
    /outside of the table/,
  ],
  ["a quirk that is not hexadecimal", { ...IPXE, quirks: { bytes: [{ at: 0, hex: "xy" }] } }, /hexadecimal/],
] as readonly (readonly [string, IbftSpec, RegExp])[]) {
  test(`refused with one line: ${title}`, (t) => {
    const error = t.throws(() => writeIbft(spec), { code: "IBFT_SPEC", message });
    t.false(error.message.includes("\n"));
  });
}

test("LUNs beyond 255 take flat addressing, and eight bytes are taken as they are", (t) => {
  t.is(lun(240), "00f0000000000000");
  t.is(lun(300), "412c000000000000");
  t.is(lun("0001-0000-0000-0000"), "0001000000000000");
});

test("random models come back as they were written, in all layouts, and rewrite to the same bytes", (t) => {
  const random = new SeededRandom(Number(process.env["SANLAB_SEED"] ?? 2));
  const rounds = Number(process.env["SANLAB_ROUNDS"] ?? 500);
  for (let i = 0; i < rounds; i++) {
    const spec = randomSpec(random);
    const bytes = Buffer.from(writeIbft(spec));
    const { table, findings } = readIbft(bytes);
    t.deepEqual(findings, []);
    t.like(table.initiator, spec.initiator!);
    for (const [k, nic] of spec.nics!.entries()) t.like(table.nics[k], nic);
    for (const [k, target] of spec.targets!.entries()) t.like(table.targets[k], target);
    t.is(table.nics.length, spec.nics!.length);
    t.deepEqual(Buffer.from(writeIbft({ ...table, layout: spec.layout, quirks: {} })), bytes);
  }
});

test("mutated tables lint without an exception", (t) => {
  const random = new SeededRandom(Number(process.env["SANLAB_SEED"] ?? 3));
  const rounds = Number(process.env["SANLAB_MUTATIONS"] ?? 5000);
  for (let i = 0; i < rounds; i++) {
    const bytes = Buffer.from(i % 10 === 0 ? writeIbft(randomSpec(random)) : sample);
    for (let n = random.below(6); n >= 0; n--)
      bytes[random.below(random.below(2) ? 0x60 : bytes.length)] = random.uint32();
    lintIbft(bytes.subarray(0, random.below(9) === 0 ? random.below(bytes.length) : undefined), {
      profile: random.pick(["spec", "windows", "linux"] as const),
    });
  }
  t.pass();
});

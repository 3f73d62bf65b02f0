import { readFileSync } from "node:fs";
import test from "ava";
import { findByAcpi, findByBiosScan, findIbft, findInMemory } from "#ibft";

const sample = readFileSync(new URL("data/ipxe-bios-e1000.bin", import.meta.url));

/** A megabyte and more of memory with the table at the addresses given. */
function memory(...addresses: readonly number[]) {
  const bytes = Buffer.alloc(0x120000, 0xcc);
  for (const address of addresses) sample.copy(bytes, address);
  return { base: 0, bytes };
}

const withSum = (bytes: Buffer, at: number) => {
  bytes[at] = 0;
  bytes[at] = -bytes.reduce((sum, byte) => sum + byte, 0);
  return bytes;
};

/** A root table with the addresses given. */
function rootTable(signature: "RSDT" | "XSDT", addresses: readonly number[]): Buffer {
  const size = signature === "XSDT" ? 8 : 4;
  const bytes = Buffer.alloc(36 + addresses.length * size);
  bytes.write(signature);
  bytes.writeUInt32LE(bytes.length, 4);
  for (const [i, address] of addresses.entries()) bytes.writeUInt32LE(address, 36 + i * size);
  return withSum(bytes, 9);
}

function rsdp(rsdt: number, xsdt = 0): Buffer {
  const bytes = Buffer.alloc(36);
  bytes.write("RSD PTR ");
  bytes.writeUInt8(xsdt === 0 ? 0 : 2, 15);
  bytes.writeUInt32LE(rsdt, 16);
  withSum(bytes.subarray(0, 20), 8);
  if (xsdt !== 0) {
    bytes.writeUInt32LE(36, 20);
    bytes.writeUInt32LE(xsdt, 24);
    withSum(bytes, 32);
  }
  return bytes;
}

for (const [title, address, expected] of [
  ["where iPXE puts it", 0x9e620, true],
  ["at the first address", 0x80000, true],
  ["below 512 KiB", 0x7fff0, false],
  ["off the 16-byte steps", 0x9e624, false],
  ["in the VGA window", 0xb0000, false],
  ["in an option ROM", 0xc2840, true],
  ["at the last place where it fits", 0xffdc0, true],
  ["running over 1 MiB", 0xffdd0, false],
  ["above 1 MiB", 0x100000, false],
] as const) {
  test(`the BIOS scan and a table ${title}`, (t) => {
    const found = findByBiosScan(memory(address));
    t.deepEqual(
      found.map((one) => [one.address, one.valid, one.by]),
      expected ? [[address, true, "bios"]] : [],
    );
    if (expected) t.deepEqual(Buffer.from(found[0]!.bytes), sample);
    t.deepEqual(
      findInMemory(memory(address)).map((one) => one.address),
      [address],
    );
  });
}

test("the scan works in a window of memory and finds all tables in order", (t) => {
  const whole = memory(0x9e620, 0xc2840);
  const window = { base: 0x9c003, bytes: whole.bytes.subarray(0x9c003, 0xf0000) };
  t.deepEqual(
    findIbft(window).map(({ address }) => address),
    [0x9e620, 0xc2840],
  );
});

test("a table with a wrong checksum is found, not valid, and does not count in memory", (t) => {
  const image = memory(0x9e620);
  image.bytes[0x9e640] = 1;
  t.like(findIbft(image)[0], { address: 0x9e620, valid: false });
  t.deepEqual(findInMemory(image), []);
});

for (const [title, root] of [
  ["RSDT", (at: number) => [rsdp(0x110000), rootTable("RSDT", [0x1000, at])]],
  ["XSDT", (at: number) => [rsdp(0, 0x110000), rootTable("XSDT", [0x1000, at])]],
] as const) {
  test(`ACPI: ${title}, an unaligned table above 1 MiB`, (t) => {
    const at = 0x111a7d;
    const image = memory(at);
    const [pointer, table] = root(at);
    pointer!.copy(image.bytes, 0xf5a30);
    table!.copy(image.bytes, 0x110000);
    t.deepEqual(
      findIbft(image).map(({ address, by, valid }) => ({ address, by, valid })),
      [{ address: at, by: "acpi", valid: true }],
    );
    image.bytes[0x110009]! ^= 1;
    t.deepEqual(findByAcpi(image), []);
  });
}

test("a table that ACPI lists is not found twice, and dead pointers are passed over", (t) => {
  const image = memory(0x9e620);
  rsdp(0x110000).copy(image.bytes, 0xf0000);
  rootTable("RSDT", [0xffffff00, 0x9e620]).copy(image.bytes, 0x110000);
  rsdp(0xfffffff0).copy(image.bytes, 0xf0100);
  t.deepEqual(
    findIbft(image).map(({ by }) => by),
    ["acpi"],
  );
});

test("strings, cut-off copies and other revisions in a memory image are no tables", (t) => {
  const image = memory(0x100000);
  image.bytes.write("iBFT found at 0x%lx IBFT BIFT", 0x4000);
  sample.copy(image.bytes, 0x11ff00);
  sample.copy(image.bytes, 0x5000);
  image.bytes[0x5008] = 2;
  t.deepEqual(
    findInMemory(image).map(({ address }) => address),
    [0x100000],
  );
  t.deepEqual(findInMemory({ base: 0, bytes: Buffer.from("iBFT") }), []);
});

import { readFileSync } from "node:fs";
import test from "ava";
import { findByAcpi, findByBiosScan, findIbft, findInMemory, searchIbft } from "#ibft";

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

/** A machine's memory, and which stretches of it were read. */
function machine(image: Buffer) {
  const reads: [from: number, to: number][] = [];
  return {
    reads,
    read: async (address: number, length: number) => {
      reads.push([address, address + length]);
      const out = Buffer.alloc(length);
      image.subarray(address, address + length).copy(out);
      return out;
    },
  };
}

const MIB = 1 << 20;

test("a search on a BIOS reads little: what lies below 1 MiB, the root table and what it lists", async (t) => {
  const image = Buffer.alloc(8 * MIB);
  rsdp(0x7e0000).copy(image, 0xf5a30);
  rootTable("RSDT", [0x7e1000, 0x7e2345]).copy(image, 0x7e0000);
  image.write("FACP", 0x7e1000);
  sample.copy(image, 0x7e2345);
  sample.copy(image, 0x9e620);
  const { read, reads } = machine(image);
  const found = await searchIbft(read, { ram: [] });
  t.deepEqual(
    found.map(({ address, by, valid }) => ({ address, by, valid })),
    [
      { address: 0x7e2345, by: "acpi", valid: true },
      { address: 0x9e620, by: "bios", valid: true },
    ],
  );
  t.deepEqual(Buffer.from(found[0]!.bytes), sample);
  t.true(reads.reduce((sum, [from, to]) => sum + to - from, 0) < 0x81000);
});

test("the root pointer in the extended BIOS data area counts", async (t) => {
  const image = Buffer.alloc(2 * MIB);
  image.writeUInt16LE(0x7f00, 0x40e);
  rsdp(0x110000).copy(image, 0x7f010);
  rootTable("RSDT", [0x111000]).copy(image, 0x110000);
  sample.copy(image, 0x111000);
  t.like((await searchIbft(machine(image).read))[0], { address: 0x111000, by: "acpi" });
});

for (const [title, at, pieces] of [
  ["near the top of RAM", 63 * MIB, 1],
  ["at the bottom of RAM", MIB, 16],
  ["across the border of two pieces", 60 * MIB - 16, 2],
] as const) {
  test(`under UEFI a root pointer ${title} is found, from the top down in pieces`, async (t) => {
    const image = Buffer.alloc(64 * MIB);
    rsdp(0, at + 0x1000).copy(image, at);
    rootTable("XSDT", [at + 0x2000]).copy(image, at + 0x1000);
    sample.copy(image, at + 0x2000);
    const { read, reads } = machine(image);
    const found = await searchIbft(read, { ram: [{ from: 0, to: 64 * MIB }], piece: 4 * MIB });
    t.deepEqual(
      found.map(({ address, valid }) => [address, valid]),
      [[at + 0x2000, true]],
    );
    t.is(reads.filter(([from, to]) => to - from >= 3 * MIB).length, pieces);
    t.true(reads.every(([from, to]) => to - from <= 4 * MIB + 64));
  });
}

test("a stale root pointer does not end the search for the one that lists the table", async (t) => {
  const image = Buffer.alloc(32 * MIB);
  rsdp(0x1f00000).copy(image, 0x1e00000);
  rootTable("RSDT", [0x1f01000]).copy(image, 0x1f00000);
  image.write("FACP", 0x1f01000);
  rsdp(0xfffffff0).copy(image, 0x1e00100);
  rsdp(0, 0x300000).copy(image, 0x200000);
  rootTable("XSDT", [0x301000]).copy(image, 0x300000);
  sample.copy(image, 0x301000);
  const found = await searchIbft(machine(image).read, { ram: [{ from: MIB, to: 32 * MIB }], piece: MIB });
  t.deepEqual(
    found.map(({ address }) => address),
    [0x301000],
  );
});

test("a search can be stopped", async (t) => {
  const stop = new AbortController();
  const { read } = machine(Buffer.alloc(8 * MIB));
  const counted = async (address: number, length: number) => {
    if (length === MIB) stop.abort(new Error("enough"));
    return await read(address, length);
  };
  await t.throwsAsync(
    searchIbft(counted, { ram: [{ from: 0, to: 8 * MIB }], piece: MIB, signal: stop.signal }),
    { message: "enough" },
  );
});

import test from "ava";
import { array, assert, constantFrom, nat, property } from "fast-check";
import { cdbName, cdbSpecs, cdbTitle, cdbUsage, decodeCdb, encodeCdb, type CdbName } from "#scsi";

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.keys forgets the key type
const names = Object.keys(cdbSpecs) as CdbName[];

/** Bytes written from the standards' tables by hand, not by this code. */
const golden = test.macro({
  exec(t, hex: string, command: CdbName, fields: Readonly<Record<string, number | boolean>>) {
    const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
    t.like(decodeCdb(bytes), { command, ...fields });
    t.is(Buffer.from(encodeCdb(command, fields)).toString("hex"), bytes.toString("hex"));
  },
  title: (_, hex: string, command: CdbName) => `${command}: ${hex}`,
});

test(golden, "00 00 00 00 00 00", "testUnitReady", {});
test(golden, "12 01 83 01 00 00", "inquiry", { vital: true, page: 0x83, allocationLength: 256 });
test(golden, "08 12 34 56 78 00", "read6", { lba: 0x12_3456, blocks: 0x78 });
test(golden, "0a 1f ff ff 00 00", "write6", { lba: 0x1f_ffff, blocks: 0 });
test(golden, "28 18 00 01 02 03 00 00 08 00", "read10", { dpo: true, fua: true, lba: 0x1_0203, blocks: 8 });
test(golden, "2a 20 ff ff ff ff 00 ff ff 00", "write10", {
  writeProtect: 1,
  lba: 0xffff_ffff,
  blocks: 0xffff,
});
test(golden, "a8 00 00 00 00 01 00 01 00 00 00 00", "read12", { lba: 1, blocks: 0x1_0000 });
test(golden, "88 08 00 00 00 01 00 00 00 00 00 00 00 02 00 00", "read16", {
  fua: true,
  lba: 2 ** 32,
  blocks: 2,
});
test(golden, "9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00", "readCapacity16", { allocationLength: 32 });
test(golden, "9e 12 00 00 00 00 00 00 00 05 00 00 00 18 00 00", "getLbaStatus", {
  lba: 5,
  allocationLength: 24,
});
test(golden, "25 00 00 00 00 00 00 00 00 00", "readCapacity10", {});
test(golden, "a0 00 00 00 00 00 00 00 10 00 00 00", "reportLuns", { allocationLength: 4096 });
test(golden, "1a 08 3f 00 c0 00", "modeSense6", {
  disableBlockDescriptors: true,
  page: 0x3f,
  allocationLength: 192,
});
test(golden, "5a 00 48 00 00 00 00 00 ff 00", "modeSense10", {
  pageControl: 1,
  page: 8,
  allocationLength: 255,
});
test(golden, "35 02 00 00 00 00 00 00 00 00", "synchronizeCache10", { immediate: true });
test(golden, "42 00 00 00 00 00 00 00 18 00", "unmap", { parameterListLength: 24 });
test(golden, "93 09 00 00 00 00 00 00 00 00 00 00 00 10 00 00", "writeSame16", {
  unmap: true,
  noDataOut: true,
  blocks: 16,
});
test(golden, "89 00 00 00 00 00 00 00 00 07 00 00 00 01 00 00", "compareAndWrite", { lba: 7, blocks: 1 });
test(golden, "5e 02 00 00 00 00 00 00 08 00", "prinReportCapabilities", { allocationLength: 8 });
test(golden, "5f 01 03 00 00 00 00 00 18 00", "proutReserve", { type: 3, parameterListLength: 24 });
test(golden, "2f 02 00 00 00 00 00 00 01 00", "verify10", { byteCheck: 1, blocks: 1 });
test(golden, "48 81 00 00 00 00 00 02 04 00", "sanitizeOverwrite", {
  immediate: true,
  parameterListLength: 0x204,
});
test(golden, "a3 0c 81 9e 00 10 00 00 02 00 00 00", "reportSupportedOperationCodes", {
  timeouts: true,
  reportingOptions: 1,
  requestedOpcode: 0x9e,
  requestedServiceAction: 0x10,
  allocationLength: 512,
});
test(golden, "9c 00 00 00 00 00 00 00 00 00 00 02 00 04 00 00", "writeAtomic16", {
  atomicBoundary: 2,
  blocks: 4,
});

test("every command's fields survive the way there and back", (t) => {
  assert(
    property(constantFrom(...names), array(nat(), { minLength: 8, maxLength: 8 }), (name, numbers) => {
      const spec = cdbSpecs[name];
      const fields = Object.fromEntries(
        Object.entries(spec.fields).map(([key, field], index) => {
          const value = numbers[index]! % 2 ** Math.min(field.width, 53);
          return [key, field.kind === "flag" ? value === 1 : value];
        }),
      );
      t.like(decodeCdb(encodeCdb(name, fields)), { command: name, control: 0, ...fields });
    }),
  );
});

test("no two commands share an operation code and service action, and no fields overlap", (t) => {
  for (const name of names) {
    const spec = cdbSpecs[name];
    t.is(cdbName(encodeCdb(name, {})), name);
    const width = Object.values(spec.fields).reduce((sum, field) => sum + field.width, 0);
    const usage = cdbUsage(name);
    let bits = 0;
    for (const [at, byte] of usage.entries()) if (at > 0) for (let b = 0; b < 8; b++) bits += (byte >> b) & 1;
    const action = spec.serviceAction ?? 0;
    const actionBits = [0, 1, 2, 3, 4].filter((b) => ((action >> b) & 1) === 1).length;
    t.is(bits, width + actionBits, name);
  }
});

test("what is not a known command has no fields but still a name for people", (t) => {
  t.is(decodeCdb(Buffer.from("c10000000000", "hex")), undefined);
  t.is(cdbTitle(Buffer.from("c10000000000", "hex")), "operation code 0xC1");
  t.is(cdbTitle(Buffer.from("28000000000000000100", "hex")), "READ(10)");
  t.is(decodeCdb(Buffer.from("280000", "hex")), undefined, "cut short");
});

test("a value that does not fit its field is refused", (t) => {
  t.throws(() => encodeCdb("read10", { lba: 2 ** 32 }), {
    instanceOf: RangeError,
    message: /READ\(10\) lba/,
  });
  t.throws(() => encodeCdb("read6", { blocks: 256 }), { instanceOf: RangeError });
});

test("an LBA of all ones stays beyond any disk", (t) => {
  const cdb = decodeCdb(Buffer.from("8800ffffffffffffffff000000010000", "hex"));
  t.true(cdb?.command === "read16" && cdb.lba > 2 ** 63);
});

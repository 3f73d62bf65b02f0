import test from "ava";
import * as fc from "fast-check";
import { crc32cJs, hybridCrc32c, type Crc32c } from "../src/index.ts";
import { bytesOf } from "./fixtures.ts";

/** RFC 7143 Appendix A.4 (as RFC 3720 B.4): the examples, in the order in which the digest's bytes travel. */
const vectors: readonly (readonly [name: string, data: Uint8Array, wire: string])[] = [
  ["32 bytes of zeros", new Uint8Array(32), "aa36918a"],
  ["32 bytes of ones", new Uint8Array(32).fill(0xff), "43aba862"],
  ["32 bytes of incrementing 00..1f", Uint8Array.from({ length: 32 }, (_, at) => at), "4e79dd46"],
  ["32 bytes of decrementing 1f..00", Uint8Array.from({ length: 32 }, (_, at) => 31 - at), "5cdb3f11"],
  [
    "an iSCSI SCSI Read (10) Command PDU",
    bytesOf(`01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018
             28000000 00000000 02000000 00000000`),
    "563a96d9",
  ],
];
for (const [name, data, wire] of vectors) {
  test(`the RFC's example: ${name}`, (t) => {
    const digest = Buffer.alloc(4);
    digest.writeUInt32LE(crc32cJs(data));
    t.is(digest.toString("hex"), wire);
  });
}

/** Bit by bit, from the polynomial: the definition itself. */
const byDefinition: Crc32c = (data, seed = 0) => {
  let crc = ~seed;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : 0x82f6_3b78);
  }
  return ~crc >>> 0;
};

test("eight bytes a step is bit by bit", (t) => {
  t.plan(1);
  const seed = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      seed,
      (data, from) => crc32cJs(data, from) === byDefinition(data, from),
    ),
    { numRuns: 500 },
  );
  t.pass();
});

test("parts continue where the last one ended", (t) => {
  t.plan(1);
  fc.assert(
    fc.property(
      fc.uint8Array(),
      fc.uint8Array(),
      (a, b) => crc32cJs(b, crc32cJs(a)) === crc32cJs(Uint8Array.of(...a, ...b)),
    ),
  );
  t.pass();
});

test("the hybrid asks the native function for long data only", (t) => {
  const lengths: number[] = [];
  const hybrid = hybridCrc32c((data, seed) => {
    lengths.push(data.length);
    return byDefinition(data, seed);
  }, 100);
  const tried = lengths.length;
  for (const length of [0, 48, 99, 100, 5000]) {
    const data = new Uint8Array(length).fill(3);
    t.is(hybrid(data, 77), byDefinition(data, 77));
  }
  t.deepEqual(lengths.slice(tried), [100, 5000]);
});

const impostors: readonly (readonly [name: string, impostor: Crc32c])[] = [
  ["another CRC", () => 0xcbf4_3926],
  ["one that cannot continue", (data) => byDefinition(data)],
];
for (const [name, impostor] of impostors) {
  test(`${name} is refused as native function`, (t) => {
    t.throws(() => hybridCrc32c(impostor), { instanceOf: TypeError });
  });
}

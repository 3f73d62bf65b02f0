import test from "ava";
import * as fc from "fast-check";
import { Encoder, Opcode, PduGatherer, type Gathered, type PduInit } from "../src/index.ts";

const pdu = (dataSn: number): PduInit => ({
  opcode: Opcode.DataIn,
  itt: 7,
  final: true,
  expCmdSn: 1,
  maxCmdSn: 2,
  dataSn,
  bufferOffset: 0,
});
const dataOf = (length: number, seed: number) => Uint8Array.from({ length }, (_, at) => at * 31 + seed);
const join = (pieces: readonly Uint8Array[]) => Buffer.concat(pieces);

test("whatever the sizes, the pieces are the PDUs one after the other, and their number tells", (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat(100), fc.nat(9000), fc.nat(70_000)), { maxLength: 40 }),
      fc.boolean(),
      (lengths, digests) => {
        const options = { headerDigest: digests, dataDigest: digests };
        const encoder = new Encoder(options);
        const gatherer = new PduGatherer(options);
        const expected: Uint8Array[] = [];
        for (const [at, length] of lengths.entries()) {
          const data = dataOf(length, at);
          expected.push(join(encoder.encode(pdu(at), data)));
          const copied = gatherer.add(pdu(at), data);
          // Data that was copied is the caller's again.
          if (copied) data.fill(0);
        }
        t.is(gatherer.length, join(expected).length);
        t.true(join(gatherer.take().pieces).equals(join(expected)));
        t.is(gatherer.length, 0);
      },
    ),
    { numRuns: 30 },
  );
});

test("bytes that wait to be written stay as they are until their slabs are given back", (t) => {
  const gatherer = new PduGatherer();
  const encoder = new Encoder();
  const written: { readonly gathered: Gathered; readonly expected: Buffer }[] = [];
  for (let batch = 0; batch < 20; batch++) {
    const expected: Uint8Array[] = [];
    for (let at = 0; at < 9; at++) {
      const data = dataOf(4096, batch * 16 + at);
      gatherer.add(pdu(at), data);
      expected.push(...encoder.encode(pdu(at), data));
    }
    written.push({ gathered: gatherer.take(), expected: join(expected) });
    // The write that is done is always three batches behind.
    if (batch < 3) continue;
    const done = written.shift();
    if (done === undefined) throw new Error("no batch");
    t.true(join(done.gathered.pieces).equals(done.expected));
    gatherer.reuse(done.gathered);
  }
});

test("memory is used again: no new slab once those in flight have come back", (t) => {
  let slabs = 0;
  const gatherer = new PduGatherer({
    allocate: (length) => {
      if (length > 10_000) slabs += 1;
      return new Uint8Array(length);
    },
  });
  const data = dataOf(4096, 1);
  for (let batch = 0; batch < 100; batch++) {
    for (let at = 0; at < 20; at++) gatherer.add(pdu(at), data);
    gatherer.reuse(gatherer.take());
  }
  t.true(slabs <= 4, `${slabs} slabs`);
});

test("bytes that are encoded already keep their place between PDUs", (t) => {
  const gatherer = new PduGatherer();
  const encoder = new Encoder();
  gatherer.add(pdu(0), dataOf(64, 0));
  gatherer.addPieces(gatherer.encode(pdu(1), dataOf(64, 1)));
  gatherer.add(pdu(2), dataOf(64, 2));
  const expected = [0, 1, 2].flatMap((at) => encoder.encode(pdu(at), dataOf(64, at)));
  t.true(join(gatherer.take().pieces).equals(join(expected)));
});

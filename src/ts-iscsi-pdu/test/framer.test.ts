import test from "ava";
import * as fc from "fast-check";
import {
  Encoder,
  Framer,
  Opcode,
  ProtocolError,
  viewPdu,
  type AnyPdu,
  type FramerOptions,
  type PduFields,
  type PduInit,
} from "../src/index.ts";
import { anyPdu } from "./arbitraries.ts";

type Heard =
  | { readonly kind: "pdu"; readonly fields: PduFields; readonly data: Uint8Array }
  | { readonly kind: "error"; readonly error: ProtocolError; readonly fields: PduFields | undefined };

/** A framer and everything that its sink hears, with data placed in buffers of the sink's own. */
function listen(options: FramerOptions, place?: (pdu: AnyPdu) => Uint8Array | null) {
  const heard: Heard[] = [];
  const framer = new Framer(
    {
      header: place ?? (() => null),
      pdu: (pdu, data) => heard.push({ kind: "pdu", fields: pdu.toFields(), data: data.slice() }),
      error: (error, pdu) => heard.push({ kind: "error", error, fields: pdu?.toFields() }),
    },
    options,
  );
  return { framer, heard };
}

function wire(pdus: readonly (readonly [PduInit, Uint8Array?])[], digests: FramerOptions = {}): Uint8Array {
  const encoder = new Encoder(digests);
  return Uint8Array.from(Buffer.concat(pdus.flatMap(([fields, data]) => encoder.encode(fields, data))));
}

const bytes = (length: number, seed = 0) => Uint8Array.from({ length }, (_, at) => (at * 31 + seed) & 0xff);

const dataIn = (dataSn: number, bufferOffset: number): PduInit => ({
  opcode: Opcode.DataIn,
  itt: 7,
  final: false,
  expCmdSn: 3,
  maxCmdSn: 34,
  dataSn,
  bufferOffset,
});

const conversation: readonly (readonly [PduInit, Uint8Array?])[] = [
  [dataIn(0, 0), bytes(64)],
  [dataIn(1, 64), bytes(61, 9)],
  [
    {
      opcode: Opcode.ScsiCommand,
      itt: 8,
      cdb: bytes(32, 1),
      cmdSn: 4,
      expStatSn: 5,
      bidirectionalReadLength: 9,
    },
  ],
  [dataIn(2, 125), bytes(1, 5)],
  [{ opcode: Opcode.NopIn, statSn: 6, expCmdSn: 4, maxCmdSn: 35, ttt: 1 }],
];

const DIGESTS: readonly (readonly [name: string, options: FramerOptions])[] = [
  ["no digests", {}],
  ["a header digest", { headerDigest: true }],
  ["a data digest", { dataDigest: true }],
  ["both digests", { headerDigest: true, dataDigest: true }],
];

for (const [name, options] of DIGESTS) {
  const stream = wire(conversation, options);

  test(`${name}: every split size gives the same PDUs`, (t) => {
    const whole = listen(options);
    whole.framer.push(stream);
    t.is(whole.heard.length, conversation.length);
    t.deepEqual(
      whole.heard.map((item) => (item.kind === "pdu" ? item.data : item.error.message)),
      conversation.map(([, data]) => data ?? new Uint8Array(0)),
    );
    for (let split = 1; split < stream.length; split += 1) {
      const { framer, heard } = listen(options);
      for (let at = 0; at < stream.length; at += split) framer.push(stream.subarray(at, at + split));
      t.deepEqual(heard, whole.heard, `split ${split}`);
      t.true(framer.idle);
    }
  });

  test(`${name}: one reused receive buffer, as a socket has it`, (t) => {
    const { framer, heard } = listen(options);
    const buffer = new Uint8Array(37);
    for (let at = 0; at < stream.length; at += buffer.length) {
      const part = stream.subarray(at, at + buffer.length);
      buffer.set(part);
      framer.push(buffer.subarray(0, part.length));
      buffer.fill(0xee);
    }
    t.deepEqual(
      heard.map((item) => item.kind === "pdu" && item.data),
      conversation.map(([, data]) => data ?? new Uint8Array(0)),
    );
  });

  test(`${name}: any PDUs, cut anywhere, come out as they went in`, (t) => {
    t.plan(1);
    fc.assert(
      fc.property(
        fc.array(anyPdu, { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }),
        (pdus, cuts) => {
          const sent = wire(pdus, options);
          const { framer, heard } = listen(options);
          for (let at = 0, turn = 0; at < sent.length; turn += 1) {
            const cut = cuts[turn % cuts.length]!;
            framer.push(sent.subarray(at, at + cut));
            at += cut;
          }
          return (
            framer.idle &&
            heard.length === pdus.length &&
            heard.every((item, index) => {
              const [fields, data] = pdus[index]!;
              return (
                item.kind === "pdu" &&
                Buffer.compare(item.data, data) === 0 &&
                Buffer.compare(wire([[item.fields, data]]), wire([[fields, data]])) === 0
              );
            })
          );
        },
      ),
      { numRuns: 150 },
    );
    t.pass();
  });
}

test("data goes straight to where the sink wants it, and nowhere else", (t) => {
  const destination = new Uint8Array(200).fill(0xee);
  const { framer, heard } = listen({ dataDigest: true }, (pdu) =>
    pdu.opcode === Opcode.DataIn ? destination.subarray(10 + pdu.bufferOffset) : null,
  );
  framer.push(wire(conversation, { dataDigest: true }));
  t.is(heard.length, 5);
  t.deepEqual(destination.subarray(10, 136), Uint8Array.of(...bytes(64), ...bytes(61, 9), ...bytes(1, 5)));
  t.true(destination.subarray(0, 10).every((byte) => byte === 0xee));
  t.true(destination.subarray(136).every((byte) => byte === 0xee));
});

test("the sink is asked where data goes as soon as the header is in", (t) => {
  let asked = 0;
  const { framer } = listen({}, () => {
    asked += 1;
    return null;
  });
  const stream = wire([conversation[0]!]);
  framer.push(stream.subarray(0, 47));
  t.is(asked, 0);
  framer.push(stream.subarray(47, 48));
  t.is(asked, 1);
  t.false(framer.idle);
});

test("digests switched on by the sink hold from the next PDU of the same chunk on", (t) => {
  const plain = wire([conversation[0]!]);
  const digested = wire(conversation.slice(1), { headerDigest: true, dataDigest: true });
  const got: PduFields[] = [];
  const framer: Framer = new Framer({
    header: () => null,
    pdu: (pdu) => {
      got.push(pdu.toFields());
      framer.configure({ headerDigest: true, dataDigest: true });
    },
    error: (error) => t.fail(error.message),
  });
  framer.push(Buffer.concat([plain, digested]));
  t.is(got.length, conversation.length);
});

test("digests switched on while a PDU's data is on its way do not touch that PDU", (t) => {
  const { framer, heard } = listen({});
  const stream = wire([conversation[0]!]);
  framer.push(stream.subarray(0, 60));
  framer.configure({ headerDigest: true, dataDigest: true });
  framer.push(stream.subarray(60));
  framer.push(wire(conversation.slice(1), { headerDigest: true, dataDigest: true }));
  t.deepEqual(
    heard.map(({ kind }) => kind),
    conversation.map(() => "pdu"),
  );
});

test("without data there is no data digest", (t) => {
  const stream = wire([conversation[4]!], { dataDigest: true });
  t.is(stream.length, 48);
});

test("a data segment beyond the bound is refused before a byte is allocated", (t) => {
  const allocated: number[] = [];
  const { framer, heard } = listen({
    maxDataLength: 1000,
    allocate: (length) => {
      allocated.push(length);
      return new Uint8Array(length);
    },
  });
  framer.push(wire([[dataIn(0, 0), bytes(1000)]]));
  const tooLong = wire([[dataIn(1, 0), bytes(1001)]]);
  framer.push(tooLong);
  framer.push(wire([conversation[4]!]));
  t.deepEqual(allocated, [1000]);
  t.is(heard.length, 2);
  const last = heard[1]!;
  t.true(last.kind === "error");
  if (last.kind !== "error") return;
  t.like(last.error, { code: "PDU_DATA_LENGTH", got: 1001, limit: 1000, recoverable: false });
  t.deepEqual(last.error.header, tooLong.subarray(0, 48));
  t.true(framer.stopped);
});

test("24 bits of length do not make it allocate 16 MiB", (t) => {
  const { framer, heard } = listen({ maxDataLength: 262_144 });
  const header = new Uint8Array(48);
  header.set([0x25, 0x80, 0, 0, 0, 0xff, 0xff, 0xff]);
  framer.push(header);
  t.is(heard[0]?.kind, "error");
});

test("a wrong data digest is reported with its header, and the next PDU is heard", (t) => {
  const options = { headerDigest: true, dataDigest: true };
  const stream = wire(conversation, options);
  stream[52 + 10]! ^= 1;
  const { framer, heard } = listen(options);
  framer.push(stream);
  t.deepEqual(
    heard.map(({ kind }) => kind),
    ["error", "pdu", "pdu", "pdu", "pdu"],
  );
  const [first] = heard;
  if (first?.kind !== "error") return t.fail();
  t.like(first.error, { code: "PDU_DATA_DIGEST", recoverable: true });
  t.like(first.fields, { opcode: Opcode.DataIn, dataSn: 0 });
  return undefined;
});

test("padding is part of the data digest", (t) => {
  const stream = wire([conversation[1]!], { dataDigest: true });
  stream[48 + 61]! ^= 0x80;
  const { framer, heard } = listen({ dataDigest: true });
  framer.push(stream);
  t.is(heard[0]?.kind, "error");
});

test("a wrong header digest ends the framer", (t) => {
  const options = { headerDigest: true };
  const stream = wire(conversation, options);
  stream[20]! ^= 1;
  const { framer, heard } = listen(options);
  framer.push(stream);
  t.is(heard.length, 1);
  t.like(heard[0], { kind: "error", fields: undefined });
  t.true(framer.stopped);
});

/** Flip one byte of the second PDU's header, go on: everything else has to be heard, but the one with AHS behind it. */
for (const [where, at] of [
  ["the ITT", 16],
  ["the opcode", 0],
  ["the digest", 48],
] as const) {
  test(`resync: a header damaged in ${where} costs that PDU only, at every split`, (t) => {
    const options = { headerDigest: true, dataDigest: true, resync: true };
    const stream = wire(conversation, options);
    const second = 52 + 64 + 4;
    stream[second + at]! ^= 0x10;
    for (let split = 1; split <= 120; split += 1) {
      const { framer, heard } = listen(options);
      for (let from = 0; from < stream.length; from += split)
        framer.push(stream.subarray(from, from + split));
      t.deepEqual(
        heard.map((item) => (item.kind === "pdu" ? item.fields.opcode : item.error.code)),
        [Opcode.DataIn, "PDU_HEADER_DIGEST", Opcode.DataIn, Opcode.NopIn],
        `split ${split}`,
      );
    }
  });
}

for (const length of [0, 4, 60, 124, 8000, 0xff_ffff]) {
  test(`resync: a header whose length is damaged to ${length} is left behind in the end`, (t) => {
    const options = { headerDigest: true, dataDigest: true, resync: true };
    const pdus = Array.from(
      { length: 200 },
      (_, index) => [dataIn(index, index * 100), bytes(100, index)] as const,
    );
    const stream = wire(pdus, options);
    stream.set(
      [length >>> 16, length >>> 8, length].map((byte) => byte & 0xff),
      156 + 5,
    );
    const { framer, heard } = listen(options);
    framer.push(stream);
    const last = heard.at(-1);
    t.true(last?.kind === "pdu" && last.fields.opcode === Opcode.DataIn && last.fields.dataSn === 199);
    t.is(heard.filter(({ kind }) => kind === "error").length, 1);
    t.false(framer.stopped);
  });
}

test("resync gives up within its bound", (t) => {
  const options = { headerDigest: true, resync: true, maxDataLength: 512 };
  const { framer, heard } = listen(options);
  const noise = bytes(8192, 3);
  framer.push(noise);
  t.true(framer.stopped);
  t.like(heard.at(-1), { kind: "error" });
  const last = heard.at(-1);
  t.is(last?.kind === "error" ? last.error.code : "", "PDU_RESYNC");
});

test("stop() ends delivery in the middle of a chunk", (t) => {
  let count = 0;
  const framer: Framer = new Framer({
    header: () => null,
    pdu: () => {
      count += 1;
      if (count === 2) framer.stop();
    },
    error: (error) => t.fail(error.message),
  });
  framer.push(wire(conversation));
  t.is(count, 2);
});

test("an exception from the sink comes through push and ends the framer", (t) => {
  const framer = new Framer({
    header: () => null,
    pdu: () => {
      throw new Error("mine");
    },
    error: () => undefined,
  });
  t.throws(() => framer.push(wire(conversation)), { message: "mine" });
  t.true(framer.stopped);
});

test("a destination that is too small is the caller's mistake", (t) => {
  const { framer } = listen({}, () => new Uint8Array(10));
  t.throws(() => framer.push(wire(conversation)), { instanceOf: RangeError });
});

test("push from the sink is refused", (t) => {
  const framer: Framer = new Framer({
    header: () => null,
    pdu: () => framer.push(new Uint8Array(1)),
    error: () => undefined,
  });
  t.throws(() => framer.push(wire(conversation)), { message: /own sink/ });
});

test("a bound that is no length is refused", (t) => {
  const { framer } = listen({});
  for (const maxDataLength of [-1, 1.5, 2 ** 24, Number.NaN]) {
    t.throws(() => framer.configure({ maxDataLength }), { instanceOf: RangeError });
  }
});

test("arbitrary bytes never throw and never allocate beyond the bound", (t) => {
  t.plan(1);
  const options = fc.record({ headerDigest: fc.boolean(), dataDigest: fc.boolean(), resync: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 6 }),
      options,
      (chunks, set) => {
        let most = 0;
        const { framer } = listen(
          {
            ...set,
            maxDataLength: 300,
            allocate: (length) => {
              most = Math.max(most, length);
              return new Uint8Array(length);
            },
          },
          () => null,
        );
        const quiet = new Framer({ header: () => null, pdu: () => undefined, error: () => undefined }, set);
        for (const chunk of chunks) {
          quiet.push(chunk);
          try {
            framer.push(chunk);
          } catch (error) {
            // The listener takes AHS apart, which may be malformed; the framer itself has no opinion on them.
            if (!(error instanceof ProtocolError)) throw error;
          }
        }
        return most <= 300;
      },
    ),
    { numRuns: 500 },
  );
  t.pass();
});

test("a flipped bit anywhere under both digests is noticed", (t) => {
  const options = { headerDigest: true, dataDigest: true };
  const stream = wire([conversation[1]!], options);
  for (let bit = 0; bit < stream.length * 8; bit += 1) {
    const damaged = stream.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    const { framer, heard } = listen(options);
    framer.push(damaged);
    t.false(
      heard.some(({ kind }) => kind === "pdu"),
      `bit ${bit}`,
    );
  }
  t.is(viewPdu(stream).dataLength, 61);
});

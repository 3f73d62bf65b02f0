import test from "ava";
import * as fc from "fast-check";
import { Encoder, Opcode, crc32cJs, u32le, viewPdu, type PduInit } from "../src/index.ts";
import { anyPdu } from "./arbitraries.ts";
import { bytesOf, FIXTURES } from "./fixtures.ts";

const nop: PduInit = { opcode: Opcode.NopOut, cmdSn: 1, expStatSn: 2, itt: 3 };
const bytes = (length: number) => Uint8Array.from({ length }, (_, at) => (at * 7 + 1) & 0xff);

test("pieces: header, the caller's data itself, padding", (t) => {
  const data = bytes(5);
  const pieces = new Encoder().encode(nop, data);
  t.is(pieces.length, 3);
  t.is(pieces[1], data);
  t.deepEqual(pieces[2], new Uint8Array(3));
  t.is(viewPdu(pieces[0]!).dataLength, 5);
});

test("pieces: no trailer for whole words, no data for none", (t) => {
  t.is(new Encoder().encode(nop, bytes(8)).length, 2);
  t.is(new Encoder().encode(nop).length, 1);
  t.is(new Encoder().encode(nop, new Uint8Array(0)).length, 1);
  t.is(new Encoder({ dataDigest: true }).encode(nop, new Uint8Array(0)).length, 1);
});

test("digests: little-endian, over BHS and AHS, over data and padding", (t) => {
  const encoder = new Encoder({ headerDigest: true, dataDigest: true });
  const fixture = FIXTURES[5]!;
  const [head, , trailer] = encoder.encode({ ...fixture.fields }, bytes(5));
  t.is(head!.length, 48 + 28 + 4);
  const [covered, digest] = [head!.subarray(0, 76), head!.subarray(76)];
  t.is(u32le(digest, 0), crc32cJs(covered));
  t.is(trailer!.length, 3 + 4);
  t.is(u32le(trailer!, 3), crc32cJs(Uint8Array.of(...bytes(5), 0, 0, 0)));
});

test("a data segment's length wins over the one in the fields", (t) => {
  const [head] = new Encoder().encode({ ...nop, dataLength: 999 }, bytes(12));
  t.is(viewPdu(head!).dataLength, 12);
  const [alone] = new Encoder().encode({ ...nop, dataLength: 999 });
  t.is(viewPdu(alone!).dataLength, 0);
});

test("one piece and several pieces are the same bytes, and size says how many", (t) => {
  t.plan(1);
  const digests = fc.record({ headerDigest: fc.boolean(), dataDigest: fc.boolean() });
  fc.assert(
    fc.property(anyPdu, digests, fc.nat(9), ([fields, data], options, at) => {
      const encoder = new Encoder(options);
      const pieces = Buffer.concat(encoder.encode(fields, data));
      const into = new Uint8Array(at + pieces.length + 5).fill(0xee);
      const length = encoder.encodeInto(into, at, fields, data);
      return (
        length === pieces.length &&
        encoder.size(fields, data.length) === length &&
        Buffer.compare(pieces, into.subarray(at, at + length)) === 0 &&
        into.subarray(0, at).every((byte) => byte === 0xee) &&
        into.subarray(at + length).every((byte) => byte === 0xee)
      );
    }),
  );
  t.pass();
});

test("headers of one slab do not overlap and are never handed out twice", (t) => {
  const encoder = new Encoder({ headerDigest: true });
  const heads = Array.from({ length: 500 }, (_, itt) => encoder.encode({ ...nop, itt })[0]!);
  t.deepEqual(
    heads.map((head) => viewPdu(head).itt),
    heads.map((_, itt) => itt),
  );
  t.true(new Set(heads.map((head) => head.buffer)).size < 10, "slabs are shared");
});

test("a patch changes the header before its digest is made", (t) => {
  const encoder = new Encoder({ headerDigest: true });
  const [head] = encoder.encode(nop, undefined, (header) => {
    t.is(header.length, 48);
    header[0] = 0x1e;
  });
  t.is(head![0], 0x1e);
  t.is(u32le(head!, 48), crc32cJs(head!.subarray(0, 48)));
});

test("settings change from the next PDU on", (t) => {
  const encoder = new Encoder();
  t.is(encoder.size(nop, 5), 56);
  encoder.configure({ headerDigest: true, dataDigest: true });
  t.is(encoder.size(nop, 5), 64);
  encoder.configure({ headerDigest: false });
  t.is(encoder.size(nop, 5), 60);
});

test("slabs come from the caller's allocator", (t) => {
  const encoder = new Encoder({ allocate: (length) => Buffer.allocUnsafeSlow(length) });
  t.true(Buffer.isBuffer(encoder.encode(nop)[0]));
  t.deepEqual(
    encoder.encode(nop)[0],
    Buffer.from(new Encoder().encode(nop)[0]!),
    "dirty memory does not show",
  );
});

test("what cannot be said is refused", (t) => {
  const encoder = new Encoder();
  const command = { opcode: Opcode.ScsiCommand, itt: 1, cmdSn: 1, expStatSn: 1 } as const;
  t.throws(() => encoder.encode(nop, new Uint8Array(2 ** 24)), { instanceOf: RangeError });
  t.throws(() => encoder.encode({ ...command, cdb: new Uint8Array(1200) }), { instanceOf: RangeError });
  t.throws(() => encoder.encode({ ...command, cdb: bytes(16), lun: 2 ** 24 }), { instanceOf: RangeError });
  t.throws(() => encoder.encode({ ...command, cdb: bytes(16), lun: bytes(7) }), { instanceOf: RangeError });
  t.throws(() => encoder.encodeInto(new Uint8Array(47), 0, nop), { instanceOf: RangeError });
  t.throws(
    () =>
      encoder.encode({
        opcode: Opcode.LoginRequest,
        itt: 1,
        csg: 1,
        isid: bytes(5),
        cmdSn: 1,
        expStatSn: 0,
      }),
    { instanceOf: RangeError },
  );
});

test("short CDBs are padded with zeros", (t) => {
  const [head] = new Encoder().encode({
    opcode: Opcode.ScsiCommand,
    itt: 1,
    cmdSn: 1,
    expStatSn: 1,
    cdb: bytesOf("120000002400"),
  });
  t.deepEqual(head!.subarray(32), bytesOf("12000000240000000000000000000000"));
});

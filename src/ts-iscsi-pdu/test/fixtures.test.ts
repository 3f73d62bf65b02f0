import test from "ava";
import {
  checkPdu,
  decodeIsid,
  Opcode,
  formatPdu,
  pduAhs,
  ProtocolError,
  readAhs,
  ScsiCommandView,
  UNKNOWN_OPCODE,
  VIEWS,
  viewPdu,
  writeAhs,
  writePdu,
  type PduInit,
} from "../src/index.ts";
import { bytesOf, FIXTURES, type Fixture } from "./fixtures.ts";

/** The header of these fields, between guard bytes that no writer may touch. */
function written(f: PduInit, length: number): Uint8Array {
  const into = new Uint8Array(length + 16).fill(0xa5);
  writePdu(into, 8, f);
  writeAhs(into, 56, pduAhs(f));
  if (
    !into.subarray(0, 8).every((byte) => byte === 0xa5) ||
    !into.subarray(8 + length).every((byte) => byte === 0xa5)
  ) {
    throw new Error("wrote outside its area");
  }
  return into.slice(8, 8 + length);
}

const threeWays = test.macro({
  exec(t, { hex, fields }: Fixture) {
    const bytes = bytesOf(hex);
    const pdu = viewPdu(bytes);
    t.deepEqual(pdu.toFields(), fields, "parse");
    t.deepEqual(written(fields, bytes.length), bytes, "generate");
    t.deepEqual(written(pdu.toFields(), bytes.length), bytes, "mirror");
    t.deepEqual(viewPdu(Uint8Array.of(9, 9, 9, ...bytes), 3).toFields(), fields, "at an offset");
    t.deepEqual(pdu.copy().toFields(), fields, "copy");
  },
  title: (_, { name }: Fixture) => `three ways: ${name}`,
});

for (const fixture of FIXTURES) test(threeWays, fixture);

test("every opcode has a fixture", (t) => {
  t.deepEqual(
    Object.values(Opcode).filter((opcode) => !FIXTURES.some(({ fields }) => fields.opcode === opcode)),
    [],
  );
  t.is(Object.keys(VIEWS).length, 18);
});

test("the fixtures are clean headers by the checker's rules", (t) => {
  const findings = FIXTURES.flatMap(({ name, hex }) =>
    checkPdu(viewPdu(bytesOf(hex))).map((error) => `${name}: ${error.message}`),
  );
  t.deepEqual(findings, []);
});

test("a copy outlives its bytes", (t) => {
  const bytes = bytesOf(FIXTURES[5]!.hex);
  const view = viewPdu(bytes);
  const kept = view.copy();
  bytes.fill(0);
  t.deepEqual(kept.toFields(), FIXTURES[5]!.fields);
  t.is(view.opcode, Opcode.ScsiCommand);
});

test("a view gives the full CDB and the read length without a copy of anything else", (t) => {
  const view = viewPdu(bytesOf(FIXTURES[5]!.hex));
  t.true(view instanceof ScsiCommandView);
  if (!(view instanceof ScsiCommandView)) return;
  t.is(view.cdb.length, 16);
  t.is(view.cdb.buffer, view.bytes.buffer);
  t.is(view.fullCdb().length, 32);
  t.is(view.bidirectionalReadLength(), 1024);
  t.is(view.ahsLength, 28);
});

test("defaults: final, no tags, everything else zero", (t) => {
  t.deepEqual(
    written({ opcode: Opcode.NopOut, cmdSn: 1, expStatSn: 2 }, 48),
    bytesOf(
      `00800000 00000000 00000000 00000000 ffffffff ffffffff 00000001 00000002 00000000 00000000 00000000 00000000`,
    ),
  );
});

test("an unknown opcode is viewed and written back as it is", (t) => {
  const bytes = bytesOf(`1e123456 00000004 01020304 05060708 0000002b 11111111 22222222 33333333
                         44444444 55555555 66666666 77777777`);
  const view = viewPdu(bytes);
  t.is(view.opcode, UNKNOWN_OPCODE);
  t.is(view.opcodeByte, 0x1e);
  t.is(view.itt, 0x2b);
  t.deepEqual(written(view.toFields(), 48), bytes);
});

const shortHeaders = [0, 1, 20, 47];
for (const length of shortHeaders) {
  test(`a header of ${length} bytes is refused`, (t) => {
    const error = t.throws(() => viewPdu(new Uint8Array(length)), { instanceOf: ProtocolError });
    t.like(error, { code: "PDU_SHORT", field: "BHS", got: length, limit: 48 });
  });
}

const badAhs: readonly (readonly [name: string, hex: string])[] = [
  ["a segment that runs past the end", "00050200"],
  ["a second segment that runs past the end", "00010100 00020300"],
  ["a length cut off", "00010100 0001"],
  ["a length of 65535", "ffff0100 00000000"],
];
for (const [name, hex] of badAhs) {
  test(`malformed AHS: ${name}`, (t) => {
    t.throws(() => readAhs(bytesOf(hex)), { instanceOf: ProtocolError, code: "PDU_AHS" });
    const bytes = new Uint8Array(48 + bytesOf(hex).length);
    bytes[0] = Opcode.ScsiCommand;
    bytes[4] = Math.ceil(bytesOf(hex).length / 4);
    bytes.set(bytesOf(hex), 48);
    const view = viewPdu(bytes);
    t.throws(() => view.toFields(), { instanceOf: ProtocolError });
    t.regex(formatPdu(view), /AHS=malformed/);
  });
}

test("an AHS area that is not all there is refused", (t) => {
  const bytes = bytesOf(FIXTURES[5]!.hex).slice(0, 60);
  t.throws(() => viewPdu(bytes).ahs(), { instanceOf: ProtocolError, code: "PDU_SHORT" });
});

const isids = [
  ["00023d000007", { form: "oui", oui: 0x23d, qualifier: 7 }],
  ["3fffffffffff", { form: "oui", oui: 0x3f_ffff, qualifier: 0xff_ffff }],
  ["400000010002", { form: "en", enterpriseNumber: 1, qualifier: 2 }],
  ["801234560001", { form: "random", random: 0x12_3456, qualifier: 1 }],
  ["c10203040506", { form: "reserved", a: 0xc1, b: 0x0203, c: 4, d: 0x0506 }],
  ["410203040506", { form: "reserved", a: 0x41, b: 0x0203, c: 4, d: 0x0506 }],
] as const;
for (const [hex, isid] of isids) {
  test(`ISID ${hex} is of the form ${isid.form}`, (t) => {
    t.deepEqual(decodeIsid(bytesOf(hex)), isid);
  });
}

test("what is kept of a Node.js Buffer is a copy too", (t) => {
  for (const { hex, fields } of FIXTURES) {
    const bytes = Buffer.from(bytesOf(hex));
    const view = viewPdu(bytes);
    const kept = view.copy();
    const plain = view.toFields();
    bytes.fill(0);
    t.deepEqual(kept.toFields(), fields);
    t.deepEqual(plain, fields);
  }
});

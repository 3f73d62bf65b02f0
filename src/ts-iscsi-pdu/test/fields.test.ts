import test from "ava";
import * as fc from "fast-check";
import {
  checkPdu,
  FIELD_TABLES,
  findField,
  formatFields,
  formatPdu,
  isOpcode,
  Opcode,
  OPCODE_TITLES,
  opcodeName,
  opcodeSender,
  pduRows,
  readField,
  TmfFunction,
  viewPdu,
  writeField,
  writePdu,
} from "../src/index.ts";
import { anyHeader, fieldValue, header } from "./arbitraries.ts";
import { bytesOf, FIXTURES } from "./fixtures.ts";

function knownOpcode(bytes: Uint8Array): Opcode {
  const opcode = bytes[0]! & 0x3f;
  if (!isOpcode(opcode)) throw new Error(`opcode ${opcode}`);
  return opcode;
}

const opcodes = Object.entries(Opcode);

/** What a view says of a field, in the terms of the table. */
function viewed(view: object, fields: object, name: string): unknown {
  const plain = Reflect.get(fields, name);
  return plain === undefined ? Reflect.get(view, name) : plain;
}

for (const [name, opcode] of opcodes) {
  test(`${name}: the hand-written view and writer agree with the field table on every header`, (t) => {
    t.plan(1);
    fc.assert(
      fc.property(header(opcode), (bytes) => {
        const view = viewPdu(bytes);
        const fields = view.toFields();
        for (const field of FIELD_TABLES[opcode]) {
          const byTable = readField(bytes, field);
          const byView = viewed(view, fields, field.name);
          const same =
            byTable instanceof Uint8Array
              ? byView instanceof Uint8Array && Buffer.compare(byTable, byView) === 0
              : byTable === byView;
          if (!same) throw new Error(`${field.name}: table ${String(byTable)}, view ${String(byView)}`);
          const getter = Reflect.get(view, field.name);
          if (field.kind !== "bytes" && field.kind !== "lun" && getter !== byTable)
            throw new Error(field.name);
        }
        const written = new Uint8Array(48).fill(0xff);
        writePdu(written, 0, fields);
        return Buffer.compare(written, bytes) === 0;
      }),
      { numRuns: 200 },
    );
    t.pass();
  });

  test(`${name}: plain fields and the table have the same names`, (t) => {
    const bytes = new Uint8Array(48);
    bytes[0] = opcode;
    const names = FIELD_TABLES[opcode].map((field) => field.name);
    t.deepEqual(
      Object.keys(viewPdu(bytes).toFields())
        .filter((key) => key !== "opcode")
        .sort(),
      names.filter((key) => key !== "opcodeByte" && key !== "totalAhsLength").sort(),
    );
    t.is(new Set(names).size, names.length);
  });

  test(`${name}: no two fields share a bit`, (t) => {
    for (const field of FIELD_TABLES[opcode]) {
      const bytes = new Uint8Array(48);
      const all =
        field.kind === "bytes" || field.kind === "lun" ? new Uint8Array(field.width / 8).fill(255) : 2 ** 32;
      writeField(
        bytes,
        field,
        field.kind === "flag" ? true : all instanceof Uint8Array ? all : 2 ** field.width - 1,
      );
      const others = FIELD_TABLES[opcode].filter((other) => other !== field);
      for (const other of others) {
        const value = readField(bytes, other);
        const clear = value instanceof Uint8Array ? value.every((byte) => byte === 0) : Number(value) === 0;
        t.true(clear, `${field.name} runs into ${other.name}`);
      }
      const bits = bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
      t.is(bits, field.width, field.name);
    }
  });
}

test("writeField changes its field and nothing else", (t) => {
  t.plan(1);
  const cases = fc.constantFrom(...Object.values(FIELD_TABLES).flat()).chain((field) =>
    fc.record({
      field: fc.constant(field),
      value: fieldValue(field),
      bytes: fc.uint8Array({ minLength: 48, maxLength: 48 }),
    }),
  );
  fc.assert(
    fc.property(cases, ({ field, value, bytes }) => {
      const changed = bytes.slice();
      writeField(changed, field, value);
      const before = readField(bytes, field);
      writeField(changed, field, before);
      return Buffer.compare(changed, bytes) === 0;
    }),
  );
  t.pass();
});

test("writeField refuses a value of another kind", (t) => {
  const bytes = new Uint8Array(48);
  t.throws(() => writeField(bytes, findField(Opcode.ScsiCommand, "cdb")!, 5), { instanceOf: TypeError });
  t.throws(() => writeField(bytes, findField(Opcode.ScsiCommand, "edtl")!, new Uint8Array(4)), {
    instanceOf: TypeError,
  });
  t.throws(() => writeField(bytes, findField(Opcode.LoginRequest, "isid")!, new Uint8Array(5)), {
    instanceOf: RangeError,
  });
  t.throws(() => writeField(bytes, findField(Opcode.DataIn, "lun")!, 2 ** 24), { instanceOf: RangeError });
  t.is(findField(Opcode.DataIn, "cdb"), undefined);
});

test("a line for people: one PDU of each kind", (t) => {
  const lines = FIXTURES.map(({ hex }) => formatPdu(viewPdu(bytesOf(hex))));
  t.is(
    lines[3],
    "SCSI Command F R ATTR=1 (simple) LUN=300 InitiatorTaskTag=0x00000003 ExpectedDataTransferLength=4096 " +
      "CmdSN=9 ExpStatSN=18 CDB=28000000100000000800000000000000",
  );
  t.regex(lines[5]!, /CDB=7f0000.* ExtendedCDB=a0a1.*af BidirectionalReadLength=1024$/);
  t.regex(lines[10]!, /^Task Management Function Request I F Function=8 \(TASK REASSIGN\)/);
  t.regex(lines[21]!, /Status-Class=2 \(initiator error\) Status-Detail=1 \(authentication failure\)$/);
  t.deepEqual(
    FIXTURES.map(({ fields }) => formatFields(fields)),
    lines,
  );
});

test("any header at all prints on one line, and so do unknown opcodes", (t) => {
  t.plan(1);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 48, maxLength: 80 }), (bytes) => {
      const pdu = viewPdu(bytes);
      pduRows(pdu);
      checkPdu(pdu);
      return !formatPdu(pdu).includes("\n");
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

const findings: readonly (readonly [
  name: string,
  fixture: number,
  field: string,
  value: boolean | number,
  words: RegExp,
])[] = [
  ["F of a NOP-Out", 0, "final", false, /byte 1 bit 7 is always 1/],
  ["AHS on a NOP-In", 2, "totalAhsLength", 1, /no additional header segments/],
  ["W and F both 0", 3, "final", false, /W and F are both 0/],
  ["O and U together", 7, "overflow", true, /O and U exclude each other/],
  ["data on a TMF Request", 9, "dataLength", 8, /has no data segment/],
  ["S without F", 13, "final", false, /S without F/],
  ["an R2T for nothing", 15, "desiredLength", 0, /asks for nothing/],
  ["a task tag on an Asynchronous Message", 16, "itt", 7, /has no task tag/],
  ["C and F together", 17, "final", true, /C and F exclude each other/],
  ["more text without a tag", 18, "ttt", 0xffff_ffff, /more needs a tag/],
  ["a Login Request that is not immediate", 19, "immediate", false, /I bit is always 1/],
  ["a login that goes nowhere", 19, "nsg", 1, /not a later one/],
  ["a next stage without T", 21, "nsg", 3, /a next stage without T/],
];
for (const [name, index, fieldName, value, words] of findings) {
  test(`the checker finds ${name}`, (t) => {
    const bytes = bytesOf(FIXTURES[index]!.hex);
    const pdu = viewPdu(bytes);
    writeField(
      bytes,
      FIELD_TABLES[knownOpcode(bytes)].find((field) => field.name === fieldName)!,
      value,
    );
    const found = checkPdu(pdu);
    t.true(
      found.some((error) => words.test(error.message)),
      found.map((error) => error.message).join("; "),
    );
    t.true(found.every((error) => error.code === "PDU_FIELD" && error.header?.length === 48));
  });
}

test("the checker finds every reserved bit, and only those", (t) => {
  t.plan(1);
  fc.assert(
    fc.property(anyHeader, fc.nat(48 * 8 - 1), (bytes, bit) => {
      const claimed = FIELD_TABLES[knownOpcode(bytes)].some((field) => {
        const first = field.byte * 8 + 7 - field.bit;
        return bit >= first && bit < first + field.width;
      });
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 0x80 >> (bit & 7);
      const reserved = checkPdu(viewPdu(flipped)).filter((error) => /reserved bits/.test(error.message));
      return claimed ? reserved.length === 0 || flipped[0] !== bytes[0] : reserved.length === 1;
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

test("opcodes by number, name and sender", (t) => {
  t.is(opcodeName(0x25), "DataIn");
  t.is(opcodeName(0x07), undefined);
  t.is(opcodeSender(Opcode.Snack), "initiator");
  t.is(opcodeSender(Opcode.Reject), "target");
  t.is(Object.keys(OPCODE_TITLES).length, 18);
  t.is(TmfFunction.ClearTaskSet, 4);
  t.is(TmfFunction.TaskReassign, 8);
});

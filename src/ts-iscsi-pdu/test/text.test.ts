import test from "ava";
import * as fc from "fast-check";
import {
  parseBinary,
  parseBoolean,
  parseList,
  parseNumber,
  parseRange,
  parseTextKeys,
  ProtocolError,
  splitText,
  TextReassembler,
  textValue,
  writeBinary,
  writeBoolean,
  writeList,
  writeTextKeys,
  type TextKey,
} from "../src/index.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

test("pairs, each with its NUL", (t) => {
  const pairs: readonly TextKey[] = [
    ["InitiatorName", "iqn.2026-01.org.example:ä"],
    ["HeaderDigest", "CRC32C,None"],
    ["TargetAlias", ""],
    ["TargetAddress", "[fe80::1]:3260,1"],
    ["X-org.example.equals", "a=b=c"],
  ];
  const bytes = writeTextKeys(pairs);
  t.deepEqual(bytes.subarray(0, 17), utf8("InitiatorName=iqn"));
  t.is(bytes.at(-1), 0);
  t.deepEqual(parseTextKeys(bytes), [...pairs]);
  t.is(textValue(pairs, "TargetAlias"), "");
  t.is(textValue(pairs, "TargetName"), undefined);
});

test("SendTargets repeats keys, and their order stays", (t) => {
  const text = "TargetName=a\0TargetAddress=1\0TargetAddress=2\0TargetName=b\0";
  t.deepEqual(
    parseTextKeys(utf8(text)).map(([, value]) => value),
    ["a", "1", "2", "b"],
  );
});

const lenient: readonly (readonly [name: string, text: string, count: number])[] = [
  ["nothing", "", 0],
  ["padding that was counted", "A=1\0\0\0\0", 1],
  ["the last NUL left out", "A=1\0B=2", 2],
  ["empty pairs between", "A=1\0\0B=2\0", 2],
];
for (const [name, text, count] of lenient) {
  test(`accepted: ${name}`, (t) => {
    t.is(parseTextKeys(utf8(text)).length, count);
  });
}

const malformed: readonly (readonly [name: string, bytes: Uint8Array])[] = [
  ["no equals sign", utf8("InitiatorName\0")],
  ["no key", utf8("=value\0")],
  ["a key with a blank", utf8("Target Name=x\0")],
  ["a key in small letters", utf8("targetname=x\0")],
  ["a key of 64 characters", utf8(`${"K".repeat(64)}=x\0`)],
  ["bytes that are not UTF-8", Uint8Array.of(0x41, 0x3d, 0xff, 0xfe, 0)],
];
for (const [name, bytes] of malformed) {
  test(`refused: ${name}`, (t) => {
    t.throws(() => parseTextKeys(bytes), { instanceOf: ProtocolError, code: "TEXT_FORMAT" });
  });
}

test("an error never shows a value", (t) => {
  const error = t.throws(() => parseTextKeys(utf8("chap_r=0xsecretsecret\0")), { instanceOf: ProtocolError });
  t.notRegex(`${error.message} ${JSON.stringify(error)}`, /secretsecret/);
  const binary = t.throws(() => parseBinary("0xsecretsecret"), { instanceOf: ProtocolError });
  t.notRegex(`${binary.message} ${JSON.stringify(binary)}`, /secretsecret/);
});

test("what cannot be written is refused", (t) => {
  t.throws(() => writeTextKeys([["lower", "x"]]), { instanceOf: TypeError });
  t.notThrows(() => writeTextKeys([["iSCSIProtocolLevel", "2"]]));
  t.throws(() => writeTextKeys([["Key", "a\0b"]]), { instanceOf: TypeError });
  t.throws(() => splitText(utf8("abc"), 0), { instanceOf: RangeError });
});

test("a text cut into PDUs anywhere, inside keys and characters too, comes together again", (t) => {
  t.plan(1);
  const key = fc.stringMatching(/^[A-Z][A-Za-z0-9]{0,20}$/);
  const value = fc.string({ unit: "grapheme", maxLength: 40 }).map((text) => text.replaceAll("\0", ""));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(key, value), { maxLength: 8 }),
      fc.integer({ min: 1, max: 50 }),
      (pairs, size) => {
        const pieces = splitText(writeTextKeys(pairs), size);
        const reassembler = new TextReassembler();
        let whole: readonly TextKey[] | undefined;
        pieces.forEach((piece, index) => {
          if (whole !== undefined) throw new Error("complete too early");
          whole = reassembler.add(Buffer.from(piece), index < pieces.length - 1);
        });
        return !reassembler.pending && JSON.stringify(whole) === JSON.stringify(pairs);
      },
    ),
  );
  t.pass();
});

test("the reassembler keeps nothing of the PDU's buffer", (t) => {
  const reassembler = new TextReassembler();
  const buffer = Buffer.from("TargetName=iqn.2026-01.");
  t.is(reassembler.add(buffer, true), undefined);
  t.true(reassembler.pending);
  buffer.fill(0);
  t.deepEqual(reassembler.add(utf8("org.example\0"), false), [["TargetName", "iqn.2026-01.org.example"]]);
  t.false(reassembler.pending);
});

test("the reassembler stays within its bound, also against empty parts", (t) => {
  const reassembler = new TextReassembler({ maxLength: 100 });
  t.throws(
    () => {
      for (let turn = 0; turn < 50; turn += 1) reassembler.add(utf8("abcd"), true);
    },
    { instanceOf: ProtocolError, code: "TEXT_TOO_LONG" },
  );
  t.false(reassembler.pending);
  t.throws(
    () => {
      for (let turn = 0; turn < 200; turn += 1) reassembler.add(new Uint8Array(0), true);
    },
    { instanceOf: ProtocolError, code: "TEXT_TOO_LONG" },
  );
  t.deepEqual(reassembler.add(utf8("A=1\0"), false), [["A", "1"]]);
});

const numbers: readonly (readonly [text: string, value: number])[] = [
  ["0", 0],
  ["262144", 262_144],
  ["0x40000", 262_144],
  ["0XfF", 255],
  ["0x0001", 1],
];
for (const [text, value] of numbers) {
  test(`the number ${text}`, (t) => {
    t.is(parseNumber(text), value);
  });
}

for (const text of [
  "",
  " 1",
  "1 ",
  "+1",
  "-1",
  "1.5",
  "1e3",
  "010",
  "0x",
  "0b10",
  "1_000",
  "99999999999999999999",
]) {
  test(`"${text}" is no number`, (t) => {
    t.throws(() => parseNumber(text), { instanceOf: ProtocolError, code: "TEXT_VALUE" });
  });
}

test("numbers have a range", (t) => {
  t.is(parseNumber("512", { min: 512, max: 16_777_215 }), 512);
  t.throws(() => parseNumber("511", { min: 512 }), { instanceOf: ProtocolError });
  t.throws(() => parseNumber("65536", { max: 65_535 }), { instanceOf: ProtocolError });
});

test("booleans, lists and ranges", (t) => {
  t.true(parseBoolean("Yes"));
  t.false(parseBoolean("No"));
  for (const text of ["yes", "NO", "", "1"])
    t.throws(() => parseBoolean(text), { instanceOf: ProtocolError });
  t.is(writeBoolean(true), "Yes");
  t.deepEqual(parseList("CRC32C,None"), ["CRC32C", "None"]);
  t.is(writeList(["CRC32C", "None"]), "CRC32C,None");
  t.deepEqual(parseRange("1~0x10"), [1, 16]);
  for (const text of ["1", "1~", "2~1", "1~2~3"])
    t.throws(() => parseRange(text), { instanceOf: ProtocolError });
});

test("binary values in hexadecimal and base64", (t) => {
  t.plan(1);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
      const base64 = writeBinary(bytes, "base64");
      return (
        base64 === `0b${Buffer.from(bytes).toString("base64")}` &&
        writeBinary(bytes) === `0x${Buffer.from(bytes).toString("hex")}` &&
        Buffer.compare(parseBinary(base64), bytes) === 0 &&
        Buffer.compare(parseBinary(writeBinary(bytes)), bytes) === 0
      );
    }),
  );
  t.pass();
});

test("an odd number of hexadecimal digits has a leading zero", (t) => {
  t.deepEqual(parseBinary("0xabc"), Uint8Array.of(0x0a, 0xbc));
  t.deepEqual(parseBinary("0XABC"), Uint8Array.of(0x0a, 0xbc));
});

for (const text of [
  "",
  "0x",
  "0b",
  "0xgg",
  "ff",
  "0bAB",
  "0bAB=C",
  "0bABC",
  "0bAB==AB==",
  "0bAB==",
  "0b****",
  "0x f",
]) {
  test(`"${text}" is no binary value`, (t) => {
    t.throws(() => parseBinary(text), { instanceOf: ProtocolError, code: "TEXT_VALUE" });
  });
}

test("binary values have a bound", (t) => {
  t.is(parseBinary(`0x${"ab".repeat(1024)}`).length, 1024);
  t.throws(() => parseBinary(`0x${"ab".repeat(1025)}`), { instanceOf: ProtocolError });
  t.throws(() => parseBinary(writeBinary(new Uint8Array(1025), "base64")), { instanceOf: ProtocolError });
  t.throws(() => parseBinary("0xabcdef", { maxLength: 2 }), { instanceOf: ProtocolError });
});

test("any bytes as text are taken or refused with a ProtocolError", (t) => {
  t.plan(1);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        return parseTextKeys(bytes).every(([key]) => key.length <= 63);
      } catch (error) {
        return error instanceof ProtocolError;
      }
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

import test from "ava";
import * as fc from "fast-check";
import {
  asyncEvents,
  decodeIsid,
  decodeLun,
  encodeIsid,
  encodeLun,
  formatIsid,
  loginStatuses,
  logoutReasons,
  lunValue,
  NOT_A_LUN,
  rejectReasons,
  REPORT_LUNS_WELL_KNOWN_LUN,
  serialAdd,
  serialDistance,
  serialInWindow,
  serialLess,
  serialLessOrEqual,
  serialMax,
  snackTypes,
  tmfFunctions,
  tmfResponses,
  type CodeTable,
} from "../src/index.ts";
import { bytesOf } from "./fixtures.ts";

const TOP = 0xffff_ffff;

/** RFC 1982 §3.2 in its own words, on numbers without wrap. */
const lessByRfc1982 = (a: number, b: number) => (a < b && b - a < 2 ** 31) || (a > b && a - b > 2 ** 31);

const serial = fc.oneof(
  fc.integer({ min: 0, max: TOP }),
  fc.constantFrom(0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, TOP - 1, TOP),
);

test("serial numbers compare as RFC 1982 says", (t) => {
  t.plan(1);
  fc.assert(
    fc.property(serial, serial, (a, b) => {
      if (Math.abs(a - b) === 2 ** 31) return !serialLess(a, b) || !serialLess(b, a);
      return (
        serialLess(a, b) === lessByRfc1982(a, b) &&
        serialLessOrEqual(a, b) === (a === b || lessByRfc1982(a, b)) &&
        serialMax(a, b) === (lessByRfc1982(a, b) ? b : a)
      );
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test("serial numbers wrap", (t) => {
  t.is(serialAdd(TOP, 1), 0);
  t.is(serialAdd(0, -1), TOP);
  t.is(serialDistance(TOP, 2), 3);
  t.is(serialDistance(2, TOP), -3);
  t.true(serialLess(TOP, 0));
  t.false(serialLess(0, TOP));
  t.is(serialMax(TOP, 3), 3);
});

test("a window that wraps, an empty window, a full one", (t) => {
  t.true(serialInWindow(TOP, TOP - 2, 5));
  t.true(serialInWindow(5, TOP - 2, 5));
  t.false(serialInWindow(6, TOP - 2, 5));
  t.false(serialInWindow(TOP - 3, TOP - 2, 5));
  t.false(serialInWindow(10, 10, 9), "MaxCmdSN = ExpCmdSN - 1 closes the window");
  t.false(serialInWindow(9, 10, 9));
  t.true(serialInWindow(10, 10, 10));
});

test("two serial numbers 2^31 apart have no order", (t) => {
  t.false(serialLess(0, 2 ** 31));
  t.false(serialLess(2 ** 31, 0));
});

const luns: readonly (readonly [hex: string, lun: number])[] = [
  ["0000000000000000", 0],
  ["0001000000000000", 1],
  ["00ff000000000000", 255],
  ["4100000000000000", 256],
  ["412c000000000000", 300],
  ["7fff000000000000", 16_383],
  ["d200400000000000", 16_384],
  ["d2ffffff00000000", 16_777_215],
];
for (const [hex, lun] of luns) {
  test(`LUN ${lun} travels as ${hex}`, (t) => {
    const bytes = new Uint8Array(8).fill(0xee);
    encodeLun(bytes, 0, lun);
    t.deepEqual(bytes, bytesOf(hex));
    t.is(decodeLun(bytes), lun);
    t.is(lunValue(bytes), lun);
  });
}

test("a LUN below 256 in flat addressing is the same number, and its bytes are kept", (t) => {
  const bytes = bytesOf("4005000000000000");
  t.is(decodeLun(bytes), 5);
  t.deepEqual(lunValue(bytes), bytes);
});

for (const hex of [
  "0105000000000000",
  "c101000000000000",
  "0000000100000000",
  "0000000000000001",
  "8001000000000000",
]) {
  test(`${hex} is no single-level LUN`, (t) => {
    t.is(decodeLun(bytesOf(hex)), NOT_A_LUN);
    t.deepEqual(lunValue(bytesOf(hex)), bytesOf(hex));
  });
}

test("the well-known logical unit is none of the numbers", (t) => {
  t.is(decodeLun(Uint8Array.from(REPORT_LUNS_WELL_KNOWN_LUN)), NOT_A_LUN);
});

test("any 8 bytes survive as a LUN value", (t) => {
  t.plan(1);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (bytes) => {
      const again = new Uint8Array(8);
      encodeLun(again, 0, lunValue(bytes));
      return Buffer.compare(again, bytes) === 0;
    }),
  );
  t.pass();
});

for (const lun of [-1, 0.5, 2 ** 24, Number.NaN]) {
  test(`LUN ${lun} is refused`, (t) => {
    t.throws(() => encodeLun(new Uint8Array(8), 0, lun), { instanceOf: RangeError });
  });
}

test("any 6 bytes survive as an ISID", (t) => {
  t.plan(1);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
      return Buffer.compare(encodeIsid(decodeIsid(bytes)), bytes) === 0;
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

test("an ISID prints as twelve digits, and its parts have limits", (t) => {
  t.is(formatIsid(bytesOf("8012ab560001")), "8012ab560001");
  t.throws(() => encodeIsid({ form: "oui", oui: 2 ** 22, qualifier: 0 }), { instanceOf: RangeError });
  t.throws(() => encodeIsid({ form: "en", enterpriseNumber: 2 ** 24, qualifier: 0 }), {
    instanceOf: RangeError,
  });
  t.throws(() => encodeIsid({ form: "random", random: 1, qualifier: 2 ** 16 }), { instanceOf: RangeError });
});

/** Numbers as RFC 7143 and RFC 7144 print them, against the tables. */
const known: readonly (readonly [table: CodeTable, code: number, name: string])[] = [
  [tmfFunctions, 3, "ClearAca"],
  [tmfFunctions, 4, "ClearTaskSet"],
  [tmfFunctions, 8, "TaskReassign"],
  [tmfFunctions, 12, "QueryAsynchronousEvent"],
  [tmfResponses, 255, "FunctionRejected"],
  [tmfResponses, 7, "FunctionSucceeded"],
  [loginStatuses, 0x0101, "TargetMovedTemporarily"],
  [loginStatuses, 0x020b, "InvalidDuringLogin"],
  [loginStatuses, 0x0302, "OutOfResources"],
  [rejectReasons, 0x02, "DataDigestError"],
  [rejectReasons, 0x0c, "WaitingForLogout"],
  [asyncEvents, 5, "TasksTerminated"],
  [logoutReasons, 2, "RemoveConnectionForRecovery"],
  [snackTypes, 3, "RData"],
];
for (const [table, code, name] of known) {
  test(`${table.section}: ${code} is ${name}, both ways`, (t) => {
    t.is(table.name(code), name);
    t.is(table.code(name), code);
    t.true(table.has(code));
    t.notRegex(table.text(code), /unknown/);
  });
}

test("a code that a table lacks has a text, no name", (t) => {
  t.is(tmfFunctions.text(0x77), "unknown (0x77)");
  t.is(tmfFunctions.name(0x77), undefined);
  t.is(tmfFunctions.code("Nothing"), undefined);
  t.false(tmfFunctions.has(0x77));
});

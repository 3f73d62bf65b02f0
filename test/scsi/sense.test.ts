import test from "ava";
import { formatSense, readSense, scsiStatusName, writeSense, type Sense } from "#scsi";

const both = test.macro({
  exec(t, hex: string, sense: Sense, text: string) {
    const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
    const descriptor = (bytes[0]! & 0x7f) >= 0x72;
    t.deepEqual(readSense(bytes), sense);
    t.is(Buffer.from(writeSense(sense, { descriptor })).toString("hex"), bytes.toString("hex"));
    t.is(formatSense(sense), text);
  },
  title: (_, _hex: string, _sense: Sense, text: string) => text,
});

test(
  both,
  "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 cb 00 01",
  { key: 5, asc: 0x24, ascq: 0, field: { inCdb: true, byte: 1, bit: 3 } },
  "ILLEGAL REQUEST: Invalid Field In CDB (24h/00h, CDB byte 1 bit 3)",
);
test(
  both,
  "f0 00 03 00 00 00 07 0a 00 00 00 00 11 00 00 00 00 00",
  { key: 3, asc: 0x11, ascq: 0, information: 7 },
  "MEDIUM ERROR: Unrecovered Read Error (11h/00h)",
);
test(
  both,
  "70 00 02 00 00 00 00 0a 00 00 00 00 04 1b 00 80 80 00",
  { key: 2, asc: 4, ascq: 0x1b, progress: 0x8000 },
  "NOT READY: Logical Unit Not Ready, Sanitize In Progress (04h/1Bh)",
);
test(
  both,
  "71 00 03 00 00 00 00 0a 00 00 00 00 0c 00 00 00 00 00",
  { key: 3, asc: 0x0c, ascq: 0, deferred: true },
  "MEDIUM ERROR: Write Error (0Ch/00h, deferred)",
);
test(
  both,
  "72 06 29 00 00 00 00 00",
  { key: 6, asc: 0x29, ascq: 0 },
  "UNIT ATTENTION: Power On, Reset, Or Bus Device Reset Occurred (29h/00h)",
);
test(
  both,
  "72 0e 1d 00 00 00 00 0c 00 0a 80 00 00 00 00 01 00 00 00 02",
  { key: 14, asc: 0x1d, ascq: 0, information: 2 ** 32 + 2 },
  "MISCOMPARE: Miscompare During Verify Operation (1Dh/00h)",
);
test(
  both,
  "72 05 26 00 00 00 00 08 02 06 00 00 80 00 04 00",
  { key: 5, asc: 0x26, ascq: 0, field: { inCdb: false, byte: 4 } },
  "ILLEGAL REQUEST: Invalid Field In Parameter List (26h/00h, parameter byte 4)",
);

test("an LBA beyond 32 bits forces the descriptor format", (t) => {
  t.is(writeSense({ key: 3, asc: 0x11, ascq: 0, information: 2 ** 32 })[0], 0x72);
});

test("bytes that are no sense data, or cut, give nothing wrong", (t) => {
  t.is(readSense(new Uint8Array(0)), undefined);
  t.is(readSense(Buffer.from("0f00", "hex")), undefined);
  t.deepEqual(readSense(Buffer.from("7000060000000000", "hex")), { key: 6, asc: 0, ascq: 0 });
  t.deepEqual(readSense(Buffer.from("720629000000ffff00ff", "hex")), {
    key: 6,
    asc: 0x29,
    ascq: 0,
    information: 0,
  });
});

test("status bytes have the standard's names", (t) => {
  t.is(scsiStatusName(0x18), "RESERVATION CONFLICT");
  t.is(scsiStatusName(0x99), "status 0x99");
});

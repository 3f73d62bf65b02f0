import * as fc from "fast-check";
import test from "ava";
import { SeededRandom } from "#core";
import { decodeMessage, encodeMessage, messageType } from "../../src/netboot/dhcp/message.ts";
import { packOptions, readOptionArea, writeOption } from "../../src/netboot/dhcp/option-bytes.ts";
import { decodeValue, encodeValue, type OptionType } from "../../src/netboot/dhcp/option-types.ts";
import { DHCP_OPTIONS, IPXE_OPTIONS, encodeOptions, readOption } from "../../src/netboot/dhcp/options.ts";
import { encodeEncapsulated, readEncapsulated } from "../../src/netboot/dhcp/encapsulated.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

/** The 240 bytes before the options as RFC 2131 lays them out, every field with a value of its own. */
const fixedFields = Buffer.concat([
  hex("01 01 06 02 deadbeef 0102 8000 0a000001 0a000002 0a000003 0a000004"),
  hex("525400123456 00000000000000000000"),
  Buffer.from("server".padEnd(64, "\0")),
  Buffer.from("dir/boot.efi".padEnd(128, "\0")),
  hex("63825363"),
]);

test("a message's fields come from where RFC 2131 puts them", (t) => {
  const bytes = Buffer.concat([fixedFields, hex("350101 3d0701525400123456 39020240 00 0c03686f73 ff")]);
  const message = decodeMessage(bytes)!;
  t.like(message, {
    op: 1,
    htype: 1,
    hops: 2,
    xid: 0xdeadbeef,
    secs: 0x0102,
    flags: 0x8000,
    ciaddr: 0x0a000001,
    yiaddr: 0x0a000002,
    siaddr: 0x0a000003,
    giaddr: 0x0a000004,
    sname: "server",
    file: "dir/boot.efi",
  });
  t.is(Buffer.from(message.chaddr).toString("hex"), "525400123456");
  t.is(messageType(message), 1);
  t.is(readOption(DHCP_OPTIONS, message.options, "maximumMessageSize"), 0x240);
  t.is(readOption(DHCP_OPTIONS, message.options, "hostName"), "hos");
});

test("encoding gives back the same 240 bytes, then the options, padded to 300", (t) => {
  const options = hex("350101ff");
  const message = decodeMessage(Buffer.concat([fixedFields, options]))!;
  const bytes = Buffer.from(encodeMessage({ ...message, optionArea: options }));
  t.deepEqual(bytes.subarray(0, 244), Buffer.concat([fixedFields, options]));
  t.is(bytes.length, 300);
  t.true(bytes.subarray(244).every((byte) => byte === 0));
});

const malformed: readonly (readonly [string, Buffer])[] = [
  ["shorter than the fixed fields", fixedFields.subarray(0, 239)],
  ["with a wrong magic cookie", Buffer.concat([fixedFields.subarray(0, 236), hex("63825364ff")])],
  ["with an option longer than the rest", Buffer.concat([fixedFields, hex("0c05 6162")])],
  ["that ends after an option's code", Buffer.concat([fixedFields, hex("0c")])],
  [
    "with a hardware address of 17 bytes",
    Buffer.concat([hex("010111"), fixedFields.subarray(3, 240), hex("ff")]),
  ],
  ["whose op is 3", Buffer.concat([hex("03"), fixedFields.subarray(1, 240), hex("ff")])],
];
for (const [what, bytes] of malformed) {
  test(`a datagram ${what} is no message`, (t) => {
    t.is(decodeMessage(bytes), undefined);
  });
}

test("option overload: file and sname hold options, file first, and are no text any more", (t) => {
  const file = Buffer.from("0c0361626300".padEnd(256, "0"), "hex");
  const sname = Buffer.from("0c02 6465 0f01 78 ff".replaceAll(" ", "").padEnd(128, "0"), "hex");
  const bytes = Buffer.concat([fixedFields.subarray(0, 44), sname, file, hex("63825363 340103 0c012d ff")]);
  const message = decodeMessage(bytes)!;
  t.is(message.file, "");
  t.is(message.sname, "");
  // RFC 3396 section 5: parts of one option are joined in the order options, file, sname.
  t.is(readOption(DHCP_OPTIONS, message.options, "hostName"), "-abcde");
  t.is(readOption(DHCP_OPTIONS, message.options, "domainName"), "x");
});

test("a value of 600 bytes is three options in a row, and one value again", (t) => {
  const value = Buffer.from(new SeededRandom(1).bytes(600));
  const bytes = Buffer.from(writeOption(17, value));
  t.is(bytes.length, 606);
  t.deepEqual(
    [bytes[0], bytes[1], bytes[257], bytes[258], bytes[514], bytes[515]],
    [17, 255, 17, 255, 17, 90],
  );
  const found = new Map<number, Uint8Array>();
  t.true(readOptionArea(bytes, found));
  t.deepEqual(found.get(17), value);
});

const values: readonly (readonly [keyof typeof DHCP_OPTIONS, unknown, string])[] = [
  ["subnetMask", "255.255.255.0", "ffffff00"],
  ["timeOffset", -3600, "fffff1f0"],
  ["routers", ["10.0.0.1", "10.0.0.2"], "0a0000010a000002"],
  ["hostName", "lab", "6c6162"],
  ["interfaceMtu", 1500, "05dc"],
  ["leaseTime", 43_200, "0000a8c0"],
  ["clientArchitecture", [0, 7], "00000007"],
  ["parameterRequestList", [1, 3, 175], "0103af"],
  ["initiatorName", "iqn.2024-01.x:i", "69716e2e323032342d30312e783a69"],
  ["pxelinuxRebootTime", 60, "0000003c"],
  ["tftpServers", ["10.0.0.9"], "0a000009"],
  // RFC 3397 section 2 explains this example, "eng.apple.com." and "marketing.apple.com."
  [
    "domainSearch",
    ["eng.apple.com", "marketing.apple.com"],
    "03656e67 056170706c65 03636f6d 00 096d61726b6574696e67 c004",
  ],
  // The table of RFC 3442, each destination with the router 1.2.3.4.
  [
    "classlessRoutes",
    [
      { destination: "0.0.0.0/0", router: "1.2.3.4" },
      { destination: "10.0.0.0/8", router: "1.2.3.4" },
      { destination: "10.17.0.0/16", router: "1.2.3.4" },
      { destination: "10.27.129.0/24", router: "1.2.3.4" },
      { destination: "10.229.0.128/25", router: "1.2.3.4" },
      { destination: "10.198.122.47/32", router: "1.2.3.4" },
    ],
    "00 01020304 080a 01020304 100a11 01020304 180a1b81 01020304 190ae50080 01020304 200ac67a2f 01020304",
  ],
];
for (const [name, value, bytes] of values) {
  test(`option ${DHCP_OPTIONS[name].code} (${name}) is ${bytes}, and back`, (t) => {
    const encoded = encodeOptions(DHCP_OPTIONS, { [name]: value });
    t.deepEqual(Buffer.from(encoded.get(DHCP_OPTIONS[name].code)!), hex(bytes));
    t.deepEqual(readOption(DHCP_OPTIONS, encoded, name), value as never);
  });
}

const undecodable: readonly (readonly [OptionType, string])[] = [
  ["ipv4", "0a0000"],
  ["ipv4-list", "0a000001 0a"],
  ["ipv4-list", ""],
  ["uint16", "01"],
  ["uint16-list", "010203"],
  ["domain-list", "03656e"],
  ["domain-list", "c000"],
  ["domain-list", "0161 c002 00"],
  ["domain-list", "00"],
  ["routes", "21 0a000001 01020304"],
  ["routes", "080a 010203"],
];
for (const [type, bytes] of undecodable) {
  test(`${bytes || "nothing"} is no ${type}`, (t) => {
    t.is(decodeValue(type, hex(bytes)), undefined);
  });
}

test("text loses the zeros that some senders put at its end", (t) => {
  t.is(decodeValue("text", hex("61620000")), "ab");
});

test("values that a type cannot hold are refused", (t) => {
  t.throws(() => encodeValue("ipv4", "10.0.0"), { code: "BAD_ADDRESS" });
  t.throws(() => encodeValue("uint16", 65_536), { instanceOf: RangeError });
  t.throws(() => encodeValue("domain-list", ["a..b"]), { instanceOf: RangeError });
  t.throws(() => encodeValue("routes", [{ destination: "10.0.0.0", router: "1.2.3.4" }]), {
    instanceOf: RangeError,
  });
});

test("iPXE's sub-options have the codes that iPXE reads", (t) => {
  const block = encodeEncapsulated(IPXE_OPTIONS, {
    priority: -1,
    keepSan: true,
    skipSanBoot: false,
    noPxedhcp: true,
    sanDrive: 0x81,
    username: "u",
    password: "p",
    reverseUsername: "v",
    reversePassword: "q",
  });
  t.deepEqual(Buffer.from(block), hex("0101ff 080101 090100 b00101 bd0181 be0175 bf0170 c00176 c10171"));
  t.deepEqual([...readEncapsulated(block)!.keys()], [1, 8, 9, 176, 189, 190, 191, 192, 193]);
});

const option = (code: number, length: number) => [code, new Uint8Array(length)] as const;

test("packing keeps the order, overloads file and sname when the room ends, and tells what is left out", (t) => {
  const fits = packOptions([option(1, 4), option(3, 4)], 13, { file: true, sname: true });
  t.deepEqual(Buffer.from(fits.options), hex("0104 00000000 0304 00000000 ff"));
  t.like(fits, { file: undefined, sname: undefined, dropped: [] });

  const over = packOptions(
    [option(1, 4), option(17, 120), option(6, 60), option(15, 50), option(12, 2)],
    20,
    { file: true, sname: true },
  );
  t.deepEqual(Buffer.from(over.options), hex("340103 0104 00000000 0c02 0000 ff"));
  t.is(over.file![0], 17);
  t.is(over.sname![0], 6);
  t.deepEqual(over.dropped, [15]);

  t.deepEqual(packOptions([option(1, 4), option(17, 60)], 20, { file: false, sname: false }).dropped, [17]);
});

/** By code, since a small option may have found room in front of a large one. */
function inHex(options: readonly (readonly [number, Uint8Array])[]) {
  return options
    .map(([code, value]) => [code, Buffer.from(value).toString("hex")] as const)
    .sort(([a], [b]) => a - b);
}

test("property: whatever is packed and not dropped is read back, and no area overflows", (t) => {
  const options = fc.uniqueArray(
    fc.tuple(
      fc.integer({ min: 1, max: 254 }).filter((code) => code !== 52),
      fc.uint8Array({ maxLength: 400 }),
    ),
    { maxLength: 20, selector: ([code]) => code },
  );
  const room = fc.record({ file: fc.boolean(), sname: fc.boolean() });
  fc.assert(
    fc.property(options, fc.integer({ min: 20, max: 1200 }), room, (options, limit, free) => {
      const { options: area, file, sname, dropped } = packOptions(options, limit, free);
      t.true(area.length <= limit && (file?.length ?? 0) <= 128 && (sname?.length ?? 0) <= 64);
      t.true((free.file || !file) && (free.sname || !sname));
      const found = new Map<number, Uint8Array>();
      for (const part of [area, file, sname]) t.true(readOptionArea(part ?? new Uint8Array(), found));
      found.delete(52);
      const kept = options.filter(([code]) => !dropped.includes(code));
      t.deepEqual(inHex([...found]), inHex(kept));
    }),
    { seed: 7, numRuns: 300 },
  );
});

test("property: domain lists survive, whatever they share", (t) => {
  const label = fc.stringMatching(/^[a-z0-9]{1,8}$/);
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 8 }), (names) => {
      t.deepEqual(decodeValue("domain-list", encodeValue("domain-list", names)), names);
    }),
    { seed: 7, numRuns: 300 },
  );
});

test("fuzz: 20,000 damaged messages neither throw nor hang", (t) => {
  const random = new SeededRandom(2131);
  const whole = Buffer.concat([
    fixedFields,
    hex("350101 7703c00000 7907080a0102030400 4d0469505845 af03b00101 5d020007 ff"),
  ]);
  let understood = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = Buffer.from(whole);
    for (let n = random.below(6); n >= 0; n--) bytes[random.below(bytes.length)] = random.below(256);
    const message = decodeMessage(
      random.below(2) === 0 ? bytes : bytes.subarray(0, random.below(bytes.length)),
    );
    if (!message) continue;
    understood += 1;
    for (const name of Object.keys(DHCP_OPTIONS)) {
      readOption(DHCP_OPTIONS, message.options, name as keyof typeof DHCP_OPTIONS);
    }
  }
  t.true(understood > 1000);
});

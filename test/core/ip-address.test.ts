import { BlockList } from "node:net";
import test from "ava";
import { SeededRandom, formatIp, parseIp } from "#core";

for (const [text, canonical] of [
  ["10.77.0.1", "10.77.0.1"],
  ["0.0.0.0", "0.0.0.0"],
  ["::", "::"],
  ["::1", "::1"],
  ["1::", "1::"],
  ["FD00:0:0:0:0:0:0:1", "fd00::1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
  ["2001:db8::1:0:0:1", "2001:db8::1:0:0:1"],
  ["::ffff:10.0.0.1", "::ffff:a00:1"],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
] as const) {
  test(`${text} is ${canonical}`, (t) => {
    t.is(formatIp(parseIp(text)!), canonical);
  });
}

for (const text of [
  "",
  "1.2.3",
  "1.2.3.256",
  "01.2.3.4",
  "1.2.3.4.5",
  ":",
  ":::",
  "1::2::3",
  "1:2:3:4:5:6:7",
  "g::",
  "::12345",
  "1:2:3:4:5:6:7:8::",
  "::1.2.3",
  "fe80::1%eth0",
  "1.2.3.4::",
]) {
  test(`"${text}" is no address`, (t) => {
    t.is(parseIp(text), undefined);
  });
}

test("random IPv6 addresses survive text, and Node agrees on what the text means", (t) => {
  const random = new SeededRandom(6);
  for (let i = 0; i < 2000; i++) {
    const bytes = random.bytes(16).map((byte) => (random.below(2) === 0 ? 0 : byte));
    const text = formatIp(bytes);
    t.deepEqual(parseIp(text), bytes);
    const list = new BlockList();
    list.addAddress(text, "ipv6");
    t.true(list.check([...Buffer.from(bytes).toString("hex").matchAll(/.{4}/g)].join(":"), "ipv6"));
  }
});

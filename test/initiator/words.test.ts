import { formatIscsiUrl, normalName, parseIscsiUrl, parsePortal, type IscsiUrl } from "#initiator";
import test from "ava";

const iqn = "iqn.2001-04.com.example:disk";

const urls: readonly [string, IscsiUrl][] = [
  [`iscsi://10.0.0.1/${iqn}/0`, { host: "10.0.0.1", port: 3260, target: iqn, lun: 0 }],
  [`iscsi://san.example:3261/${iqn}/12`, { host: "san.example", port: 3261, target: iqn, lun: 12 }],
  [`iscsi://[fe80::1%eth0]:860/${iqn}/1`, { host: "fe80::1%eth0", port: 860, target: iqn, lun: 1 }],
  [
    `iscsi://joe%secret@10.0.0.1/${iqn}/0`,
    { host: "10.0.0.1", port: 3260, target: iqn, lun: 0, user: "joe", secret: "secret" },
  ],
  [`iscsi://joe@10.0.0.1/${iqn}`, { host: "10.0.0.1", port: 3260, target: iqn, lun: 0, user: "joe" }],
  [
    `iscsi://joe%p@ss%w:rd@10.0.0.1/${iqn}/0`,
    { host: "10.0.0.1", port: 3260, target: iqn, lun: 0, user: "joe", secret: "p@ss%w:rd" },
  ],
  ["iscsi://10.0.0.1", { host: "10.0.0.1", port: 3260, lun: 0 }],
  ["iscsi://10.0.0.1:3261/", { host: "10.0.0.1", port: 3261, lun: 0 }],
  [`iscsi:10.0.0.1::::${iqn}`, { host: "10.0.0.1", port: 3260, target: iqn, lun: 0 }],
  [`iscsi:10.0.0.1:6:3261:1f:${iqn}`, { host: "10.0.0.1", port: 3261, target: iqn, lun: 31 }],
  [`iscsi:[2001:db8::1]::3260:1:${iqn}`, { host: "2001:db8::1", port: 3260, target: iqn, lun: 1 }],
  [`iscsi:10.0.0.1:::0001-0000-0000-0000:${iqn}`, { host: "10.0.0.1", port: 3260, target: iqn, lun: 1 }],
  [`iscsi:10.0.0.1:::4123-0000-0000-0000:${iqn}`, { host: "10.0.0.1", port: 3260, target: iqn, lun: 0x123 }],
];

for (const [url, parts] of urls) test(`the URL ${url}`, (t) => t.deepEqual(parseIscsiUrl(url), parts));

for (const url of [
  "nbd://10.0.0.1/disk",
  "iscsi://",
  `iscsi:///${iqn}/0`,
  `iscsi://10.0.0.1:99999/${iqn}/0`,
  `iscsi://10.0.0.1/${iqn}/x`,
  `iscsi://10.0.0.1/${iqn}/16384`,
  `iscsi://10.0.0.1/${iqn}/0/more`,
  `iscsi:10.0.0.1:17:::${iqn}`,
  "iscsi:10.0.0.1::::",
  `iscsi:10.0.0.1:::zz:${iqn}`,
  `iscsi:10.0.0.1:::0001-0002-0000-0000:${iqn}`,
]) {
  test(`the URL ${url} is refused with an example`, (t) => {
    t.throws(() => parseIscsiUrl(url), { code: "BAD_URL" });
  });
}

test("a URL is written without its secret", (t) => {
  t.is(
    formatIscsiUrl(parseIscsiUrl(`iscsi:[2001:db8::1]:::a:${iqn}`)),
    `iscsi://[2001:db8::1]:3260/${iqn}/10`,
  );
  t.is(formatIscsiUrl(parseIscsiUrl(`iscsi://joe%secret@san/${iqn}/0`)), `iscsi://joe@san:3260/${iqn}/0`);
});

test("addresses of RFC 7143 §13.8", (t) => {
  t.deepEqual(parsePortal("10.1.0.20:5300,1"), { host: "10.1.0.20", port: 5300, tag: 1 });
  t.deepEqual(parsePortal("[2001:db8::20]:5300,65535"), { host: "2001:db8::20", port: 5300, tag: 65_535 });
  t.deepEqual(parsePortal("san.example,1"), { host: "san.example", port: 3260, tag: 1 });
  for (const text of [
    "",
    ":3260",
    "10.1.0.20:0",
    "10.1.0.20:65536",
    "a b",
    "[::1",
    "x,70000",
    "2001:db8::20",
  ]) {
    t.is(parsePortal(text), undefined, text);
  }
});

for (const name of [
  "iqn.2001-04.com.example",
  "iqn.2001-04.com.example:storage.tape1.sys1.xyz",
  "iqn.1991-05.com.microsoft:host-1.dom",
  "eui.02004567a425678d",
  "naa.52004567ba64678d",
  "naa.62004567ba64678d0123456789abcdef",
  "iqn.2001-04.com.example:größe",
]) {
  test(`the name ${name}`, (t) => t.is(normalName(name, "target"), name));
}

test("names are normalised", (t) => {
  t.is(normalName("IQN.2001-04.com.Example:Disk", "target"), "iqn.2001-04.com.example:disk");
  t.is(normalName("EUI.02004567A425678D", "initiator"), "eui.02004567a425678d");
});

for (const name of [
  "",
  "disk",
  "iqn.2001-13.com.example",
  "iqn.2001.com.example",
  "eui.0200",
  "naa.62004567ba64678d01",
  "iqn.2001-04.com.example:a b",
  "iqn.2001-04.com.example:a/b",
  `iqn.2001-04.com.example:${"x".repeat(200)}`,
]) {
  test(`the name ${JSON.stringify(name.slice(0, 40))} is refused`, (t) => {
    t.throws(() => normalName(name, "target"), { code: "BAD_NAME", message: /iqn\.2001-04/ });
  });
}

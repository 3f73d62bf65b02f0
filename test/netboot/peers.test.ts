import test from "ava";
import { inNamespace } from "./namespace.ts";

type Facts = Readonly<Record<string, unknown>>;

/** All of a program's findings, from one run for all the tests that look at them. */
const wires = inNamespace<
  Facts & { learned: readonly Facts[]; acks: readonly Facts[]; replies: readonly string[][] }
>("wires.ts");
const native = inNamespace<Facts>("single-wire.ts");
const plain = inNamespace<Facts>("single-wire.ts", ["without-koffi"]);
const powerless = inNamespace<Facts>(
  "single-wire.ts",
  [],
  ["setpriv", "--inh-caps=-all", "--bounding-set=-all"],
);

test("udhcpc learns all that is configured", async (t) => {
  const { learned } = await wires;
  t.deepEqual(learned[0], {
    ip: "10.7.0.77",
    mask: "24",
    subnet: "255.255.255.0",
    broadcast: "10.7.0.255",
    router: "10.7.0.1",
    dns: "10.7.0.5 10.7.0.6",
    domain: "lab.example",
    search: "lab.example a.lab.example",
    hostname: "guest",
    rootpath: "iscsi:10.7.0.1::::iqn.2024-01.x:y",
    staticroutes: "10.9.0.0/16 10.7.0.1 0.0.0.0/0 10.7.0.1",
    mtu: "1400",
    ntpsrv: "10.7.0.7",
    lease: "43200",
    serverid: "10.7.0.1",
    siaddr: "10.7.0.1",
    tftp: "10.7.0.1",
    boot_file: "pxelinux.0",
    bootfile: "pxelinux.0",
  });
});

test("dnsmasq, configured alike, tells udhcpc the same", async (t) => {
  const { learned, dnsmasq } = await wires;
  // dnsmasq leaves the field of the header empty where option 67 is asked for; firmware exists that reads only one.
  t.deepEqual(learned[0], { ...(dnsmasq as Facts), boot_file: "pxelinux.0" });
});

test("two wires of one subnet: every reply leaves by the wire of its client, and no address is given twice", async (t) => {
  const { acks, replies, learned } = await wires;
  t.deepEqual(acks.map((data) => [data["interface"], data["mac"], data["server"]].join(" ")).toSorted(), [
    "srv0 52:54:00:00:00:01 10.7.0.1",
    "srv1 52:54:00:00:00:02 10.7.0.2",
  ]);
  t.true(replies[0]!.length >= 3 && replies[1]!.length >= 2);
  t.true(replies[0]!.every((line) => /^10\.7\.0\.1\t.*\t52:54:00:00:00:01,/.test(line)));
  t.true(replies[1]!.every((line) => line.startsWith("10.7.0.2\t255.255.255.255\t52:54:00:00:00:02,")));
  t.is(learned[1]!["ip"], "10.7.0.100");
  t.is(learned[1]!["serverid"], "10.7.0.2");
});

test("a renewal is asked for and acknowledged by unicast; a release is taken", async (t) => {
  const { renewal, release, states, replies } = await wires;
  t.like(renewal, { ip: "10.7.0.77", to: "10.7.0.77" });
  t.true(replies[0]!.some((line) => line.startsWith("10.7.0.1\t10.7.0.77\t")));
  t.like(release, { ip: "10.7.0.77", interface: "srv0" });
  t.deepEqual((states as string[]).toSorted(), ["10.7.0.100 bound", "10.7.0.77 released"]);
});

test("HTTP and TFTP answer on their wires", async (t) => {
  t.like(await wires, { http: "hello", tftp: "hello", tftpSecond: "hello" });
});

test("tshark finds nothing malformed, odd or with a wrong checksum in what is sent", async (t) => {
  t.like(await wires, { malformed: ["", ""], badChecksum: ["", ""] });
});

test("Linux forms an address from the advertised prefix of each wire, and takes no default route", async (t) => {
  const { slaac0, slaac1, solicited, defaultRoute } = await wires;
  t.is(slaac0, "fd73:616e:6c61:1:5054:ff:fe00:1");
  t.is(slaac1, "fd73:616e:6c61:2:5054:ff:fe00:2");
  t.is(defaultRoute, "");
  t.regex(String((solicited as Facts)["ip"]), /^fe80::/);
});

test("advertisements have hop limit 255 and no managed flags", async (t) => {
  const { advertisements } = await wires;
  for (const line of advertisements as string[])
    t.regex(line, /^255\t0\t0\tfd(?:73:616e:6c61:1|12:3456:789a:1)::$/);
});

test("where a default router is asked for, Linux takes it, and drops it when it takes its leave", async (t) => {
  t.regex(String((await wires)["askedDefaultRoute"]), /^default via fe80::/);
});

test("a closed netboot leaves no port taken", async (t) => {
  t.is((await wires)["portsFreed"], "");
});

const taken = (port: number) =>
  `is taken by another program; find it with "ss -${port === 80 ? "t" : "u"}lpn 'sport = :${port}'" and end it`;

for (const [what, program] of [
  ["with koffi", native],
  ["without koffi", plain],
] as const) {
  test(`one wire ${what}: udhcpc gets its lease`, async (t) => {
    const { udhcpc, kinds } = await program;
    t.regex(String(udhcpc), /lease of 10\.7\.0\.2 obtained from 10\.7\.0\.1/);
    t.deepEqual(kinds, ["dhcp-discover", "dhcp-offer", "dhcp-request", "dhcp-ack"]);
  });

  test(`one wire ${what}: what is taken or missing is named, with the cure`, async (t) => {
    const facts = await program;
    t.like(facts["inUse"], {
      code: "PORT_IN_USE",
      status: 3,
      message: `DHCP server: UDP port 67 on srv0 (10.7.0.1) ${taken(67)}`,
    });
    t.like(facts["inUse4011"], {
      message: `DHCP server: UDP port 4011 on srv0 (10.7.0.1) ${taken(4011)}`,
    });
    t.like(facts["inUse80"], {
      message: `HTTP server: TCP port 80 on srv0 (10.7.0.1) ${taken(80)}`,
    });
    t.like(facts["inUseByUs"], { code: "PORT_IN_USE" });
    t.is(facts["again"], "started");
    t.like(facts["noAddress"], { code: "ADDRESS_MISSING", status: 3 });
    t.like(facts["noAddressHttp"], { code: "ADDRESS_MISSING", status: 3 });
  });
}

test("an interface that is not there is named", async (t) => {
  const { noInterface, noInterfaceRa } = await native;
  t.deepEqual(noInterface, {
    code: "INTERFACE_MISSING",
    status: 3,
    message: `DHCP server: there is no interface nope; "ip link" lists those there are`,
  });
  t.like(noInterfaceRa, { code: "INTERFACE_MISSING" });
});

test("without koffi, advertisements and several wires are refused, one wire's DHCP is not", async (t) => {
  const { dhcp, ra, two } = await plain;
  t.is(dhcp, "started");
  t.like(ra, { code: "KOFFI_MISSING", status: 3 });
  t.like(two, { code: "KOFFI_MISSING", status: 3 });
});

test("without privileges, the port and the raw socket are refused with the cure", async (t) => {
  const { dhcp, ra } = await powerless;
  t.like(dhcp, { code: "PORT_FORBIDDEN", status: 3 });
  t.like(ra, { code: "RAW_SOCKET_FORBIDDEN", status: 3 });
  t.regex(String((dhcp as Facts)["message"]), /run as root or in a namespace made by "unshare -rn"$/);
});

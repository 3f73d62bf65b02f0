import test from "ava";
import { SeededRandom } from "#core";
import type { DhcpConfig } from "../../src/netboot/dhcp/config.ts";
import { DhcpEngine } from "../../src/netboot/dhcp/dhcp-engine.ts";
import { decodeMessage, messageType } from "../../src/netboot/dhcp/message.ts";
import { DHCP_OPTIONS, readOption } from "../../src/netboot/dhcp/options.ts";
import { formatIpv4, ipv4 } from "../../src/netboot/ipv4.ts";
import { toWire } from "../../src/netboot/wire.ts";

const [DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM] = [1, 2, 3, 4, 5, 6, 7, 8] as const;
const MAC = "52:54:00:12:34:56";
const IPXE = "iPXE";
const PXE = "PXEClient:Arch:00007:UNDI:003016";

interface Request {
  readonly mac?: string;
  readonly ciaddr?: string;
  readonly giaddr?: string;
  readonly flags?: number;
  /** By code: text, or bytes. */
  readonly options?: Readonly<Record<number, string | readonly number[]>>;
}

const octets = (address: string) => address.split(".").map(Number);

/** A client's message, laid out by hand. */
function request(type: number, { mac = MAC, ciaddr, giaddr, flags = 0, options = {} }: Request = {}): Buffer {
  const bytes = Buffer.alloc(240);
  bytes.set([1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, flags >> 8, flags & 0xff]);
  if (ciaddr !== undefined) bytes.set(octets(ciaddr), 12);
  if (giaddr !== undefined) bytes.set(octets(giaddr), 24);
  bytes.set(Buffer.from(mac.replaceAll(":", ""), "hex"), 28);
  bytes.set([0x63, 0x82, 0x53, 0x63], 236);
  const encoded = Object.entries({ 53: [type], ...options }).map(([code, value]) => {
    const content = typeof value === "string" ? Buffer.from(value, "latin1") : Buffer.from(value);
    return Buffer.concat([Uint8Array.of(Number(code), content.length), content]);
  });
  return Buffer.concat([bytes, ...encoded, Uint8Array.of(255)]);
}

/** A server on 10.0.0.1/24, its clock in the test's hand. */
function lab(config: DhcpConfig = {}) {
  const clock = { seconds: 0 };
  const events: { kind: string; data: Readonly<Record<string, unknown>> }[] = [];
  const wire = toWire({ name: "tap0", address: "10.0.0.1", prefixLength: 24 });
  const engine = new DhcpEngine(
    [wire],
    config,
    () => clock.seconds,
    (kind, data) => events.push({ kind, data }),
  );
  const send = (datagram: Uint8Array, port: 67 | 4011 = 67, from = { address: "0.0.0.0", port: 68 }) => {
    const outgoing = engine.handle({ datagram, wire, from, port });
    if (!outgoing) return undefined;
    const message = decodeMessage(outgoing.bytes)!;
    return {
      ...message,
      type: messageType(message),
      your: formatIpv4(message.yiaddr),
      server: formatIpv4(message.siaddr),
      to: `${outgoing.to.address}:${outgoing.to.port}`,
      length: outgoing.bytes.length,
      codes: [...message.options.keys()],
      option: <K extends keyof typeof DHCP_OPTIONS>(name: K) =>
        readOption(DHCP_OPTIONS, message.options, name),
    };
  };
  /** DISCOVER, then REQUEST for what was offered. */
  const lease = (given: Request = {}) => {
    const offer = send(request(DISCOVER, given));
    if (!offer) return undefined;
    const options = { ...given.options, 50: octets(offer.your), 54: octets("10.0.0.1") };
    return send(request(REQUEST, { ...given, options }));
  };
  return { clock, events, engine, send, lease };
}

test("DISCOVER is offered an address, with what RFC 2131 wants in an offer", (t) => {
  const offer = lab().send(request(DISCOVER))!;
  t.like(offer, {
    op: 2,
    xid: 0x12345678,
    type: OFFER,
    your: "10.0.0.2",
    server: "0.0.0.0",
    to: "255.255.255.255:68",
  });
  t.is(Buffer.from(offer.chaddr).toString("hex"), MAC.replaceAll(":", ""));
  t.is(offer.option("serverIdentifier"), "10.0.0.1");
  t.is(offer.option("subnetMask"), "255.255.255.0");
  t.is(offer.option("broadcastAddress"), "10.0.0.255");
  t.is(offer.option("leaseTime"), 43_200);
  t.is(offer.option("renewalTime"), 21_600);
  t.is(offer.option("rebindingTime"), 37_800);
  t.is(offer.option("routers"), undefined);
});

test("REQUEST binds the offered address, and the client gets it again", (t) => {
  const { lease, engine } = lab();
  t.like(lease(), { type: ACK, your: "10.0.0.2" });
  t.like(lease({ mac: "52:54:00:00:00:02" }), { type: ACK, your: "10.0.0.3" });
  t.like(lease(), { type: ACK, your: "10.0.0.2" });
  t.deepEqual(
    engine.leases().map(({ client, state }) => [client, state]),
    [
      [MAC, "bound"],
      ["52:54:00:00:00:02", "bound"],
    ],
  );
});

test("a client that takes another server's offer gives ours back", (t) => {
  const { send, engine } = lab();
  send(request(DISCOVER));
  t.is(send(request(REQUEST, { options: { 54: octets("10.0.0.9"), 50: octets("10.0.0.77") } })), undefined);
  t.is(engine.leases()[0]!.state, "released");
});

const requests: readonly (readonly [
  string,
  Request,
  Partial<Record<string, unknown>> | undefined,
  DhcpConfig?,
])[] = [
  [
    "INIT-REBOOT with its own address",
    { options: { 50: octets("10.0.0.2") } },
    { type: ACK, your: "10.0.0.2" },
  ],
  [
    "INIT-REBOOT with a free address",
    { mac: "52:54:00:00:00:09", options: { 50: octets("10.0.0.80") } },
    { type: ACK },
  ],
  [
    "INIT-REBOOT that the server knows nothing of, not authoritative",
    { mac: "52:54:00:00:00:09", options: { 50: octets("10.0.0.80") } },
    undefined,
    { authoritative: false },
  ],
  [
    "INIT-REBOOT with another's address",
    { mac: "52:54:00:00:00:09", options: { 50: octets("10.0.0.2") } },
    { type: NAK },
  ],
  [
    "INIT-REBOOT from another subnet",
    { options: { 50: octets("192.168.1.5") } },
    { type: NAK, to: "255.255.255.255:68" },
  ],
  ["INIT-REBOOT with the server's address", { options: { 50: octets("10.0.0.1") } }, { type: NAK }],
  ["RENEWING", { ciaddr: "10.0.0.2" }, { type: ACK, your: "10.0.0.2", to: "10.0.0.2:68" }],
  [
    "RENEWING of another's address",
    { mac: "52:54:00:00:00:09", ciaddr: "10.0.0.2" },
    { type: NAK, to: "255.255.255.255:68" },
  ],
  [
    "REBINDING with the broadcast flag",
    { ciaddr: "10.0.0.2", flags: 0x8000 },
    { type: ACK, to: "10.0.0.2:68" },
  ],
];
for (const [what, given, expected, config] of requests) {
  test(`REQUEST: ${what}`, (t) => {
    const { send, lease } = lab(config);
    lease();
    const reply = send(request(REQUEST, given));
    if (expected) t.like(reply, expected);
    else t.is(reply, undefined);
  });
}

test("NAK carries nothing but the message and who says it", (t) => {
  const { send } = lab({ rootPath: "iscsi:10.0.0.1::::iqn.2024-01.x:y" });
  const nak = send(request(REQUEST, { options: { 50: octets("192.168.1.5"), 61: "id" } }))!;
  t.deepEqual(nak.codes, [53, 54, 56, 61]);
  t.is(nak.option("message"), "192.168.1.5 is not in this subnet");
});

test("RELEASE frees the address for others, but its client is preferred", (t) => {
  const { send, lease } = lab({ pool: [{ first: "10.0.0.50", last: "10.0.0.50" }] });
  lease();
  t.is(send(request(DISCOVER, { mac: "52:54:00:00:00:02" })), undefined);
  t.is(send(request(RELEASE, { ciaddr: "10.0.0.50" })), undefined);
  t.like(lease({ mac: "52:54:00:00:00:02" }), { your: "10.0.0.50" });
  t.is(lease(), undefined);
});

test("DECLINE: an address that somebody else uses rests for ten minutes", (t) => {
  const { clock, send, lease } = lab({ pool: [{ first: "10.0.0.50", last: "10.0.0.51" }] });
  t.is(lease()!.your, "10.0.0.50");
  send(request(DECLINE, { options: { 50: octets("10.0.0.50"), 54: octets("10.0.0.1") } }));
  t.is(lease()!.your, "10.0.0.51");
  t.is(lease({ mac: "52:54:00:00:00:02" }), undefined);
  clock.seconds = 601;
  t.is(lease({ mac: "52:54:00:00:00:02" })!.your, "10.0.0.50");
});

test("DECLINE of an address that the client never had changes nothing", (t) => {
  const { send, lease } = lab();
  t.is(lease()!.your, "10.0.0.2");
  send(request(DECLINE, { mac: "52:54:00:00:00:02", options: { 50: octets("10.0.0.2") } }));
  t.is(lease()!.your, "10.0.0.2");
});

test("leases end: an exhausted pool gives the address that has been free longest", (t) => {
  const { clock, lease, events } = lab({
    leaseSeconds: 100,
    pool: [{ first: "10.0.0.50", last: "10.0.0.51" }],
  });
  lease({ mac: "52:54:00:00:00:01" });
  clock.seconds = 10;
  lease({ mac: "52:54:00:00:00:02" });
  t.is(lease({ mac: "52:54:00:00:00:03" }), undefined);
  t.is(events.at(-1)!.data["reason"], "the pool is exhausted");
  clock.seconds = 101;
  t.is(lease({ mac: "52:54:00:00:00:03" })!.your, "10.0.0.50");
  clock.seconds = 120;
  t.is(lease({ mac: "52:54:00:00:00:04" })!.your, "10.0.0.51");
});

test("an offer that is not taken lapses after a minute", (t) => {
  const { clock, send } = lab({ pool: [{ first: "10.0.0.50", last: "10.0.0.50" }] });
  send(request(DISCOVER));
  t.is(send(request(DISCOVER, { mac: "52:54:00:00:00:02" })), undefined);
  clock.seconds = 61;
  t.is(send(request(DISCOVER, { mac: "52:54:00:00:00:02" }))!.your, "10.0.0.50");
});

test("INFORM is answered with options, but with no address and no lease", (t) => {
  const { send, engine } = lab({ options: { domainName: "lab.example" } });
  const ack = send(request(INFORM, { ciaddr: "10.0.0.99" }))!;
  t.like(ack, { type: ACK, your: "0.0.0.0", to: "10.0.0.99:68" });
  t.is(ack.option("domainName"), "lab.example");
  t.is(ack.option("leaseTime"), undefined);
  t.deepEqual(engine.leases(), []);
  t.is(send(request(INFORM), 67, { address: "10.0.0.98", port: 68 })!.to, "10.0.0.98:68");
});

test("a reservation fixes address, host name and boot settings, and keeps others off the address", (t) => {
  const { lease } = lab({
    pool: [{ first: "10.0.0.50", last: "10.0.0.51" }],
    rootPath: "iscsi:10.0.0.1::::iqn.2024-01.x:common",
    reservations: [
      {
        mac: "52-54-00-12-34-56",
        address: "10.0.0.50",
        hostName: "guest",
        rootPath: "iscsi:10.0.0.1:::2:iqn.2024-01.x:own",
      },
    ],
  });
  const other = lease({ mac: "52:54:00:00:00:02" })!;
  t.is(other.your, "10.0.0.51");
  t.is(other.option("rootPath"), "iscsi:10.0.0.1::::iqn.2024-01.x:common");
  const own = lease()!;
  t.is(own.your, "10.0.0.50");
  t.is(own.option("hostName"), "guest");
  t.is(own.option("rootPath"), "iscsi:10.0.0.1:::2:iqn.2024-01.x:own");
});

test("onlyReserved leaves strangers unanswered", (t) => {
  const { lease, events } = lab({ onlyReserved: true, reservations: [{ mac: MAC }] });
  t.is(lease()!.your, "10.0.0.2");
  t.is(lease({ mac: "52:54:00:00:00:02" }), undefined);
  t.is(events.at(-1)!.data["reason"], "no reservation");
});

test("firmware and system on one NIC keep one address, whatever client identifiers they send", (t) => {
  const asFirmware = { options: { 61: [0, 1, 2, 3] } };
  const asSystem = { options: { 61: [255, 9, 9, 9] } };
  const byMac = lab();
  t.is(byMac.lease(asFirmware)!.your, "10.0.0.2");
  const ack = byMac.lease(asSystem)!;
  t.is(ack.your, "10.0.0.2");
  // RFC 6842.
  t.deepEqual([...ack.option("clientIdentifier")!], [255, 9, 9, 9]);
  const byIdentifier = lab({ identifyBy: "client-identifier" });
  t.is(byIdentifier.lease(asFirmware)!.your, "10.0.0.2");
  t.is(byIdentifier.lease(asSystem)!.your, "10.0.0.3");
});

test("a relay's subnet decides, its option comes back last, and the reply goes to the relay", (t) => {
  const { send } = lab({
    pool: [
      { first: "172.16.5.10", last: "172.16.5.20", prefixLength: 24, options: { routers: ["172.16.5.1"] } },
    ],
  });
  const agent = [1, 3, 0x65, 0x74, 0x68];
  const offer = send(request(DISCOVER, { giaddr: "172.16.5.1", options: { 82: agent } }))!;
  t.like(offer, { type: OFFER, your: "172.16.5.10", to: "172.16.5.1:67" });
  t.deepEqual(offer.option("routers"), ["172.16.5.1"]);
  t.is(offer.codes.at(-1), 82);
  t.deepEqual([...offer.option("relayAgentInformation")!], agent);
  t.is(send(request(DISCOVER, { giaddr: "172.16.6.1" })), undefined);
  // RFC 3527: the relay speaks from elsewhere, and names the client's link in sub-option 5.
  const linked = { giaddr: "172.16.6.1", options: { 82: [5, 4, 172, 16, 5, 0] } };
  t.is(send(request(DISCOVER, { ...linked, mac: "52:54:00:00:00:02" }))!.your, "172.16.5.11");
  const nak = send(request(REQUEST, { giaddr: "172.16.5.1", options: { 50: octets("10.0.0.5") } }))!;
  t.like(nak, { type: NAK, to: "172.16.5.1:67", flags: 0x8000 });
});

const bootFiles: DhcpConfig = {
  bootFile: "undionly.kpxe",
  bootFiles: [
    { ipxe: true, file: "http://10.0.0.1/boot.ipxe" },
    { firmware: "http", architectures: [16], file: "http://10.0.0.1/boot.efi" },
    { architectures: [6], file: "ia32.efi" },
    { architectures: [7, 9], file: "x64.efi", nextServer: "10.0.0.8" },
    { userClass: "special", file: "special.0" },
    { vendorClass: "Etherboot", file: "etherboot.0" },
  ],
};
const firmware: readonly (readonly [string, Request["options"], string, string])[] = [
  ["BIOS", { 60: "PXEClient:Arch:00000:UNDI:002001", 93: [0, 0] }, "undionly.kpxe", "10.0.0.1"],
  ["UEFI IA32", { 60: PXE, 93: [0, 6] }, "ia32.efi", "10.0.0.1"],
  ["UEFI x64", { 60: PXE, 93: [0, 7] }, "x64.efi", "10.0.0.8"],
  ["UEFI x64 by its other number", { 60: PXE, 93: [0, 9] }, "x64.efi", "10.0.0.8"],
  [
    "HTTP boot",
    { 60: "HTTPClient:Arch:00016:UNDI:003000", 93: [0, 16] },
    "http://10.0.0.1/boot.efi",
    "10.0.0.1",
  ],
  ["iPXE by its user class", { 60: PXE, 77: IPXE, 93: [0, 7] }, "http://10.0.0.1/boot.ipxe", "10.0.0.1"],
  ["iPXE by RFC 3004's form", { 77: `\x04${IPXE}`, 93: [0, 7] }, "http://10.0.0.1/boot.ipxe", "10.0.0.1"],
  ["iPXE by its options", { 93: [0, 0], 175: [0xeb, 3, 1, 0, 0] }, "http://10.0.0.1/boot.ipxe", "10.0.0.1"],
  ["a user class", { 77: "special" }, "special.0", "10.0.0.1"],
  ["a vendor class", { 60: "Etherboot-5.4" }, "etherboot.0", "10.0.0.1"],
];
for (const [what, options, file, server] of firmware) {
  test(`boot file for ${what}`, (t) => {
    t.like(lab(bootFiles).send(request(DISCOVER, { options: options! })), { file, server });
  });
}

test("PXE firmware gets its class, its UUID and the word to take the file at once; others do not", (t) => {
  const uuid = [0, ...Array.from({ length: 16 }, (_, i) => i)];
  const { send } = lab(bootFiles);
  const offer = send(request(DISCOVER, { options: { 60: PXE, 93: [0, 7], 97: uuid } }))!;
  t.is(offer.option("vendorClass"), "PXEClient");
  t.deepEqual([...offer.option("clientUuid")!], uuid);
  t.deepEqual([...offer.option("vendorSpecific")!], [6, 1, 8, 255]);
  const http = send(request(DISCOVER, { options: { 60: "HTTPClient:Arch:00016", 93: [0, 16] } }))!;
  t.is(http.option("vendorClass"), "HTTPClient");
  t.is(http.option("vendorSpecific"), undefined);
  t.is(send(request(DISCOVER))!.option("vendorClass"), undefined);
  // Firmware that is offered a class without a file goes looking for boot servers.
  t.is(
    lab()
      .send(request(DISCOVER, { options: { 60: PXE } }))!
      .option("vendorClass"),
    undefined,
  );
  // HTTP boot can do nothing with a path.
  t.like(lab({ bootFile: "x.efi" }).send(request(DISCOVER, { options: { 60: "HTTPClient" } })), { file: "" });
});

test("port 4011 tells PXE firmware its file, at the address it asks from", (t) => {
  const { send } = lab(bootFiles);
  const options = { 60: PXE, 93: [0, 7], 43: [71, 4, 0, 1, 0, 0, 255] };
  const from = { address: "10.0.0.2", port: 4011 };
  const ack = send(request(REQUEST, { ciaddr: "10.0.0.2", options }), 4011, from)!;
  t.like(ack, { type: ACK, file: "x64.efi", your: "0.0.0.0", to: "10.0.0.2:4011" });
  t.deepEqual([...ack.option("vendorSpecific")!], [6, 1, 8, 71, 4, 0, 1, 0, 0, 255]);
  t.is(ack.option("subnetMask"), undefined);
  t.is(send(request(REQUEST), 4011, from), undefined);
});

test("a proxy offers boot files but no addresses, and leaves other clients alone", (t) => {
  const { send } = lab({ ...bootFiles, mode: "proxy" });
  const offer = send(request(DISCOVER, { options: { 60: PXE, 93: [0, 7] } }))!;
  t.like(offer, { type: OFFER, your: "0.0.0.0", file: "x64.efi" });
  t.deepEqual(
    offer.codes.toSorted((a, b) => a - b),
    [43, 53, 54, 60, 66, 67],
  );
  t.is(send(request(DISCOVER)), undefined);
  t.is(
    send(request(REQUEST, { options: { 60: PXE, 50: octets("10.0.0.5"), 54: octets("10.0.0.9") } })),
    undefined,
  );
});

test("iPXE's settings go to iPXE only, and secrets never into reports", (t) => {
  const { lease, events } = lab({
    bootFile: "http://joe:sesame@10.0.0.1/x",
    ipxe: { username: "ali", password: "baba", reversePassword: "caves" },
  });
  t.is(lease()!.option("ipxe"), undefined);
  const ack = lease({ options: { 77: IPXE } })!;
  t.is(
    Buffer.from(ack.option("ipxe")!).toString("latin1"),
    "\xb0\x01\x01\xbe\x03ali\xbf\x04baba\xc1\x05caves",
  );
  t.is(ack.file, "http://joe:sesame@10.0.0.1/x");
  t.notRegex(JSON.stringify(events), /ali|baba|caves|sesame|joe/);
  t.is(events.at(-1)!.data["bootFile"], "http://10.0.0.1/x");
});

test("options that do not fit go by the client's order, into file and sname too, and the rest is told", (t) => {
  const text = "x".repeat(120);
  const config: DhcpConfig = {
    rootPath: text,
    initiatorName: text,
    options: { domainName: "d".repeat(50), nisDomain: text, posixTimezone: text },
  };
  const { send, events } = lab(config);
  const small = send(request(DISCOVER, { options: { 55: [203, 17, 15] } }))!;
  t.is(small.option("initiatorName"), text);
  t.is(small.option("rootPath"), text);
  t.is(small.option("domainName"), "d".repeat(50));
  t.true(small.length <= 548);
  t.deepEqual(events.at(-1)!.data["dropped"], [40, 100]);
  const large = send(request(DISCOVER, { options: { 55: [203, 17, 15], 57: [0x05, 0xdc] } }))!;
  t.is(large.option("posixTimezone"), text);
  t.is(large.option("overload"), undefined);
});

test("a boot file of more than 127 characters moves to option 67", (t) => {
  const file = `http://10.0.0.1/${"a".repeat(150)}`;
  const offer = lab({ bootFile: file }).send(request(DISCOVER))!;
  t.is(offer.file, "");
  t.is(offer.option("bootFileName"), file);
});

test("PXELINUX's options bring their magic; raw options win over all", (t) => {
  const { lease } = lab({
    options: { pxelinuxConfigFile: "a.cfg" },
    rawOptions: { 17: Buffer.from("raw"), 224: Buffer.of(1) },
    rootPath: "r",
  });
  const ack = lease()!;
  t.deepEqual([...ack.option("pxelinuxMagic")!], [0xf1, 0, 0x74, 0x7e]);
  t.is(ack.option("rootPath"), "raw");
  t.true(ack.codes.includes(224));
});

const configurations: readonly (readonly [string, DhcpConfig, string])[] = [
  ["a pool on no interface", { pool: [{ first: "10.9.0.1", last: "10.9.0.9" }] }, "BAD_POOL"],
  ["a pool upside down", { pool: [{ first: "10.0.0.9", last: "10.0.0.5" }] }, "BAD_POOL"],
  ["a pool across subnets", { pool: [{ first: "10.0.0.9", last: "10.0.1.5" }] }, "BAD_POOL"],
  ["an address with a typo", { pool: [{ first: "10.0.0.", last: "10.0.1.5" }] }, "BAD_ADDRESS"],
  [
    "two reservations of a MAC",
    { reservations: [{ mac: MAC }, { mac: "525400123456" }] },
    "DUPLICATE_RESERVATION",
  ],
  [
    "two reservations of an address",
    {
      reservations: [
        { mac: MAC, address: "10.0.0.5" },
        { mac: "52:54:00:00:00:02", address: "10.0.0.5" },
      ],
    },
    "DUPLICATE_RESERVATION",
  ],
  ["a lease of a second", { leaseSeconds: 1 }, "BAD_LEASE_TIME"],
  ["a next server by name", { nextServer: "server.example" }, "BAD_ADDRESS"],
  ["an option's value with a typo", { options: { routers: ["10.0.0"] } }, "BAD_OPTION"],
  ["an option of the protocol", { options: { leaseTime: 5 } }, "BAD_OPTION"],
  ["a raw option of the protocol", { rawOptions: { 53: Buffer.of(5) } }, "BAD_OPTION"],
  ["option 255", { rawOptions: { 255: Buffer.of(5) } }, "BAD_OPTION"],
  ["a drive number out of range", { ipxe: { sanDrive: 300 } }, "BAD_OPTION"],
  [
    "a reservation's domain name with a typo",
    { reservations: [{ mac: MAC, options: { domainSearch: ["a..b"] } }] },
    "BAD_OPTION",
  ],
  ["a MAC with a typo", { reservations: [{ mac: "52:54:0:12" }] }, "BAD_MAC"],
];
for (const [what, config, code] of configurations) {
  test(`refused: ${what}`, (t) => {
    t.throws(() => lab(config), { code });
  });
}

test("a reply, a BOOTP request and noise are ignored, and told", (t) => {
  const { send, events } = lab();
  const reply = request(OFFER);
  reply[0] = 2;
  const bootp = Buffer.concat([request(DISCOVER).subarray(0, 240), Uint8Array.of(255)]);
  for (const datagram of [reply, bootp, Buffer.from("noise")]) t.is(send(datagram), undefined);
  t.deepEqual(
    events.map(({ kind }) => kind),
    ["dhcp-ignored", "dhcp-ignored", "dhcp-ignored"],
  );
});

test("fuzz: 20,000 damaged requests are answered within the subnet or not at all", (t) => {
  const random = new SeededRandom(67);
  const { send } = lab({
    ...bootFiles,
    rootPath: "iscsi:10.0.0.1::::iqn.2024-01.x:y",
    ipxe: { keepSan: true },
  });
  const samples = [
    request(DISCOVER, { options: { 60: PXE, 77: IPXE, 93: [0, 7], 55: [1, 3, 17, 43, 175], 57: [5, 220] } }),
    request(REQUEST, {
      options: { 50: octets("10.0.0.5"), 54: octets("10.0.0.1"), 82: [5, 4, 10, 0, 0, 0] },
    }),
    request(INFORM, { ciaddr: "10.0.0.7", options: { 61: [1, 2, 3] } }),
  ];
  let answered = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = Buffer.from(random.pick(samples));
    for (let n = random.below(5); n >= 0; n--)
      bytes[28 + random.below(bytes.length - 28)] = random.below(256);
    const reply = send(bytes, random.below(9) === 0 ? 4011 : 67);
    if (!reply) continue;
    answered += 1;
    t.true(reply.length <= 1500 - 28);
    t.true(reply.yiaddr === 0 || reply.yiaddr >>> 8 === ipv4("10.0.0.0", "") >>> 8);
  }
  t.true(answered > 5000);
});

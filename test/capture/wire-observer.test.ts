import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { type CapturedPacket, PcapReader, WireObserver } from "#capture";
import { SeededRandom } from "#core";
import { tsharkFields } from "./tshark.ts";

interface Told {
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly time: number;
}

const fileOf = (name: string) => fileURLToPath(new URL(`data/${name}`, import.meta.url));
const LIBISCSI = fileOf("libiscsi-tgt.pcap");
const IPXE = fileOf("ipxe-blank-disk.pcap");

function packetsOf(file: string): CapturedPacket[] {
  const list: CapturedPacket[] = [];
  new PcapReader((packet) => list.push({ ...packet, bytes: Buffer.from(packet.bytes) })).push(
    readFileSync(file),
  );
  return list;
}

/** What is told of packets, and a look-up by kind. */
function watch(packets: readonly CapturedPacket[], options?: { iscsiPorts: number[] }) {
  const told: Told[] = [];
  const observer = new WireObserver((kind, data, time) => told.push({ kind, data, time }), options);
  for (const { bytes, time, linkType } of packets) observer.packet(bytes, time, linkType);
  observer.flush();
  return { told, of: (kind: string) => told.filter((one) => one.kind === kind).map(({ data }) => data) };
}

const tsharkFrames = (filter: string) => tsharkFields(LIBISCSI, ["frame.number"], ["-Y", filter]);
const isFullFeature = ({ kind }: Told) => kind === "iscsi-full-feature";
const kinds = (told: readonly Told[]) => told.map(({ kind }) => kind);

test("a boot by iPXE is told in the order in which it happened", (t) => {
  const { told, of } = watch(packetsOf(IPXE));
  const order = [
    "dhcp",
    "arp-request",
    "tcp-syn",
    "iscsi-login-request",
    "iscsi-full-feature",
    "iscsi-command",
    "tcp-fin",
  ];
  const firsts = order.map((kind) => kinds(told).indexOf(kind));
  t.deepEqual(
    firsts,
    firsts.toSorted((a, b) => a - b),
  );
  t.like(of("dhcp").at(-1), {
    message: "ack",
    mac: "52:54:00:77:00:50",
    ip: "10.77.0.50",
    server: "10.77.0.1",
    router: "10.77.0.254",
    rootPath: "iscsi:10.77.0.1:::1:iqn.2026-11.lab.san:disk0",
  });
  t.like(of("dhcp")[0], { message: "discover", userClass: "iPXE" });
  t.like(of("tcp-syn")[0], { flow: 1, from: "10.77.0.50", to: "10.77.0.1", toPort: 3260, attempt: 1 });
  t.like(of("iscsi-full-feature")[0], {
    flow: 1,
    software: "iPXE",
    target: "iqn.2026-11.lab.san:disk0",
    sessionType: "Normal",
  });
  t.deepEqual(
    of("iscsi-command").map(({ name, lba }) => [name, lba]),
    [
      ["TEST UNIT READY", undefined],
      ["READ CAPACITY(10)", undefined],
      ["READ(10)", 64],
      ["READ(10)", 0],
    ],
  );
  t.like(
    of("source-ip").find(({ ip }) => ip === "10.77.0.50"),
    { leased: "10.77.0.50", matches: true },
  );
  t.true(of("router-advertisement").length > 0);
  t.deepEqual(
    of("tcp-fin").map(({ by }) => by),
    ["client", "server"],
  );
});

test("sums by MAC cover every frame", (t) => {
  const packets = packetsOf(IPXE);
  const { told, of } = watch(packets);
  const sums = of("mac-activity");
  t.is(
    sums.reduce((sum, { frames }) => sum + Number(frames), 0),
    packets.length,
  );
  for (const { by, frames } of sums) {
    t.is(
      Object.values(by ?? {}).reduce((a, b) => Number(a) + Number(b), 0),
      Number(frames),
    );
  }
  const last = told.findLast(
    ({ data, kind }) => kind === "mac-activity" && data["mac"] === "52:54:00:77:00:50",
  );
  const own = packets.filter(({ bytes }) => bytes.toString("hex", 6, 12) === "525400770050");
  t.is(last?.time, own.at(-1)?.time);
});

test("logins, commands and reads of real initiators are counted as tshark counts them", (t) => {
  const { of } = watch(packetsOf(LIBISCSI));
  const opcodes = tsharkFields(LIBISCSI, ["iscsi.opcode"], ["-Y", "iscsi"]).flatMap(([list = ""]) =>
    list.split(","),
  );
  const count = (opcode: number) => opcodes.filter((one) => Number(one) === opcode).length;
  t.is(of("iscsi-login-request").length, count(0x03));
  t.is(of("iscsi-login-response").length, count(0x23));
  t.is(of("iscsi-logout").length, count(0x06));
  t.is(of("iscsi-logout-response").length, count(0x26));
  const io = (field: string) => of("iscsi-io").reduce((sum, one) => sum + Number(one[field]), 0);
  t.is(io("reads"), tsharkFrames("scsi_sbc.opcode == 0x28 && iscsi.opcode == 0x01").length);
  t.is(io("writes"), tsharkFrames("scsi_sbc.opcode == 0x2a && iscsi.opcode == 0x01").length);
});

test("refused logins, check conditions and digests of real sessions are told", (t) => {
  const { of } = watch(packetsOf(LIBISCSI));
  t.like(
    of("iscsi-login-response").find((response) => response["class"] !== 0),
    { class: 2, detail: 3, target: "iqn.2026-11.lab.san:wrong" },
  );
  t.like(
    of("iscsi-check-condition").find(({ key }) => key === 5),
    { asc: 0x25, ascq: 0, name: "TEST UNIT READY" },
  );
  const last = of("iscsi-full-feature").at(-1)!;
  t.like(last["keys"], { HeaderDigest: "CRC32C", DataDigest: "None" });
  t.like(of("iscsi-io").at(-1), {
    flow: last["flow"],
    reads: 1,
    writes: 1,
    writtenBlocks: 8,
    readBlocks: 4,
    lba: 2048,
  });
});

test("the same packets on other ports are recognised by their login", (t) => {
  const port = Buffer.from([0x30, 0x39]);
  const moved = packetsOf(LIBISCSI).map((packet) => {
    const bytes = Buffer.from(packet.bytes);
    for (const at of [34, 36]) if (bytes.readUInt16BE(at) === 3260) port.copy(bytes, at);
    return { ...packet, bytes };
  });
  t.is(
    watch(moved).of("iscsi-full-feature").length,
    watch(packetsOf(LIBISCSI)).of("iscsi-full-feature").length,
  );
});

/** Packets of one direction of the last connection out of the iSCSI traffic. */
const isFromTarget = ({ bytes }: CapturedPacket) => bytes.readUInt16BE(34) === 3260;

test("captures with lost, repeated and exchanged packets tell the same logins", (t) => {
  const packets = packetsOf(IPXE);
  const kinds = new Set(["iscsi-login-request", "iscsi-login-response", "iscsi-full-feature", "iscsi-io"]);
  const facts = (list: readonly CapturedPacket[]) => {
    const { told } = watch(list);
    return told.filter(({ kind }) => kinds.has(kind)).map(({ kind, data }) => ({ kind, data }));
  };
  const want = facts(packets);
  t.deepEqual(facts(packets.flatMap((packet) => [packet, packet])), want);
  // The data of a READ is lost: what it was is not needed, and what follows is understood.
  const big = packets.findIndex((packet) => isFromTarget(packet) && packet.bytes.length > 1000);
  t.true(big > 0);
  t.deepEqual(facts(packets.toSpliced(big, 1)), want);
});

test("a session whose beginning was not captured is found again by the next header", (t) => {
  const packets = packetsOf(IPXE);
  const begun = watch(packets).told.find(isFullFeature)!.time;
  const { told, of } = watch(packets.filter(({ time }) => time > begun));
  t.false(told.some(isFullFeature));
  t.deepEqual(
    of("iscsi-command").map(({ name }) => name),
    ["TEST UNIT READY", "READ CAPACITY(10)", "READ(10)", "READ(10)"],
  );
});

test("repeated requests are told once a second, and a VLAN is told with them", (t) => {
  const arp = Buffer.from(
    "ffffffffffff52540077005081000007080600010800060400015254007700500a4d00330000000000000a4d00fe",
    "hex",
  );
  const packets = Array.from({ length: 25 }, (_, i) => ({ bytes: arp, time: 100 + i / 10, linkType: 1 }));
  const { of } = watch(packets);
  t.deepEqual(
    of("arp-request").map(({ target, vlan, repeated }) => ({ target, vlan, repeated })),
    [
      { target: "10.77.0.254", vlan: 7, repeated: undefined },
      { target: "10.77.0.254", vlan: 7, repeated: 9 },
      { target: "10.77.0.254", vlan: 7, repeated: 9 },
    ],
  );
  t.deepEqual(of("frame-first"), [{ mac: "52:54:00:77:00:50", protocol: "arp", etherType: 0x0806, vlan: 7 }]);
});

test("a source address that DHCP did not give is told as wrong", (t) => {
  const arp = Buffer.from(
    "ffffffffffff52540077005008060001080006040001525400770050c0a80001000000000000c0a80002",
    "hex",
  );
  const packets = packetsOf(IPXE);
  const { of } = watch([...packets, { bytes: arp, time: packets.at(-1)!.time + 1, linkType: 1 }]);
  t.like(of("source-ip").at(-1), { ip: "192.168.0.1", leased: "10.77.0.50", matches: false });
});

test("the same port used again after a close is another connection", (t) => {
  const packets = packetsOf(IPXE);
  const again = packets.map((packet) => ({ ...packet, time: packet.time + 10 }));
  const { of } = watch([...packets, ...again]);
  t.deepEqual(
    of("iscsi-full-feature").map(({ flow }) => flow),
    [1, 2],
  );
});

test("floods of connections and addresses are cut off and counted", (t) => {
  const syn = Buffer.from(packetsOf(IPXE).find(({ bytes }) => bytes[47] === 2 && bytes[23] === 6)!.bytes);
  const packets = Array.from({ length: 20_000 }, (_, i) => {
    const bytes = Buffer.from(syn);
    bytes.writeUInt32BE(0x0a000000 + i, 26);
    bytes.writeUInt32BE(i, 8);
    return { bytes, time: 5 + i / 100_000, linkType: 1 };
  });
  const { told, of } = watch(packets);
  t.true(told.length < 2100);
  t.true(Number(of("wire-suppressed")[0]!["events"]) > 10_000);
});

test("mutated captures never throw", (t) => {
  const random = new SeededRandom(11);
  const all = [...packetsOf(IPXE), ...packetsOf(LIBISCSI)];
  for (let round = 0; round < 60; round++) {
    watch(
      all.map((packet) => {
        const bytes = Buffer.from(
          packet.bytes.subarray(0, random.below(8) === 0 ? random.below(packet.bytes.length + 1) : undefined),
        );
        for (let n = random.below(4); n > 0 && bytes.length > 0; n--) {
          bytes[random.below(Math.min(bytes.length, random.below(2) ? 120 : 1500))] = random.uint32();
        }
        return {
          ...packet,
          bytes,
          linkType: random.below(20) === 0 ? random.pick([0, 101, 108, 113, 276, 9]) : 1,
        };
      }),
    );
    const file = Buffer.from(readFileSync(IPXE));
    for (let n = 0; n < 3; n++) file[random.below(file.length)] = random.uint32();
    const observer = new WireObserver(() => undefined);
    observer.push(file);
    observer.flush();
  }
  t.pass();
});

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { Frame, PcapReader } from "#capture";
import { SeededRandom } from "#core";
import { tsharkFields } from "./tshark.ts";

const captures = ["libiscsi-tgt.pcap", "ipxe-blank-disk.pcap"].map((name) =>
  fileURLToPath(new URL(`data/${name}`, import.meta.url)),
);
const folder = mkdtempSync(path.join(tmpdir(), "sanlab-capture-"));
test.after.always(() => rmSync(folder, { recursive: true }));

interface Packet {
  readonly bytes: string;
  readonly time: number;
  readonly linkType: number;
}

function packets(file: Uint8Array, sizes: () => number = () => file.length): Packet[] {
  const list: Packet[] = [];
  const reader = new PcapReader(({ bytes, time, linkType }) =>
    list.push({ bytes: bytes.toString("hex"), time, linkType }),
  );
  for (let at = 0; at < file.length;) {
    const size = sizes();
    reader.push(file.subarray(at, at + size));
    at += size;
  }
  if (reader.problem !== undefined) throw new Error(reader.problem);
  return list;
}

for (const [title, format] of [
  ["pcapng", "pcapng"],
  ["pcap with nanoseconds", "nsecpcap"],
] as const) {
  test(`editcap's ${title} gives the packets of the pcap file`, (t) => {
    for (const file of captures) {
      const converted = path.join(folder, `${path.basename(file)}.${format}`);
      execFileSync("editcap", ["-F", format, file, converted]);
      const [want, have] = [packets(readFileSync(file)), packets(readFileSync(converted))];
      t.is(have.length, want.length);
      t.deepEqual(
        have.map(({ bytes, linkType }) => ({ bytes, linkType })),
        want.map(({ bytes, linkType }) => ({ bytes, linkType })),
      );
      t.true(have.every(({ time }, i) => Math.abs(time - want[i]!.time) < 1e-6));
    }
  });
}

test("numbers, times and lengths of packets are those that tshark reads", (t) => {
  for (const file of captures) {
    const rows = tsharkFields(file, ["frame.time_epoch", "frame.cap_len"]);
    const list = packets(readFileSync(file));
    t.is(list.length, rows.length);
    for (const [i, [time, length]] of rows.entries()) {
      t.true(Math.abs(Number(time) - list[i]!.time) < 1e-6);
      t.is(list[i]!.bytes.length / 2, Number(length));
    }
  }
});

test("any split of the bytes gives the same packets, as soon as each is whole", (t) => {
  const random = new SeededRandom(5);
  const small = readFileSync(captures[1]!);
  const whole = packets(small);
  t.deepEqual(
    packets(small, () => 1),
    whole,
  );
  for (let i = 0; i < 20; i++)
    t.deepEqual(
      packets(small, () => random.below(200) + 1),
      whole,
    );
  let count = 0;
  const reader = new PcapReader(() => count++);
  const first = 24 + 16 + small.readUInt32LE(24 + 8);
  reader.push(small.subarray(0, first - 1));
  t.is(count, 0);
  t.is(reader.pending, first - 1 - 24);
  reader.push(small.subarray(first - 1, first));
  t.is(count, 1);
});

/** A classic file with one record of 14 zero bytes, in either byte order. */
function record(big: boolean): Buffer {
  const bytes = Buffer.alloc(24 + 16 + 14);
  const put = (value: number, at: number) =>
    big ? bytes.writeUInt32BE(value, at) : bytes.writeUInt32LE(value, at);
  put(0xa1b2c3d4, 0);
  put(1, 20);
  put(1700000000, 24);
  put(250000, 28);
  put(14, 32);
  put(14, 36);
  return bytes;
}

test("big-endian files of both formats read the same", (t) => {
  t.deepEqual(packets(record(true)), packets(record(false)));
  t.is(packets(record(true))[0]!.time, 1700000000.25);
  const section = Buffer.from(
    [
      "0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c",
      "00000001 00000020 0001 0000 00000000 0009 0001 06000000 00000000 00000020",
      "00000006 00000024 00000000 00060a24 181e4000 00000004 00000004 deadbeef 00000024",
    ]
      .join("")
      .replaceAll(" ", ""),
    "hex",
  );
  t.deepEqual(packets(section), [{ bytes: "deadbeef", time: 0x60a24181e4000 / 1e6, linkType: 1 }]);
});

for (const [title, bytes, problem] of [
  ["other files", Buffer.from("this is a text and no capture at all"), /neither pcap nor pcapng.*byte 0/],
  [
    "records of an impossible length",
    Buffer.concat([readFileSync(captures[1]!).subarray(0, 24), Buffer.alloc(16, 0xff)]),
    /record of 4294967295 bytes \(at byte 24\)/,
  ],
] as const) {
  test(`${title} stop the reader with a reason`, (t) => {
    const reader = new PcapReader(() => t.fail());
    for (const byte of bytes) reader.push(Uint8Array.of(byte));
    t.regex(reader.problem ?? "", problem);
  });
}

test("addresses, ports, flags and sequence numbers are those that tshark decodes", (t) => {
  const names = [
    "eth.src",
    "eth.dst",
    "eth.type",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "tcp.len",
    "udp.srcport",
    "udp.dstport",
    "udp.length",
  ];
  for (const file of captures) {
    const rows = tsharkFields(file, names);
    let i = 0;
    const frame = new Frame();
    const reader = new PcapReader(({ bytes, linkType }) => {
      t.true(frame.parse(bytes, linkType));
      const row = Object.fromEntries(names.map((name, k) => [name, rows[i]![k]!]));
      const number = (name: string) => Number(row[name] || 0);
      t.is(frame.sourceMac, row["eth.src"]!);
      t.is(frame.destinationMac, row["eth.dst"]!);
      t.is(frame.etherType, number("eth.type"));
      t.is(frame.sourceIp, row["ip.src"]! || row["ipv6.src"]!);
      t.is(frame.destinationIp, row["ip.dst"]! || row["ipv6.dst"]!);
      t.is(frame.sourcePort, number("tcp.srcport") || number("udp.srcport"));
      t.is(frame.destinationPort, number("tcp.dstport") || number("udp.dstport"));
      if (row["tcp.seq_raw"]) {
        t.is(frame.sequence, number("tcp.seq_raw"));
        t.is(frame.acknowledgement, number("tcp.ack_raw"));
        t.is(frame.tcpFlags, number("tcp.flags") & 0xff);
        t.is(frame.payloadLength, number("tcp.len"));
      }
      if (row["udp.length"]) t.is(frame.payloadLength, number("udp.length") - 8);
      i++;
    });
    reader.push(readFileSync(file));
    t.is(i, rows.length);
  }
});

const ARP = "ffffffffffff525400770050080600010800060400015254007700500a4d00320000000000000a4d0001";

for (const [title, hex, expected] of [
  ["untagged", ARP, { etherType: 0x0806, vlan: undefined, payloadLength: 28 }],
  ["one VLAN tag", ARP.replace("0806", "8100a0030806"), { etherType: 0x0806, vlan: 3, payloadLength: 28 }],
  [
    "two tags",
    ARP.replace("0806", "88a80007810000030806"),
    { etherType: 0x0806, vlan: 3, payloadLength: 28 },
  ],
] as const) {
  test(`a frame with ${title}`, (t) => {
    const frame = new Frame();
    t.true(frame.parse(Buffer.from(hex, "hex")));
    t.like(frame, expected);
    t.is(frame.sourceMac, "52:54:00:77:00:50");
  });
}

test("a frame that the capture cut short says how long its payload was", (t) => {
  const frame = new Frame();
  const reader = new PcapReader(({ bytes }) => {
    frame.parse(bytes);
    const { payloadLength, protocol } = frame;
    if (protocol !== 6 || payloadLength < 100) return;
    frame.parse(bytes.subarray(0, bytes.length - 50));
    t.is(frame.payloadLength, payloadLength);
    t.is(frame.payload.length, payloadLength - 50);
  });
  reader.push(readFileSync(captures[0]!));
});

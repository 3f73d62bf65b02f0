import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import {
  Frame,
  PcapReader,
  PcapngWriter,
  SessionTrace,
  SessionTraces,
  TcpFlag,
  WireObserver,
  type Endpoint,
} from "#capture";
import { tsharkFields } from "./tshark.ts";

const folder = mkdtempSync(path.join(tmpdir(), "sanlab-trace-"));
test.after.always(() => rmSync(folder, { recursive: true }));

const CHECKS = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
const V4: readonly [Endpoint, Endpoint] = [
  { address: "10.77.0.50", port: 40000 },
  { address: "10.77.0.1", port: 3260 },
];
const V6: readonly [Endpoint, Endpoint] = [
  { address: "fe80::50%tap0", port: 40000 },
  { address: "fd00::1", port: 3260 },
];

/** What iPXE and tgtd said to each other, in the order of the capture: real PDUs to trace. */
function conversation(): readonly { readonly direction: "sent" | "received"; readonly bytes: Buffer }[] {
  const list: { direction: "sent" | "received"; bytes: Buffer }[] = [];
  const frame = new Frame();
  new PcapReader(({ bytes }) => {
    frame.parse(bytes);
    if (frame.protocol !== 6 || frame.payloadLength === 0) return;
    const direction = frame.destinationPort === 3260 ? "sent" : "received";
    list.push({ direction, bytes: Buffer.from(frame.payload) });
  }).push(readFileSync(fileURLToPath(new URL("data/ipxe-blank-disk.pcap", import.meta.url))));
  return list;
}

/** Opcode and task tag of each PDU, as tshark decodes them. */
function pdus(file: string) {
  const rows = tsharkFields(file, ["iscsi.opcode", "iscsi.initiatortasktag"], ["-Y", "iscsi"]);
  return rows.flatMap(([a = "", b = ""]) => a.split(",").map((code, i) => [code, b.split(",")[i]]));
}

/** Traces into a file and returns its path. */
function traced(
  name: string,
  [local, remote]: readonly [Endpoint, Endpoint],
  use: (trace: SessionTrace) => void,
) {
  const blocks: Buffer[] = [];
  const writer = new PcapngWriter((block) => blocks.push(block), {
    application: "sanlab test",
    interfaceName: "trace",
  });
  let time = 1_700_000_000.25;
  use(new SessionTrace(writer, { local, remote, now: () => (time += 0.001) }));
  const file = path.join(folder, name);
  writeFileSync(file, Buffer.concat(blocks));
  return file;
}

for (const [title, ends] of [
  ["IPv4", V4],
  ["IPv6", V6],
] as const) {
  test(`tshark decodes every PDU of a trace over ${title} and finds nothing wrong`, (t) => {
    const said = conversation();
    const file = traced(`${title}.pcapng`, ends, (trace) => {
      for (const { direction, bytes } of said) trace[direction](bytes.subarray(0, 30), bytes.subarray(30));
      trace.close();
    });
    t.deepEqual(
      tsharkFields(file, ["frame.number"], ["-Y", "_ws.malformed || _ws.unreassembled", ...CHECKS]),
      [],
    );
    const experts = tsharkFields(
      file,
      ["_ws.expert.message"],
      ["-Y", "_ws.expert.severity >= 0x600000", ...CHECKS],
    );
    t.deepEqual(experts, []);
    t.deepEqual(tsharkFields(file, ["frame.number"], ["-Y", 'tcp.checksum.status != "Good"', ...CHECKS]), []);
    const original = fileURLToPath(new URL("data/ipxe-blank-disk.pcap", import.meta.url));
    t.true(pdus(file).length > 10);
    t.deepEqual(pdus(file), pdus(original));
  });
}

test("comments, times, interface and application are there for the reader", (t) => {
  const file = traced("comment.pcapng", V4, (trace) => {
    trace.record("sent", [conversation()[0]!.bytes], { comment: "fault F1: delayed 2 s" });
  });
  const rows = tsharkFields(file, ["frame.comment", "frame.time_epoch", "frame.interface_name"]);
  t.deepEqual(
    rows.map(([comment]) => comment),
    ["", "", "", "fault F1: delayed 2 s"],
  );
  t.is(Number(rows[0]![1]).toFixed(6), "1700000000.251000");
  t.is(rows[0]![2], "trace");
});

test("a trace is readable by the observer, and big pieces and 32-bit wrap stay in order", (t) => {
  const said = conversation();
  const big = Buffer.alloc(200_000);
  // A SCSI Data-In with as much data as its header says.
  big.writeUInt8(0x25, 0);
  big.writeUIntBE(big.length - 48, 5, 3);
  const file = traced("big.pcapng", V4, (trace) => {
    for (const { direction, bytes } of said) {
      trace[direction](bytes);
      if (direction === "received" && bytes.readUInt8(0) === 0x21) trace.received(big);
    }
    trace.close("remote", { reset: true });
    trace.sent(big);
  });
  const kinds: string[] = [];
  const observer = new WireObserver((kind) => kinds.push(kind));
  observer.push(readFileSync(file));
  observer.flush();
  t.is(kinds.filter((kind) => kind === "iscsi-full-feature").length, 1);
  t.is(kinds.filter((kind) => kind === "iscsi-command").length, 4);
  t.is(kinds.filter((kind) => kind === "tcp-rst").length, 1);
  const sizes = tsharkFields(file, ["tcp.len"]).map(([size]) => Number(size));
  t.true(Math.max(...sizes) <= 32 * 1024);
  t.deepEqual(tsharkFields(file, ["frame.number"], ["-Y", "tcp.analysis.flags"]), []);
});

test("a connection that the peer opened shows the peer's SYN", (t) => {
  const blocks: Buffer[] = [];
  const writer = new PcapngWriter((block) => blocks.push(block));
  const [local, remote] = V4;
  const trace = new SessionTrace(writer, { local: remote, remote: local, openedBy: "remote" });
  trace.close("remote");
  trace.close();
  const seen: [number, number][] = [];
  const frame = new Frame();
  new PcapReader(({ bytes }) => {
    frame.parse(bytes);
    seen.push([frame.sourcePort, frame.tcpFlags]);
  }).push(Buffer.concat(blocks));
  t.deepEqual(seen[0], [40000, TcpFlag.Syn]);
  t.deepEqual(seen.at(-2), [3260, TcpFlag.Fin | TcpFlag.Ack]);
  t.is(seen.length, 6);
});

test("an IPv4 and an IPv6 end meet as IPv6, and text that is no address is refused", (t) => {
  const blocks: Buffer[] = [];
  const writer = new PcapngWriter((block) => blocks.push(block));
  t.notThrows(() => new SessionTrace(writer, { local: V4[0], remote: V6[1] }));
  const frame = new Frame();
  const sources: string[] = [];
  new PcapReader(({ bytes }) => {
    frame.parse(bytes);
    sources.push(frame.sourceIp);
  }).push(Buffer.concat(blocks));
  t.deepEqual(sources, ["::ffff:a4d:32", "fd00::1", "::ffff:a4d:32"]);
  const wrong = { address: "localhost", port: 1 };
  t.throws(() => new SessionTrace(writer, { local: wrong, remote: V4[0] }), {
    instanceOf: TypeError,
    message: /localhost/,
  });
});

test("two connections between the same ports, the first cut inside a PDU, are two conversations", (t) => {
  const said = conversation();
  const blocks: Buffer[] = [];
  const traces = new SessionTraces(new PcapngWriter((block) => blocks.push(Buffer.from(block))));
  const [local, remote] = V4;
  const ends = () => ({
    localAddress: local.address,
    localPort: local.port,
    address: remote.address,
    port: remote.port,
  });
  const [first, second] = [ends(), ends()];
  for (const { direction, bytes } of said.slice(0, 3)) traces.record(direction, bytes, first);
  traces.record("sent", said[4]!.bytes.subarray(0, 20), first);
  for (const { direction, bytes } of said) traces.record(direction, bytes, second);
  traces.close();
  const file = path.join(folder, "twice.pcapng");
  writeFileSync(file, Buffer.concat(blocks));
  const rows = tsharkFields(file, ["tcp.stream", "iscsi.opcode"], ["-Y", "iscsi"]);
  const opcodes = (stream: string) =>
    rows.filter(([number]) => number === stream).flatMap(([, codes = ""]) => codes.split(","));
  const alone = traced("once.pcapng", V4, (trace) => {
    for (const { direction, bytes } of said) trace[direction](bytes);
  });
  t.deepEqual(
    opcodes("1"),
    pdus(alone).map(([code]) => code),
  );
  t.is(tsharkFields(file, ["frame.number"], ["-Y", "_ws.malformed"]).length, 0);
});

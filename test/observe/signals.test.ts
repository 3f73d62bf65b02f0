import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { Clock } from "#core";
import { probePorts, readEmsLine, Timeline, watchEms } from "#harness/observe";
import { TextCleaner } from "#harness/qemu-launcher";
import { isSamePicture, sketch } from "../../harness/observe/picture.ts";
import { SettledWatch } from "../../harness/observe/settled.ts";

let folder: string;
test.before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sanlab-signals-"));
});
test.after.always(() => rm(folder, { recursive: true }));

let count = 0;
const fresh = () => new Timeline(path.join(folder, `${++count}.jsonl`), new Clock());

test("a recorded emergency console: what the machine is, that its console is up, its prompt", (t) => {
  const bytes = readFileSync(path.join(import.meta.dirname, "../kd/data/ems-com2.raw"));
  const events = new TextCleaner()
    .push(bytes)
    .split("\n")
    .flatMap((line) => readEmsLine(line) ?? []);
  t.deepEqual(
    events.map(({ kind, data }) => [kind, ...Object.entries(data).flat()]),
    [
      ["machine", "name", "not yet initialized"],
      ["machine", "os-version", "5.2"],
      ["machine", "os-build-number", "3790"],
      ["machine", "os-product", "Windows Server 2003"],
      ["machine", "os-service-pack", "2.0"],
      ["sac"],
      ["prompt", "whole", true],
    ],
  );
});

const says = test.macro((t, line: string, kind: string | undefined, data: object) => {
  t.deepEqual<unknown, unknown>(readEmsLine(line), kind === undefined ? undefined : { kind, data });
});
const cases: readonly (readonly [string, string | undefined, object])[] = [
  ["EVENT: The CMD command is now available.          ", "commands", { available: true }],
  ["EVENT: The CMD command is unavailable.", "commands", { available: false }],
  [
    'EVENT:   A new channel has been created.  Use "ch -?" for channel help.',
    "event",
    {
      text: 'A new channel has been created. Use "ch -?" for channel help.',
    },
  ],
  ["Channel: Cmd0001", "channel", { name: "Cmd0001" }],
  ["!SAC>", "prompt", { whole: false }],
  [
    "*** STOP: 0x0000007B (0xF870AA04,0xC0000034,0x00000000,0x00000000)",
    "stop-error",
    {
      code: "0x0000007b",
      parameters: ["0xf870aa04", "0xc0000034", "0x00000000", "0x00000000"],
    },
  ],
  ['<INSTANCE CLASSNAME="BLUESCREEN">', "stop-error", {}],
  ["multi(0)disk(0)cdrom(96)\\reactos\\System32\\Drivers\\acpi.sys", undefined, {}],
];
for (const [line, kind, data] of cases)
  test(`the emergency console says: ${line.trim()}`, says, line, kind, data);

test("a prompt that is told twice, unfinished and whole, is one event", (t) => {
  using timeline = fresh();
  using _ems = watchEms(timeline);
  timeline.append("serial", "line", { port: "ems", line: "SAC>", partial: true });
  timeline.append("serial", "line", { port: "ems", line: "SAC>ch -l" });
  timeline.append("serial", "line", { port: "console", line: "SAC>" });
  t.is(timeline.observations.filter(({ source }) => source === "ems").length, 1);
});

function painted(width: number, height: number, colour: (x: number, y: number) => number) {
  const dots = Buffer.alloc(3 * width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) dots.writeUIntBE(colour(x, y), 3 * (y * width + x), 3);
  return sketch({ width, height, dots });
}
const desk = (x: number, y: number) => (y > 550 ? 0xc0c0c0 : (x >> 5) % 2 === 0 ? 0x004e98 : 0x3a6ea5);

test("a picture is the same with another caret or clock, and another one with a window", (t) => {
  const still = painted(800, 600, desk);
  const clock = painted(800, 600, (x, y) => (x > 760 && y > 580 ? 0xffffff : desk(x, y)));
  const window = painted(800, 600, (x, y) =>
    x > 200 && x < 600 && y > 150 && y < 450 ? 0xffffff : desk(x, y),
  );
  t.true(isSamePicture(still, clock));
  t.false(isSamePicture(still, window));
  t.false(isSamePicture(still, painted(1024, 768, desk)));
});

test("a picture's colour is the one that most of it has", (t) => {
  const stop = painted(720, 400, (x, y) => (y === 200 && x < 400 ? 0xffffff : 0x0000aa));
  t.is(stop.colour, "#0000aa");
  t.true(stop.share > 0.9);
  t.is(painted(1, 1, () => 0x123456).share, 1);
});

const io = (t: number, commands: number) => ({
  t,
  source: "wire" as const,
  kind: "iscsi-io",
  data: { reads: commands, writes: 0 },
});

test("a disk has settled when it is quiet after it was busy", (t) => {
  const watch = new SettledWatch(10);
  for (let second = 0; second < 30; second++) watch.see(io(second, 40));
  t.is(watch.settled(29), undefined);
  t.is(watch.settled(36), undefined, "four seconds of the last ten were busy");
  watch.see(io(38, 15));
  t.deepEqual(watch.settled(40.5), { commands: 15, busiest: 400 });
});

test("a disk that nobody has used has not settled", (t) => {
  const watch = new SettledWatch(10);
  t.is(watch.settled(1000), undefined);
  watch.see(io(1, 3));
  t.is(watch.settled(1000), undefined);
});

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const answers = test.macro(async (t, port: number, server: Server, protocol: string | undefined) => {
  const hostPort = await listening(server);
  using timeline = fresh();
  await using probing = probePorts([{ port, host: "127.0.0.1", hostPort }], timeline);
  if (protocol !== undefined)
    await timeline.until("an answer", ({ source }) => source === "probe", { timeoutMs: 30_000 });
  await probing[Symbol.asyncDispose]();
  server.close();
  t.deepEqual(
    timeline.observations.map(({ kind, data }) => [kind, data]),
    protocol === undefined ? [] : [["tcp", { port, protocol }]],
  );
});
test(
  "remote desktop answers a connection request",
  answers,
  3389,
  createServer((socket) =>
    socket.once("data", (request) => {
      if (request.readUInt8(5) === 0xe0 && request.readUInt16BE(2) === request.length)
        socket.end(Buffer.from("030000130ed000001234000209080002000000", "hex"));
    }),
  ),
  "rdp",
);
test(
  "remote management answers by HTTP",
  answers,
  5985,
  createHttpServer((_request, response) => response.writeHead(404).end()) as Server,
  "http",
);
test("any other port takes a connection and keeps it", answers, 22, createServer(), "tcp");
test(
  "a forwarder that takes a connection and drops it is no answer",
  answers,
  445,
  createServer((socket) => socket.end()),
  undefined,
);
test(
  "what answers in another protocol is not remote desktop",
  answers,
  3389,
  createServer((socket) => socket.end("SSH-2.0-nobody\r\n")),
  undefined,
);

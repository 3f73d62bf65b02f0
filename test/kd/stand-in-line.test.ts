import { once } from "node:events";
import { PassThrough, Duplex } from "node:stream";
import test from "ava";
import { KdHost, type KdEvent } from "#kd";
import { ack, control, data, reset, resend } from "./frames.ts";
import { noise } from "./line.ts";
import { PacketPeer } from "./packet-peer.ts";
import { driverLines, publishedLines } from "./stand-in-lines.ts";
import { publishedTable, publishedValues, startStandIn, whileStopped } from "./stand-in.ts";

const initial = 0x8080_0000;
const sync = 0x8080_0800;

/** A request of 56 bytes and what comes behind it. */
function request(
  api: number,
  fields: Readonly<Record<number, number>> = {},
  more: Buffer = Buffer.alloc(0),
): Buffer {
  const body = Buffer.alloc(56);
  body.writeUInt32LE(api, 0);
  body.writeUInt32LE(0x103, 8);
  for (const [at, value] of Object.entries(fields)) body.writeUInt32LE(value >>> 0, Number(at));
  return Buffer.concat([body, more]);
}

type Spoil = (byte: number) => readonly number[];

const continued = request(0x3136, { 16: 0x0001_0002 });
const status = (reply: Buffer) => reply.readUInt32LE(8);
const text = (body: Buffer) => body.toString("latin1", 16);

test.serial(
  "unanswered, it sends its first packet so often, says nothing more and goes on to its end",
  async (t) => {
    await using standIn = await startStandIn({ end: "bugcheck", tries: 7, timeoutMs: 20 });
    const peer = new PacketPeer(standIn.line);
    const first = await peer.data();
    t.is(first.id, sync);
    t.regex(text(first.body), /^sanlab kd-probe: a stand-in for a Windows kernel/);
    for (let copy = 2; copy <= 7; copy++) t.deepEqual(await peer.data(), first, `copy ${copy}`);
    while (!(await standIn.machine.screenText())?.join("\n").includes("STOP: 0x0000007B"));
    t.is(peer.waiting, 0);
  },
);

test.serial(
  "a kernel that had given its debugger up comes back at a break-in, with its first number",
  async (t) => {
    await using standIn = await startStandIn(
      { end: "login", tries: 2, timeoutMs: 20 },
      { table: publishedTable },
    );
    const peer = new PacketPeer(standIn.line);
    const first = await peer.data();
    t.deepEqual(await peer.data(), first);
    const asking = setInterval(() => peer.send(Buffer.of(0x62)), 50);
    const stop = await peer.next(({ type }) => type === 7);
    clearInterval(asking);
    t.is(stop.id, sync);
    t.is(stop.body.readUInt32LE(0), 0x3030);
    t.is(stop.body.readUInt32LE(32), 0x8000_0003);
  },
);

test.serial("what is sent is numbered, repeated and acknowledged as a kernel does it", async (t) => {
  await using standIn = await startStandIn({ end: "stall", tries: 1000, timeoutMs: 30 });
  const peer = new PacketPeer(standIn.line);
  const first = await peer.data();

  peer.send(ack(sync));
  t.deepEqual(await peer.data(), first, "an acknowledgement with the SYNC bit is none");
  peer.send(ack(initial + 1));
  t.deepEqual(await peer.data(), first, "nor is one with another number");
  peer.send(resend);
  t.deepEqual(await peer.data(), first, "asked to, it sends the same again");
  peer.send(reset);
  t.deepEqual(await peer.control(), { type: 6, id: 0 }, "a RESET is answered by one");
  const afresh = await peer.next((packet) => packet.kind === "data" && packet.id === initial);
  t.deepEqual({ ...afresh, id: sync }, first, "and the packet comes with a number without SYNC");
  peer.send(ack(initial));

  const load = await peer.next((packet) => packet.kind === "data" && packet.id === initial + 1);
  t.is(load.type, 7);
  t.is(load.body.readUInt32LE(0), 0x3031, "load symbols");
  t.is(load.body.toString("latin1", 240), "\\WINDOWS\\system32\\ntoskrnl.exe\0");
  peer.send(ack(initial + 1));

  // The numbers of requests are independent of those of the kernel's packets.
  const damaged = data(2, initial, request(0x3146));
  damaged[40]! ^= 1;
  peer.send(damaged);
  t.is((await peer.control()).type, 5, "a damaged request is asked for again");
  peer.send(data(2, initial, request(0x3146)));
  t.deepEqual(await peer.control(), { type: 4, id: initial });
  const version = await peer.next(({ kind, type }) => kind === "data" && type === 2);
  t.is(version.id, initial);
  t.is(version.body.readUInt32LE(8), 0, "status");
  t.is(version.body.readUInt16LE(18), 3790);
  t.is(version.body.readUInt16LE(24), 0x14c);
  peer.send(data(2, initial, request(0x3146)));
  t.is((await peer.control()).type, 5, "data instead of an acknowledgement: it had ours");
  peer.send(data(2, initial, request(0x3146)));
  t.deepEqual(await peer.control(), { type: 4, id: initial }, "a repeat is acknowledged and not answered");
  peer.send(data(2, initial + 1, continued));
  t.deepEqual(await peer.control(), { type: 4, id: initial + 1 });
  const next = await peer.next(({ kind, type, id }) => kind === "data" && type === 7 && id === initial + 1);
  t.is(next.body.readUInt32LE(0), 0x3031);
  t.is(next.body.toString("latin1", 240), "\\WINDOWS\\system32\\hal.dll\0", "a Continue has no reply");
  peer.send(control(4, initial + 1));
});

test.serial("requests that make no sense are refused, and it works on", async (t) => {
  await using standIn = await startStandIn({ end: "stall", tries: 1000, timeoutMs: 100 });
  const peer = new PacketPeer(standIn.line);
  const { body: stop } = await peer.taken();
  t.is(stop.readUInt32LE(0), 0x3031);
  const ask = (api: number, fields: Readonly<Record<number, number>> = {}, more?: Buffer) =>
    peer.ask(request(api, fields, more));
  const failed = 0xc000_0001;

  t.is(status(await ask(0x31ff)), failed, "an unknown request");
  t.deepEqual(peer.prints.slice(-1), ["kd-probe: request 31ff is not known here\n"], "preceded by a print");
  t.is(status(await ask(0x3133, {}, Buffer.alloc(716))), failed, "SetContext without GetContext");
  const context = await ask(0x3132);
  t.deepEqual([status(context), context.length], [0, 56 + 716]);
  t.is(context.readUInt32LE(56 + 0xb8), stop.readUInt32LE(24), "Eip is the program counter");
  t.is(status(await ask(0x3133, {}, context.subarray(56))), 0);
  t.is(status(await ask(0x3133, {}, Buffer.alloc(100))), failed, "a context cut short");

  const nowhere = await ask(0x3130, { 16: 0x1000, 24: 16 });
  t.deepEqual([status(nowhere), nowhere.readUInt32LE(28), nowhere.length], [failed, 0, 56]);
  const edge = await ask(0x3130, { 16: 0x807f_fff0, 20: -1, 24: 64 });
  t.deepEqual([status(edge), edge.readUInt32LE(28), edge.length], [failed, 16, 72], "as much as there is");
  const all = await ask(0x3130, { 16: 0x8041_0000, 20: -1, 24: 100_000 });
  t.deepEqual([status(all), all.readUInt32LE(28)], [failed, 3944], "at most what a packet holds");
  const signature = await ask(0x313d, { 16: 0x7dfe, 24: 2 });
  t.is(signature.readUInt16LE(56), 0xaa55, "physical memory: the boot sector's end");
  t.is(status(await ask(0x313d, { 16: 0x7c00, 20: 1, 24: 2 })), failed, "beyond 4 GiB");
  const free = { 16: 0x805f_0000, 20: -1, 24: 4 };
  t.is(status(await ask(0x3131, free, Buffer.from("abcd"))), 0);
  t.is((await ask(0x3130, free)).toString("latin1", 56), "abcd");
  t.is(status(await ask(0x3131, { ...free, 24: 8 }, Buffer.from("abcd"))), failed, "less data than it says");

  const breakpoint = await ask(0x3134, { 16: 0x805f_0000, 20: -1 });
  t.deepEqual([status(breakpoint), breakpoint.readUInt32LE(24)], [0, 1]);
  t.is((await ask(0x3130, free))[56], 0xcc);
  t.is(status(await ask(0x3135, { 16: 1 })), 0);
  t.is((await ask(0x3130, free)).toString("latin1", 56), "abcd");
  t.is(status(await ask(0x3135, { 16: 1 })), failed, "nobody's handle");
  t.is(status(await ask(0x3135, { 16: 0 })), failed);
  t.is(status(await ask(0x3134, { 16: 0x10, 20: 0 })), failed, "no memory there");

  t.is((await ask(0x3139, { 16: 0x3fb, 24: 1 })).readUInt32LE(28), 3, "the serial port's line control");
  t.is(status(await ask(0x3139, { 16: 0x3fb, 24: 3 })), failed, "no port of three bytes");
  t.is(status(await ask(0x3156)), failed, "search");
  peer.ask(continued).catch(() => {});
  t.is((await peer.taken()).body.toString("latin1", 240), "\\WINDOWS\\system32\\hal.dll\0");
});

test.serial("a breakpoint in its code stops it there, and stepping over it works", async (t) => {
  await using standIn = await startStandIn({ end: "stall" });
  const { promise: loaded, resolve } = Promise.withResolvers<void>();
  const events: KdEvent[] = [];
  await once(standIn.line, "readable");
  await using host = new KdHost(standIn.line, {
    atStops: "hold",
    onEvent: (event) => {
      events.push(event);
      if (event.kind === "module" && event.path.endsWith("CLASSPNP.SYS")) resolve();
    },
  });
  await loaded;
  // A held kernel stops at its own breakpoint; the instruction behind it, `ret 4`, runs when it goes on.
  let breakpoint = 0n;
  let handle: number | undefined;
  await whileStopped(host, async (kernel) => {
    breakpoint = kernel.change.programCounter + 1n;
    t.is((await kernel.readVirtual(breakpoint - 1n, 4))[0], 0xcc);
    handle ??= await kernel.setBreakpoint(breakpoint);
  });
  let places: bigint[] = [];
  do
    await whileStopped(host, async (kernel) => {
      places = [...places, kernel.change.programCounter];
      if (kernel.change.programCounter === breakpoint) await kernel.clearBreakpoint(handle!);
    });
  while (places.at(-1) !== breakpoint);
  const { change } = await host.breakIn();
  t.like(change, { kind: "exception", code: 0x8000_0003, programCounter: breakpoint - 1n });
});

const survives = test.macro(async (t, seed: number) => {
  await using standIn = await startStandIn(
    { end: "login", timeoutMs: 60, tries: 200 },
    { table: publishedTable },
  );
  await once(standIn.line, "readable");
  const line = spoiled(standIn.line, noise(seed, 2000), noise(-seed, 2000));
  const { promise, resolve } = Promise.withResolvers<void>();
  const events: KdEvent[] = [];
  await using host = new KdHost(line, {
    onEvent: (event) => {
      events.push(event);
      if (event.kind === "module" && event.path.endsWith("framebuf.dll")) resolve();
    },
  });
  await promise;
  const prints = events.flatMap((event) => (event.kind === "print" ? [event.text] : []));
  const modules = events.flatMap((event) => (event.kind === "module" ? [event.path] : []));
  t.is(modules.length, 20);
  t.is(new Set(modules).size, 20);
  t.deepEqual(driverLines(prints.join("").trimEnd().split("\n")).slice(1), [
    ...publishedLines(publishedValues),
  ]);
  t.true(host.summary.damaged > 0);
});
for (const seed of [1, 2])
  test.serial(
    `each print and module of it arrives once over a line that spoils one byte in 2000 (seed ${seed})`,
    survives,
    seed,
  );

/** A line whose bytes are passed on as `inward` and `outward` say. */
function spoiled(line: Duplex, inward: Spoil, outward: Spoil): Duplex {
  const pass = (spoil: Spoil, chunk: Buffer) => Buffer.from(Array.from(chunk, spoil).flat());
  const received = new PassThrough();
  line.on("data", (chunk: Buffer) => received.write(pass(inward, chunk)));
  line.on("end", () => received.end());
  const sent = new PassThrough();
  sent.on("data", (chunk: Buffer) => {
    if (line.writable) line.write(pass(outward, chunk));
  });
  line.on("error", () => {});
  return Duplex.from({ readable: received, writable: sent });
}

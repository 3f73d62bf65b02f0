import { readFile } from "node:fs/promises";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import test from "ava";
import { readDebuggerData, type StoppedKernel } from "#kd";
import { KdLink } from "../../src/kd/link.ts";
import { readVersion } from "../../src/kd/version.ts";
import { edgeCases } from "./edge-cases.ts";
import { ack, data, moduleBody, print, printBody, stopBody } from "./frames.ts";
import { rawKernel, reply, type Frame } from "./raw-kernel.ts";
import { context32, version32, version64 } from "./windows.ts";

const [first, second] = [0x8080_0000, 0x8080_0001];
const sync = 0x8080_0800;
const api = { getVersion: 0x3146, readVirtual: 0x3130, getContext: 0x3132, continue2: 0x313c } as const;
const kinds = (frames: readonly Frame[]) => frames.map(({ kind }) => kind);

test("every row of the table of edge cases has a test of that name", async (t) => {
  t.deepEqual(
    Object.keys(edgeCases).map(Number),
    Array.from({ length: 46 }, (_, index) => index + 1),
  );
  for (const [row, tests] of Object.entries(edgeCases)) {
    for (const [file, title] of tests) {
      const text = await readFile(path.join(import.meta.dirname, `${file}.test.ts`), "utf8");
      t.true(text.includes(title), `row ${row}: ${file} has no test "${title}"`);
    }
  }
});

test("row 2: a line cut after every byte, and at every single byte, tells the same", (t) => {
  const bytes = Buffer.concat([
    Buffer.from("boot\n"),
    data(3, sync, printBody("a\n")),
    data(7, second, moduleBody({ path: "\\b.sys" })),
    ack(first),
    print(first, "c\n"),
  ]);
  const whole = readLine([bytes]);
  t.deepEqual(readLine(Array.from(bytes, (byte) => Buffer.of(byte))), whole);
  for (let at = 1; at < bytes.length; at++)
    t.deepEqual(readLine([bytes.subarray(0, at), bytes.subarray(at)]), whole, `cut at ${at}`);
});

function readLine(pieces: readonly Buffer[]): readonly [seen: string, sent: readonly string[]] {
  const seen: string[] = [];
  const sent: string[] = [];
  const link = new KdLink(
    {
      packet: ({ type, body }) => seen.push(`${type} ${body.toString("latin1")}`),
      text: (text) => seen.push(text.toString("latin1")),
    },
    { write: (frame) => sent.push(frame.toString("hex")), schedule: () => () => {} },
  );
  for (const piece of pieces) link.receive(piece);
  link.flush();
  // Text comes in the pieces of the line; packets come whole.
  return [seen.join("|").replaceAll(/(?<=[bot])\|(?=[oot\n])/g, ""), sent];
}

test("row 22: a break-in while a packet is being acknowledged: the repeat is acknowledged, the stop is served", async (t) => {
  const kernel = rawKernel();
  await using host = kernel.host;
  kernel.send(data(3, sync, printBody("one\n")));
  t.deepEqual(await kernel.frame(), { kind: "ack", id: first });
  kernel.send(print(second, "two\n"));
  const stopped = host.breakIn();
  // The kernel reads the byte in place of the acknowledgement, sends its print again, and stops after it.
  kernel.send(print(second, "two\n"), data(7, first, stopBody()));
  const frames: Frame[] = [];
  while (frames.at(-1)?.kind !== "data") frames.push(await kernel.frame());
  t.deepEqual(kinds(frames).toSorted(), ["ack", "ack", "ack", "byte", "data"]);
  t.deepEqual(
    frames.flatMap((frame) => (frame.kind === "ack" ? [frame.id] : [])),
    [second, second, first],
  );
  const [version] = frames.flatMap((frame) => (frame.kind === "data" ? [frame.body] : []));
  kernel.send(ack(first), reply(second, version!, { union: version32() }));
  const context = await kernel.request();
  t.is(context.readUInt32LE(0), api.getContext);
  kernel.send(reply(first, context, { data: context32(0x8059_ceba, 1) }));
  await stopped;
  t.deepEqual(
    kernel.told("print").map(({ text }) => text),
    ["one\n", "two\n"],
  );
});

test("row 24: nothing but a break-in goes to a kernel that runs", async (t) => {
  const kernel = rawKernel();
  await using host = kernel.host;
  kernel.send(data(7, sync, stopBody({ instructions: "90" })));
  const stopped = host.breakIn();
  const version = await kernel.request();
  kernel.send(reply(second, version, { union: version32() }));
  const guest = await stopped;
  const resumed = host.resume();
  t.is((await kernel.request()).readUInt32LE(0), api.continue2);
  await resumed;
  kernel.rest();
  await t.throwsAsync(guest.readVirtual(0x1000n, 4), { code: "KD_RUNNING" });
  await t.throwsAsync(guest.version(), { code: "KD_RUNNING" });
  kernel.send(print(first, "on\n"));
  await setImmediate();
  t.deepEqual(await kernel.frame(), { kind: "ack", id: first });
  t.deepEqual(kernel.rest(), []);
});

/** A kernel that is held at a stop, its version known; what comes next is said by the test. */
async function held() {
  const kernel = rawKernel();
  const stopped = kernel.host.breakIn();
  kernel.send(data(7, sync, stopBody({ instructions: "90" })));
  const version = await kernel.request();
  kernel.send(reply(second, version, { union: version32() }));
  const guest = await stopped;
  kernel.rest();
  return { ...kernel, guest };
}

test("row 31: a read that fails half-way gives what it got, and is not asked again", async (t) => {
  const kernel = await held();
  await using _ = kernel.host;
  const read = kernel.guest.readVirtual(0xffff_ffff_8040_0ff0n, 64);
  const request = await kernel.request();
  t.is(request.readUInt32LE(24), 64);
  const union = Buffer.from(request.subarray(16, 32));
  union.writeUInt32LE(16, 12);
  kernel.send(reply(first, request, { status: 0xc000_0001, union, data: Buffer.alloc(16, 7) }));
  t.deepEqual(await read, Buffer.alloc(16, 7));
  await setImmediate();
  t.deepEqual(kinds(kernel.rest()), ["ack"]);
});

test("row 32: prints and replies to something else between a request and its reply are taken as what they are", async (t) => {
  const kernel = await held();
  await using _ = kernel.host;
  const read = kernel.guest.readPort(0x3f8, 1);
  const request = await kernel.request();
  const other = Buffer.from(request);
  other.writeUInt32LE(api.getContext, 0);
  const union = Buffer.alloc(16);
  union.writeUInt32LE(0x60, 12);
  kernel.send(print(first, "between\n"), reply(second, other), reply(first, request, { union }));
  t.is(await read, 0x60);
  t.deepEqual(
    kernel.told("print").map(({ text }) => text),
    ["between\n"],
  );
});

test("row 33: a guest that starts anew before it replies fails the request, and is a session of its own", async (t) => {
  const kernel = await held();
  await using host = kernel.host;
  const read = kernel.guest.readVirtual(0x1000n, 4);
  await kernel.request();
  kernel.send(data(3, sync, printBody("again\n")));
  await t.throwsAsync(read, { code: "KD_RESET" });
  t.is(kernel.told("session").length, 2);
  t.is(host.version, undefined);
  t.is(host.state, "running");
});

test("row 39: what a host that stood still finds at once is acknowledged copy by copy and told once", async (t) => {
  const kernel = rawKernel();
  await using _ = kernel.host;
  const copies = Array.from({ length: 19 }, () => data(3, sync, printBody("waited\n")));
  kernel.send(...copies, print(second, "went on\n"), print(second, "went on\n"));
  for (const id of [...copies.map(() => first), second, second])
    t.deepEqual(await kernel.frame(), { kind: "ack", id });
  t.deepEqual(
    kernel.told("print").map(({ text }) => text),
    ["waited\n", "went on\n"],
  );
  t.is(kernel.host.summary.repeats, 19);
});

test("row 43: boot manager, loader and kernel are sessions with versions of their own", async (t) => {
  const kernel = rawKernel();
  await using _ = kernel.host;
  const stage = async (version: Buffer, path: string, wide: boolean) => {
    kernel.send(data(7, sync, moduleBody({ path, wide })));
    const asked = await kernel.request();
    t.is(asked.readUInt32LE(0), api.getVersion);
    kernel.send(reply(second, asked, { union: version }));
    const on = await kernel.request();
    t.is(on.readUInt32LE(0), api.continue2);
    // Dr7 lies at 24 behind 4 bytes of trace flag, with 4 bytes on x86 and 8 on x64.
    t.is(wide ? on.readBigUInt64LE(24) : BigInt(on.readUInt32LE(24)), 0x400n);
  };
  const bootManager = version32();
  bootManager.writeUInt16LE(0x40f, 0);
  await stage(bootManager, "bootmgr.exe", false);
  const loader = version64();
  loader.writeUInt16LE(0x40f, 0);
  await stage(loader, "winload.exe", true);
  await stage(version64(), "ntoskrnl.exe", true);
  t.deepEqual(
    kernel.told("version").map(({ architecture, system }) => `${architecture} ${system}`),
    ["x86 boot", "x64 boot", "x64 kernel"],
  );
  t.is(kernel.told("session").length, 3);
});

test("row 44: addresses of a 32-bit kernel are the same with and without their sign", async (t) => {
  const [plain, signed] = [await readBlock(0n), await readBlock(0xffff_ffff_0000_0000n)];
  t.deepEqual(plain, signed);
  t.is(plain.data?.processList, 0xffff_ffff_8052_0000n);
  t.deepEqual(plain.asked, [0xffff_ffff_8051_0000n, 0xffff_ffff_8054_0000n]);
});

test("row 46: a stop costs one acknowledgement and one Continue, both sent at once", async (t) => {
  const kernel = rawKernel();
  await using _ = kernel.host;
  kernel.send(data(7, sync, moduleBody({ path: "a.sys" })));
  const asked = await kernel.request();
  kernel.send(reply(second, asked, { union: version32() }));
  await kernel.request();
  kernel.rest();
  // From here on the version is known: nothing is left to be asked at a module's stop, and no timer is waited for.
  kernel.send(data(7, first, moduleBody({ path: "b.sys" })));
  for (let turn = 0; turn < 3; turn++) await setImmediate();
  const frames = kernel.rest();
  t.deepEqual(kinds(frames), ["ack", "data"]);
  t.is(frames[1]?.kind === "data" ? frames[1].body.readUInt32LE(0) : 0, api.continue2);
});

test("row 46: reading the processes asks once for each, and nothing else", async (t) => {
  const kernel = rawKernel();
  await using host = kernel.host;
  kernel.send(data(3, sync, printBody("running\n")));
  const names = host.processes();
  kernel.send(data(7, second, stopBody({ instructions: "90" })));
  const answers = new Map<number, Buffer>([
    [0x8051_0000, Buffer.from("00005480", "hex")],
    [0x8052_0000, Buffer.from("00006280", "hex")],
    [0x8054_0000, debuggerBlock()],
    [0x8062_0000, processRecord(0x8062_1000, "System")],
    [0x8062_1000, processRecord(0x8052_0000, "winlogon.exe")],
  ]);
  const requests: number[] = [];
  for (let id = first; ; id = (id ^ 1) >>> 0) {
    const request = await kernel.request();
    requests.push(request.readUInt32LE(0));
    if (request.readUInt32LE(0) === api.continue2) break;
    if (request.readUInt32LE(0) === api.getVersion) {
      kernel.send(reply(id, request, { union: version32() }));
      continue;
    }
    const memory = answers.get(request.readUInt32LE(16))!.subarray(0, request.readUInt32LE(24));
    const union = Buffer.from(request.subarray(16, 32));
    union.writeUInt32LE(memory.length, 12);
    kernel.send(reply(id, request, { union, data: memory }));
  }
  t.deepEqual(await names, ["System", "winlogon.exe"]);
  const { getVersion, readVirtual, continue2 } = api;
  t.deepEqual(requests, [getVersion, ...Array.from({ length: 5 }, () => readVirtual), continue2]);
});

function debuggerBlock(): Buffer {
  const block = Buffer.alloc(0x90);
  block.write("KDBG", 16, "latin1");
  block.writeBigUInt64LE(0xffff_ffff_8052_0000n, 0x50);
  return block;
}

function processRecord(next: number, name: string): Buffer {
  const record = Buffer.alloc(0x300);
  record.writeUInt32LE(next, 0);
  record.write(`${name}\0`, 0xcc, "latin1");
  return record;
}

/** With addresses as 32 bits, or with their sign. */
function debuggerBlockOf(extend: bigint): Buffer {
  const block = Buffer.alloc(0x90);
  block.write("KDBG", 16, "latin1");
  for (const [at, value] of [
    [24, 0x8040_0000n],
    [0x48, 0x8050_0000n],
    [0x50, 0x8052_0000n],
    [0x88, 0x8053_0000n],
  ] as const)
    block.writeBigUInt64LE(value | extend, at);
  return block;
}

async function readBlock(extend: bigint) {
  const asked: bigint[] = [];
  const guest = {
    readVirtual: async (address: bigint, length: number) => {
      asked.push(address);
      if (length === 4) return Buffer.from("00005480", "hex");
      return debuggerBlockOf(extend);
    },
  } as unknown as StoppedKernel;
  return { data: await readDebuggerData(guest, readVersion(version32())), asked };
}

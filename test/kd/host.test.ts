import { once } from "node:events";
import test from "ava";
import { KdHost, readDebuggerData, readProcesses, type KdEvent } from "#kd";
import type { KdHostOptions } from "../../src/kd/host.ts";
import { ack, data, fileCreateBody, moduleBody, print, printBody, promptBody, stopBody } from "./frames.ts";
import { KernelPeer, type KernelPeerOptions } from "./kernel-peer.ts";
import { openLine } from "./line.ts";
import { context32, memory32, version32, version64 } from "./windows.ts";

const breakpoint = 0x8059_ceba;

function boot(options: KdHostOptions = {}, kernelOptions: KernelPeerOptions = {}) {
  const { debuggerEnd, kernelEnd } = openLine();
  const events: KdEvent[] = [];
  let look: (() => void) | undefined;
  const host = new KdHost(debuggerEnd, {
    ...options,
    onEvent: (event) => {
      events.push(event);
      look?.();
    },
  });
  const kernel = new KernelPeer(kernelEnd, { version: version32(), byteMs: 30, ...kernelOptions });
  const until = (condition: () => boolean) =>
    new Promise<void>((resolve) => {
      look = () => condition() && resolve();
      look();
    });
  const told = <K extends KdEvent["kind"]>(kind: K) =>
    events.filter((event): event is Extract<KdEvent, { kind: K }> => event.kind === kind);
  return { host, kernel, events, told, until, debuggerEnd, kernelEnd };
}

const apis = (kernel: KernelPeer) => kernel.requests.map(({ api }) => api.toString(16));

test("prints and modules of a boot are told in order; the version is asked once, every stop continued", async (t) => {
  const { host, kernel, events, told } = boot();
  await using _ = host;
  t.is(host.state, "waiting");
  await kernel.print(printBody("one\n"));
  await kernel.stop(moduleBody({ path: "\\a.sys" }));
  await kernel.print(printBody("two\n"));
  await kernel.stop(moduleBody({ path: "\\b.sys" }));
  await kernel.print(printBody("three\n"));
  t.deepEqual(
    events.map((event) => event.kind),
    ["session", "print", "module", "version", "print", "module", "print"],
  );
  t.like(told("version")[0], { build: 3790, architecture: "x86", checked: true, machine: "0x014c" });
  t.deepEqual(apis(kernel), ["3146", "313c", "313c"]);
  t.is(kernel.requests[1]!.body.readUInt32LE(16), 0x10002);
  t.is(kernel.requests[1]!.body.readUInt32LE(24), 0x400, "Dr7 as it was reported");
  t.is(host.state, "running");
});

test("a prompt and a file are answered, so that the kernel does not wait for ever", async (t) => {
  const { host, kernel, told } = boot();
  await using _ = host;
  const answer = await kernel.prompt(promptBody("Break, Ignore (bi)? ", 2));
  t.is(answer.toString("latin1", 16), "i");
  t.is(answer.readUInt32LE(12), 1);
  const file = await kernel.fileIo(fileCreateBody("\\SystemRoot\\a.sys"));
  t.is(file.readUInt32LE(4), 0xc000_000f);
  t.is(file.length, 64);
  t.like(told("prompt")[0], { text: "Break, Ignore (bi)? " });
  t.like(told("file")[0], { operation: "create", name: "\\SystemRoot\\a.sys" });
});

test("the program counter is set behind an int3, and left alone at a module's", async (t) => {
  const { host, kernel } = boot({}, { context: context32(breakpoint, 0) });
  await using _ = host;
  await kernel.stop(moduleBody({ path: "a.sys" }));
  t.is(kernel.context.readUInt32LE(0xb8), breakpoint);
  await kernel.stop(stopBody({ instructions: "cc9090" }), { forever: true });
  t.is(kernel.context.readUInt32LE(0xb8), breakpoint + 1);
  t.deepEqual(apis(kernel), ["3146", "313c", "3132", "3133", "313c"]);
});

test("an assertion's two bytes are stepped over", async (t) => {
  const { host, kernel } = boot({}, { context: context32(breakpoint, 0) });
  await using _ = host;
  await kernel.stop(stopBody({ code: 0xc000_0420, instructions: "cd2c" }), { forever: true });
  t.is(kernel.context.readUInt32LE(0xb8), breakpoint + 2);
});

const continuesWith = test.macro(async (t, code: number, firstChance: boolean, status: number) => {
  const { host, kernel, told } = boot();
  await using _ = host;
  const continued = await kernel.stop(
    stopBody({ code, firstChance, instructions: "8b00", parameters: [1n, 2n] }),
    {
      forever: true,
    },
  );
  t.is(continued?.readUInt32LE(16), status);
  t.like(told("stop")[0], { firstChance, parameters: ["0x00000001", "0x00000002"] });
});
test("an access violation is left to the kernel", continuesWith, 0xc000_0005, true, 0x8001_0001);
test("so is one at its second chance", continuesWith, 0xc000_0005, false, 0x8001_0001);
test("a single step is handled", continuesWith, 0x8000_0004, true, 0x0001_0002);

test("the processor that stopped is the one asked", async (t) => {
  const { host, kernel } = boot({}, { context: context32(breakpoint, 0) });
  await using _ = host;
  await kernel.stop(stopBody({ processor: 3 }), { forever: true });
  t.true(kernel.requests.every(({ body }) => body.readUInt16LE(6) === 3 && body.readUInt16LE(4) === 6));
});

const crash =
  "\n*** Fatal System Error: 0x0000007b\n                       (0xF870AA04,0xC0000034,0x00000000,0x00000000)\n\n";

test("a bugcheck is told from its print, continued once, and at its second stop all is known", async (t) => {
  const { host, kernel, told } = boot(
    {},
    {
      context: context32(breakpoint, 3),
      memory: memory32([0x7b, 0xf870_aa04, 0xc000_0034, 0, 0]),
    },
  );
  await using _ = host;
  await kernel.print(printBody(crash.slice(0, 30)));
  await kernel.print(printBody(crash.slice(30)));
  await kernel.stop(stopBody(), { forever: true });
  kernel.context.writeUInt32LE(4, 0xb0);
  kernel.context.writeUInt32LE(breakpoint, 0xb8);
  const again = kernel.stop(stopBody(), { forever: true });
  again.catch(() => {});
  const summary = await host.finished;
  t.is(summary.stops, 2);
  t.like(told("bugcheck"), {
    length: 1,
    0: { code: "0x0000007b", status: "STATUS_OBJECT_NAME_NOT_FOUND", source: "print" },
  });
  t.deepEqual(
    told("stop").map((stop) => stop.reason),
    ["bugcheck", "bugcheck-again"],
  );
  t.is(apis(kernel).filter((api) => api === "313c").length, 1);
});

test("a bugcheck without a print is read from the kernel's memory, with its modules and processes", async (t) => {
  const { host, kernel, told, until } = boot(
    { atStops: "hold" },
    { context: context32(breakpoint, 3), memory: memory32([0xed, 0x8123_4567, 0xc000_014f, 0, 0]) },
  );
  await using _ = host;
  const stop = kernel.stop(stopBody(), { forever: true });
  stop.catch(() => {});
  await until(() => told("kernel").length > 0);
  t.is(host.state, "stopped");
  t.like(told("bugcheck")[0], {
    code: "0x000000ed",
    name: "UNMOUNTABLE_BOOT_VOLUME",
    status: "STATUS_UNRECOGNIZED_VOLUME",
    parameters: ["0x81234567", "0xc000014f", "0x00000000", "0x00000000"],
    source: "memory",
  });
  t.deepEqual(told("kernel")[0]!.processes, ["System", "smss.exe", "winlogon.exe"]);
  t.deepEqual(
    told("kernel")[0]!.modules.map(({ name }) => name),
    ["ntoskrnl.exe", "hal.dll"],
  );
});

test("a kernel that stops at one place for ever is given up", async (t) => {
  const { host, kernel, told } = boot({}, { context: context32(0x1234, 0) });
  await using _ = host;
  const stops = (async () => {
    for (;;) await kernel.stop(stopBody({ instructions: "cc90" }), { forever: true });
  })();
  stops.catch(() => {});
  await host.finished;
  t.is(told("lost")[0]?.reason, "stuck");
  t.is(host.summary.stops, 4);
  t.regex(told("misfit")[0]!.message, /program counter/);
  t.false(apis(kernel).includes("3133"));
});

test("an x64 kernel is continued and stepped in its own layout, and its prints have 16 digits", async (t) => {
  const context = Buffer.alloc(1232);
  context.writeBigUInt64LE(0xffff_f800_1000_1234n, 0xf8);
  const { host, kernel, told } = boot({}, { version: version64(), context });
  await using _ = host;
  await kernel.print(
    printBody(
      "*** Fatal System Error: 0x00000050\n (0xFFFFF80010001234,0x0000000000000000,0x0000000000000001,0x0000000000000002)\n",
    ),
  );
  t.deepEqual(told("bugcheck")[0]!.parameters[0], "0xfffff80010001234");
  const stop = stopBody({ wide: true, pc: 0xffff_f800_1000_1234n, instructions: "cc90", dr7: 0x401 });
  const continued = await kernel.stop(stop, { forever: true });
  t.is(continued?.readUInt32LE(0), 0x313c);
  t.is(continued?.readBigUInt64LE(24), 0x401n);
  t.is(kernel.context.readBigUInt64LE(0xf8), 0xffff_f800_1000_1235n);
  t.deepEqual(told("misfit"), []);
});

test("a kernel whose layout does not fit is continued without its debug registers being touched, and it is said", async (t) => {
  const { host, kernel, told } = boot({}, { version: version64() });
  await using _ = host;
  const continued = await kernel.stop(moduleBody({ path: "a.sys" }));
  t.is(continued?.readUInt32LE(0), 0x3136);
  t.regex(told("misfit")[0]!.message, /control report/);
});

test("a stop of a kind that is not known is continued", async (t) => {
  const { host, kernel, told } = boot();
  await using _ = host;
  const continued = await kernel.stop(stopBody({ state: 0x3039 }), { forever: true });
  t.is(continued?.readUInt32LE(0), 0x3136);
  t.like(told("unknown")[0], { type: 7, length: 240 });
});

test("a command string is told and continued", async (t) => {
  const { host, kernel, told } = boot();
  await using _ = host;
  await kernel.stop(stopBody({ state: 0x1_3032, extra: Buffer.from("name\0.echo hi\0") }), { forever: true });
  t.like(told("command")[0], { name: "name", command: ".echo hi" });
});

test("the unload of everything announces a restart; the next kernel is another session with its own version", async (t) => {
  const { host, kernel, told } = boot();
  await using _ = host;
  await kernel.print(printBody("first\n"));
  await kernel.stop(moduleBody({ path: "", base: 0xffff_ffff_ffff_ffffn, unload: true }));
  kernel.restart();
  await kernel.print(printBody("second\n"));
  await kernel.stop(moduleBody({ path: "a.sys" }));
  await kernel.print(printBody("third\n"));
  t.is(told("shutdown").length, 1);
  t.is(told("session").length, 2);
  t.is(told("version").length, 2);
});

test("a request without an answer brings a RESET, after which the same stop is served and told once", async (t) => {
  const { host, kernel, told } = boot({ replyMs: 100 }, { deaf: new Map([[0x3146, 1]]) });
  await using _ = host;
  const continued = await kernel.stop(moduleBody({ path: "a.sys" }));
  t.is(continued?.readUInt32LE(0), 0x313c);
  t.is(told("module").length, 1);
  t.is(told("version").length, 1);
});

test("a stopped kernel that never answers is given up", async (t) => {
  const { host, kernel, told } = boot({ replyMs: 50 }, { deaf: new Map([[0x3146, 100]]) });
  await using _ = host;
  kernel.stop(stopBody(), { forever: true }).catch(() => {});
  await host.finished;
  t.is(told("lost")[0]?.reason, "gave-up");
});

test("a break-in stops a running kernel until it is resumed; its memory, ports and registers are read meanwhile", async (t) => {
  const { host, kernel, kernelEnd } = boot({}, { context: context32(breakpoint, 1), memory: memory32() });
  await using _ = host;
  await kernel.print(printBody("running\n"));
  const stopped = host.breakIn();
  while (!kernel.breakInSeen) {
    if (kernelEnd.readableLength === 0) await new Promise(setImmediate);
    kernel.poll();
  }
  const stop = kernel.stop(stopBody(), { forever: true });
  const guest = await stopped;
  t.is(host.state, "stopped");
  const version = await guest.version();
  const block = await readDebuggerData(guest, version);
  t.deepEqual(await readProcesses(guest, version, block!), ["System", "smss.exe", "winlogon.exe"]);
  t.is((await guest.readPhysical(0xffff_ffff_8061_0000n, 100)).length, 24, "a short read gives its part");
  await t.throwsAsync(guest.readVirtual(0x10n, 4), { code: "KD_REFUSED" });
  await guest.writeVirtual(0x1000n, Buffer.alloc(5000));
  const handle = await guest.setBreakpoint(0x8040_1000n);
  t.is(handle, 7);
  await guest.clearBreakpoint(handle);
  await t.throwsAsync(guest.readMsr(0x10), { code: "KD_REFUSED" });
  const writes = kernel.requests.filter(({ api }) => api === 0x3131);
  t.deepEqual(
    writes.map(({ body }) => [body.readBigUInt64LE(16), body.readUInt32LE(24), body.length - 56]),
    [
      [0x1000n, 3944, 3944],
      [0x1000n + 3944n, 1056, 1056],
    ],
  );
  await host.resume();
  await stop;
  t.is(kernel.context.readUInt32LE(0xb8), breakpoint + 1);
  await t.throwsAsync(guest.version(), { code: "KD_RUNNING" });
  await kernel.print(printBody("on\n"));
});

test("a stop that another debugger left is found again by a break-in's RESET", async (t) => {
  const { debuggerEnd, kernelEnd } = openLine();
  const kernel = new KernelPeer(kernelEnd, { version: version32(), context: context32(breakpoint, 1) });
  const stop = kernel.stop(stopBody(), { forever: true });
  await once(debuggerEnd, "data");
  debuggerEnd.write(ack(0x8080_0000));
  await new Promise(setImmediate);
  debuggerEnd.removeAllListeners("data");
  await using host = new KdHost(debuggerEnd);
  await host.breakIn();
  await host.resume();
  await stop;
  t.is(host.summary.stops, 1);
});

test("an aborted break-in holds nothing", async (t) => {
  const { host } = boot();
  await using _ = host;
  const controller = new AbortController();
  const stopped = host.breakIn({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await t.throwsAsync(stopped, { message: "enough" });
});

test("a stop that nobody asked for twice is continued again", async (t) => {
  const { host, kernel, told } = boot({}, { context: context32(breakpoint, 1) });
  await using _ = host;
  await kernel.stop(stopBody(), { forever: true });
  kernel.context.writeUInt32LE(breakpoint, 0xb8);
  await kernel.stop(stopBody(), { forever: true });
  await kernel.print(printBody("on\n"));
  t.deepEqual(
    told("stop").map((stop) => stop.reason),
    ["break-in", "break-in"],
  );
});

test("not one byte goes to a line on which no kernel has spoken", async (t) => {
  const { host, kernelEnd, told } = boot({ quietMs: 200 });
  await using _ = host;
  const heard: Buffer[] = [];
  kernelEnd.on("data", (chunk: Buffer) => heard.push(chunk));
  kernelEnd.write("SeaBIOS 0000 iiii \x1b[2J at 00000000\r\n>");
  await host.finished;
  t.deepEqual(heard, []);
  t.is(told("lost")[0]?.reason, "never-spoke");
  t.is(host.summary.packets, 0);
  t.is(
    told("text")
      .map(({ text }) => text)
      .join(""),
    "SeaBIOS 0000 iiii \x1b[2J at 00000000\r\n>",
  );
});

test("a kernel that dies is asked once whether it runs, and then lost", async (t) => {
  const { host, kernel, kernelEnd, told } = boot({ quietMs: 200 });
  await using _ = host;
  await kernel.print(printBody("last words\n"));
  const heard: number[] = [];
  kernelEnd.on("data", (chunk: Buffer) => heard.push(...chunk));
  await host.finished;
  t.deepEqual(heard, [0x62]);
  t.is(told("lost")[0]?.reason, "silent");
});

test("a closed line is the end of the session, with what was learnt", async (t) => {
  const { host, kernelEnd, told } = boot();
  kernelEnd.write(
    Buffer.concat([print(0x8080_0800, "one\n"), data(3, 0x8080_0001, printBody("x")).subarray(0, 20)]),
  );
  kernelEnd.end();
  const summary = await host.finished;
  t.like(summary, { prints: 1, damaged: 1 });
  t.is(told("lost")[0]?.reason, "closed");
  t.is(host.state, "over");
  await t.throwsAsync(host.breakIn(), { code: "KD_CLOSED" });
});

test("one whose signal has come closes the line without a word", async (t) => {
  const controller = new AbortController();
  const { host, debuggerEnd, events } = boot({ signal: controller.signal });
  controller.abort();
  await host.finished;
  t.true(debuggerEnd.destroyed);
  t.deepEqual(events, []);
});

test("of stops that follow each other without a pause, only the last is asked about", async (t) => {
  const { host, kernelEnd } = boot({ replyMs: 200 });
  await using _ = host;
  const stops = [0, 1, 2, 3, 4, 5].map((index) =>
    data(7, 0x8080_0000 + (index % 2), moduleBody({ path: `driver${index}.sys` })),
  );
  const heard = new Promise<Buffer>((resolve) => {
    let all = Buffer.alloc(0);
    kernelEnd.on("data", (chunk: Buffer) => {
      all = Buffer.concat([all, chunk]);
      if (all.includes("iiii\u0006")) resolve(all);
    });
  });
  kernelEnd.write(Buffer.concat(stops));
  const requests = (await heard).toString("latin1").split("0000\u0002").length - 1;
  t.is(host.summary.modules, 6);
  // One for the first stop and one for the last, and on a slow machine a repeat of each.
  t.true(requests <= 4, `${requests} requests`);
});

import test from "ava";
import { KdHost, type KdEvent } from "#kd";
import { printBody, stopBody } from "./frames.ts";
import { KernelPeer } from "./kernel-peer.ts";
import { openLine } from "./line.ts";
import { context32, memory32, version32 } from "./windows.ts";

test("a patient host asks a quiet kernel again and again whether it runs, and does not lose it", async (t) => {
  const { debuggerEnd, kernelEnd } = openLine();
  const events: KdEvent[] = [];
  await using host = new KdHost(debuggerEnd, {
    onEvent: (event) => events.push(event),
    quietMs: 100,
    patient: true,
  });
  const kernel = new KernelPeer(kernelEnd, {
    version: version32(),
    context: context32(0x8059_ceba, 1),
    byteMs: 300,
  });
  await kernel.print(printBody("the last word\n"));
  for (let asked = 0; asked < 3; asked++) {
    while (!kernel.breakInSeen) {
      await new Promise(setImmediate);
      kernel.poll();
    }
    kernel.breakInSeen = false;
    kernel.context.writeUInt32LE(0x8059_ceba, 0xb8);
    await kernel.stop(stopBody(), { forever: true });
  }
  t.is(host.state, "running");
  t.is(events.filter(({ kind }) => kind === "stop").length, 3);
  t.false(events.some(({ kind }) => kind === "lost"));
});

test("a second break-in that crosses with the stop brings the stop again, and it is still held", async (t) => {
  const { debuggerEnd, kernelEnd } = openLine();
  await using host = new KdHost(debuggerEnd);
  const kernel = new KernelPeer(kernelEnd, {
    version: version32(),
    context: context32(0x8059_ceba, 1),
    memory: memory32(),
    byteMs: 300,
  });
  await kernel.print(printBody("running\n"));
  const names = host.processes();
  while (!kernel.breakInSeen) {
    await new Promise(setImmediate);
    kernel.poll();
  }
  const stop = kernel.stop(stopBody(), { forever: true });
  // While the kernel waits for its first request to read memory, the other byte arrives.
  while (!kernel.requests.some(({ api }) => api === 0x3132)) await new Promise(setImmediate);
  debuggerEnd.write("b");
  t.deepEqual(await names, ["System", "smss.exe", "winlogon.exe"]);
  t.is((await stop)?.readUInt32LE(0), 0x313c);
  t.is(host.summary.stops, 1);
  t.is(host.state, "running");
});

test("the first packet has a time of its own", async (t) => {
  const { debuggerEnd } = openLine();
  const events: KdEvent[] = [];
  await using host = new KdHost(debuggerEnd, {
    onEvent: (event) => events.push(event),
    quietMs: 3_600_000,
    firstPacketMs: 40,
  });
  await host.finished;
  t.deepEqual(events, [
    { kind: "lost", reason: "never-spoke", message: "the kernel has not sent one packet in 0.04 s" },
  ]);
});

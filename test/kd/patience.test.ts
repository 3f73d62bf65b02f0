import test from "ava";
import { KdHost, type KdEvent } from "#kd";
import { printBody, stopBody } from "./frames.ts";
import { KernelPeer } from "./kernel-peer.ts";
import { openLine } from "./line.ts";
import { context32, version32 } from "./windows.ts";

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

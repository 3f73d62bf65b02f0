import test from "ava";
import { KdHost, type KdEvent } from "#kd";
import { moduleBody, printBody } from "./frames.ts";
import { KernelPeer } from "./kernel-peer.ts";
import { noise, openLine } from "./line.ts";
import { version32 } from "./windows.ts";

const survives = test.macro(async (t, seed: number) => {
  const { debuggerEnd, kernelEnd } = openLine(noise(seed, 2000));
  const events: KdEvent[] = [];
  await using host = new KdHost(debuggerEnd, { onEvent: (event) => events.push(event), quietMs: 10_000 });
  const kernel = new KernelPeer(kernelEnd, { version: version32(), byteMs: 5 });
  const prints: string[] = [];
  const modules: string[] = [];
  for (let i = 0; i < 200; i++) {
    prints.push(`line ${i} of a driver that has a lot to tell, at 80${i}00000000\n`);
    await kernel.print(printBody(prints.at(-1)!));
    if (i % 5 > 0) continue;
    modules.push(`\\SystemRoot\\System32\\Drivers\\driver${i}.sys`);
    await kernel.stop(moduleBody({ path: modules.at(-1)! }));
  }
  t.deepEqual(kernel.log, []);
  t.deepEqual(
    events.flatMap((event) => (event.kind === "print" ? [event.text] : [])),
    prints,
  );
  t.deepEqual(
    events.flatMap((event) => (event.kind === "module" ? [event.path] : [])),
    modules,
  );
  t.true(host.summary.damaged > 0);
});
for (const seed of [1, 2, 3])
  test(
    `each print and module arrives once though one byte in 2000 is damaged, lost or doubled (seed ${seed})`,
    survives,
    seed,
  );

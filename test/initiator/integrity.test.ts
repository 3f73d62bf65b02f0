import { MemoryDevice } from "#block";
import { SeededRandom } from "#core";
import { Session, type ScsiDisk } from "#initiator";
import { Target } from "#target";
import type { OperationalValues } from "ts-iscsi-pdu";
import test from "ava";
import { Relay, type RelayFaults } from "./peers/relay.ts";

const iqn = "iqn.2001-04.com.example:integrity";
const initiator = "iqn.2001-04.com.example:initiator";
const size = 4 * 1024 * 1024;
const slots = 64;
const slotSize = size / slots;
const operations = Number(process.env["SANLAB_SOAK_OPERATIONS"] ?? 2_000);

/** Each slot has one worker, so no two writes overlap; each read is compared with what was written there last. */
async function mixed(disk: ScsiDisk, seed: number, count: number): Promise<string[]> {
  const wrong: string[] = [];
  await Promise.all(
    Array.from({ length: slots }, async (_, slot) => {
      const random = new SeededRandom(seed * 1000 + slot);
      const model = Buffer.alloc(slotSize);
      for (let i = 0; i < count / slots; i++) {
        const blocks = 1 + random.below(16);
        const at = random.below(slotSize / 512 - blocks) * 512;
        const length = blocks * 512;
        if (random.below(2) === 0) {
          const bytes = Buffer.alloc(length, random.uint32() & 0xff);
          bytes.writeUInt32LE(i, 0);
          await disk.write(slot * slotSize + at, bytes);
          model.set(bytes, at);
        } else {
          const back = Buffer.alloc(length);
          await disk.read(slot * slotSize + at, back);
          if (!back.equals(model.subarray(at, at + length))) wrong.push(`slot ${slot}, operation ${i}`);
        }
      }
    }),
  );
  return wrong;
}

const cases: readonly {
  title: string;
  faults?: Omit<RelayFaults, "random">;
  keys?: Partial<OperationalValues>;
  keepaliveMs?: number;
  connections?: number;
}[] = [
  { title: "an undisturbed connection" },
  { title: "connections that are cut", faults: { kind: "cut", everyBytes: 400_000 } },
  {
    title: "connections that fall silent",
    faults: { kind: "stall", everyBytes: 1_000_000 },
    keepaliveMs: 100,
  },
  {
    title: "bytes that are turned over, both digests on",
    faults: { kind: "corrupt", everyBytes: 400_000 },
    keys: { HeaderDigest: "CRC32C", DataDigest: "CRC32C" },
  },
  { title: "three undisturbed connections of one session", connections: 3 },
  {
    title: "cuts with R2Ts only",
    faults: { kind: "cut", everyBytes: 400_000 },
    keys: { InitialR2T: true, ImmediateData: false, MaxBurstLength: 2048, FirstBurstLength: 512 },
  },
];

/** A long run's own: now and then a write waits for its time-out here, so a short run says nothing by itself. */
const soakCases: typeof cases = [
  {
    title: "three connections that are cut",
    faults: { kind: "cut", everyBytes: 400_000 },
    connections: 3,
  },
];

const chosen = process.env["SANLAB_SOAK_OPERATIONS"] === undefined ? cases : [...cases, ...soakCases];
for (const [index, { title, faults, keys, keepaliveMs, connections }] of chosen.entries()) {
  test(`random reads and writes lose and corrupt nothing over ${title}`, async (t) => {
    const seed = 42 + index;
    await using target = await Target.listen({
      iqn,
      luns: [{ lun: 0, device: new MemoryDevice(size) }],
      keys: { DefaultTime2Wait: 0 },
    });
    const random = new SeededRandom(seed);
    await using relay = await Relay.start(target.address.port, faults && { random, ...faults });
    const events = new Map<string, number>();
    await using session = await Session.login({
      host: "127.0.0.1",
      port: relay.port,
      target: iqn,
      initiator,
      recovery: { attempts: 50, firstDelayMs: 5, longestDelayMs: 100 },
      report: (kind) => void events.set(kind, (events.get(kind) ?? 0) + 1),
      ...(keys && { keys }),
      ...(connections !== undefined && { connections }),
      ...(keepaliveMs !== undefined && { keepaliveMs }),
    });
    t.is(session.connectionCount, connections ?? 1);
    const disk = await session.disk(0);
    t.deepEqual(await mixed(disk, seed, operations), []);
    t.log(
      `${operations} operations, seed ${seed}: ${JSON.stringify(relay.counts)} ${JSON.stringify(Object.fromEntries(events))}`,
    );
    t.is(relay.counts.mishaps > 0, faults !== undefined);
    t.is((events.get("recovered") ?? 0) > 0, faults !== undefined);
  });
}

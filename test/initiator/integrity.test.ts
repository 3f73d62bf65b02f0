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

const digests = { HeaderDigest: "CRC32C", DataDigest: "CRC32C" } as const;

interface Case {
  readonly title: string;
  readonly faults?: Omit<RelayFaults, "random">;
  readonly keys?: Partial<OperationalValues>;
  readonly keepaliveMs?: number;
  readonly connections?: number;
  /** Events that must come, and those that may come once for ten mishaps at most. */
  readonly expected?: readonly string[];
  readonly rare?: readonly string[];
}

const cases: readonly Case[] = [
  { title: "an undisturbed connection" },
  {
    title: "connections that are cut",
    faults: { kind: "cut", everyBytes: 400_000 },
    expected: ["recovered"],
  },
  {
    title: "connections that fall silent",
    faults: { kind: "stall", everyBytes: 1_000_000 },
    keepaliveMs: 100,
    expected: ["recovered"],
  },
  {
    title: "bytes that are turned over, both digests on",
    faults: { kind: "corrupt", everyBytes: 400_000 },
    keys: digests,
    expected: ["recovered"],
  },
  { title: "three undisturbed connections of one session", connections: 3 },
  {
    title: "cuts with R2Ts only",
    faults: { kind: "cut", everyBytes: 400_000 },
    keys: { InitialR2T: true, ImmediateData: false, MaxBurstLength: 2048, FirstBurstLength: 512 },
    expected: ["recovered"],
  },
  ...[1, 3].flatMap((connections): readonly Case[] => [
    {
      title: `bytes that are turned over at recovery level 1, ${connections} connections`,
      faults: { kind: "corrupt", everyBytes: 200_000 },
      keys: { ErrorRecoveryLevel: 1, ...digests },
      connections,
      expected: ["snack", "reject"],
      rare: ["connection-lost"],
    },
    {
      title: `R2Ts and bytes that are turned over at recovery level 1, ${connections} connections`,
      faults: { kind: "corrupt", everyBytes: 200_000 },
      keys: {
        ErrorRecoveryLevel: 1,
        InitialR2T: true,
        ImmediateData: false,
        MaxBurstLength: 2048,
        FirstBurstLength: 512,
        MaxRecvDataSegmentLength: 1024,
        ...digests,
      },
      connections,
      expected: ["snack", "reject"],
      rare: ["connection-lost"],
    },
    {
      title: `cuts at recovery level 2, ${connections} connections`,
      faults: { kind: "cut", everyBytes: 400_000 },
      keys: { ErrorRecoveryLevel: 2 },
      connections,
      expected: ["connection-recovered"],
      rare: ["session-lost"],
    },
  ]),
];

/** A long run's own: everything at once, at each level. */
const soakCases: readonly Case[] = [0, 1, 2].flatMap((ErrorRecoveryLevel) =>
  [1, 3].map((connections) => ({
    title: `cuts, silence and bytes turned over at recovery level ${ErrorRecoveryLevel}, ${connections} connections`,
    faults: { kind: ["cut", "stall", "corrupt", "corrupt"], everyBytes: 1_500_000 },
    keys: { ErrorRecoveryLevel, ...digests },
    connections,
    keepaliveMs: 200,
    expected: ["connection-lost"],
  })),
);

const chosen = process.env["SANLAB_SOAK_OPERATIONS"] === undefined ? cases : [...soakCases, ...cases];
const seed0 = Number(process.env["SANLAB_SEED"] ?? 42);
for (const [index, each] of chosen.entries()) {
  const { title, faults, keys, keepaliveMs, connections, expected = [], rare = [] } = each;
  test(`random reads and writes lose and corrupt nothing over ${title}`, async (t) => {
    const seed = seed0 + index;
    await using target = await Target.listen({
      iqn,
      luns: [{ lun: 0, device: new MemoryDevice(size) }],
      keys: { DefaultTime2Wait: 0, ErrorRecoveryLevel: keys?.ErrorRecoveryLevel ?? 0 },
    });
    const random = new SeededRandom(seed);
    await using relay = await Relay.start(target.address.port, faults && { random, ...faults });
    const events = new Map<string, number>();
    const count = (kind: string) => events.get(kind) ?? 0;
    await using session = await Session.login({
      host: "127.0.0.1",
      port: relay.port,
      target: iqn,
      initiator,
      recovery: { attempts: 50, firstDelayMs: 5, longestDelayMs: 100 },
      report: (kind) => void events.set(kind, count(kind) + 1),
      ...(keys && { keys }),
      ...(connections !== undefined && { connections }),
      ...(keepaliveMs !== undefined && { keepaliveMs }),
    });
    t.is(session.connectionCount, connections ?? 1);
    t.is(session.values.ErrorRecoveryLevel, keys?.ErrorRecoveryLevel ?? 0);
    const disk = await session.disk(0);
    const start = performance.now();
    t.deepEqual(await mixed(disk, seed, operations), []);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    t.log(
      `${operations} operations, seed ${seed}, ${seconds} s: ${JSON.stringify(relay.counts)} ${JSON.stringify(Object.fromEntries(events))}`,
    );
    t.is(relay.counts.mishaps > 0, faults !== undefined);
    for (const kind of expected) t.true(count(kind) > 0, kind);
    for (const kind of rare) t.true(count(kind) <= relay.counts.mishaps / 10, kind);
    if (faults === undefined) t.is(count("connection-lost"), 0);
  });
}

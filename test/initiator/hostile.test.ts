import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MemoryDevice } from "#block";
import { SanlabError, SeededRandom, withTimeout } from "#core";
import { Session } from "#initiator";
import { encodeCdb } from "#scsi";
import { Target } from "#target";
import { ProtocolError } from "ts-iscsi-pdu";
import test from "ava";
import { HostileTarget } from "./peers/hostile.ts";

const iqn = "iqn.2001-04.com.example:hostile";
const initiator = "iqn.2001-04.com.example:initiator";
const wanted = Number(process.env["SANLAB_SOAK_PDUS"] ?? 3_000);
const guard = 64;
const samples = 8;
/** Sessions at a time: most of the time is spent on waiting for what the target keeps to itself. */
const sessions = wanted > 10_000 ? 24 : 8;

for (const level of [0, 1, 2] as const) {
  test(`a hostile target at recovery level ${level} neither crashes, hangs, floods nor oversteps the buffers`, async (t) => {
    const seed = Number(process.env["SANLAB_SEED"] ?? 7) + level;
    const random = new SeededRandom(seed);
    await using target = await Target.listen({
      iqn,
      luns: [{ lun: 0, device: new MemoryDevice(1024 * 1024) }],
      keys: { DefaultTime2Wait: 0, ErrorRecoveryLevel: level },
    });
    await using hostile = await HostileTarget.start(target.address.port, random, 0.08);
    const codes = new Map<string, number>();
    const note = (error: unknown) => {
      const known = error instanceof SanlabError || error instanceof ProtocolError;
      if (!known)
        t.fail(`an error without a code: ${String(error)} ${error instanceof Error ? error.stack : ""}`);
      const code = known ? error.code : "";
      codes.set(code, (codes.get(code) ?? 0) + 1);
    };
    const before = liveBytes();
    const live: number[] = [];
    const workFor = async () => {
      const session = await withTimeout("a login", 10_000, () =>
        Session.login({
          host: "127.0.0.1",
          port: hostile.port,
          target: iqn,
          initiator,
          recovery: { attempts: level === 2 ? 2 : 0, firstDelayMs: 1, longestDelayMs: 5 },
          keepaliveMs: 100,
          commandTimeoutMs: 400,
          loginTimeoutMs: 500,
          // What the target keeps for a session that does not come back is its memory, in this process.
          keys: { ErrorRecoveryLevel: level, DefaultTime2Retain: 1 },
        }),
      ).catch(note);
      if (session === undefined) return;
      await withTimeout("the work of a session", 60_000, async () => {
        await Promise.all(Array.from({ length: 24 }, (_, i) => work(session, i, random, note, t.fail)));
        await session.logout().catch(note);
      });
      if (hostile.pdus >= ((live.length + 1) * wanted) / samples) live.push(liveBytes() - before);
    };
    await Promise.all(
      Array.from({ length: sessions }, async () => {
        while (hostile.pdus < wanted) await workFor();
      }),
    );
    const grown = Math.max(...live);
    t.log(
      `seed ${seed}: ${hostile.pdus} PDUs, ${hostile.mutated} turned over, MiB more alive: ${live.map((bytes) => Math.round(bytes / 2 ** 20)).join(" ")}; ${JSON.stringify(Object.fromEntries(codes))}`,
    );
    t.true(hostile.mutated > 50);
    t.true((codes.get("PROTOCOL_ERROR") ?? 0) > 0);
    t.true(grown < 256 * 1024 * 1024, `${grown} bytes more than before`);
  });
}

setFlagsFromString("--expose-gc");
const collectGarbage: unknown = runInNewContext("gc");

/** What is still in use once the garbage is gone. */
function liveBytes(): number {
  if (typeof collectGarbage === "function") collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function work(
  session: Session,
  index: number,
  random: SeededRandom,
  note: (error: unknown) => void,
  fail: (message: string) => void,
): Promise<void> {
  const length = 512 * (1 + random.below(32));
  const area = Buffer.alloc(guard + length + guard, 0xa5);
  const buffer = area.subarray(guard, guard + length);
  const blocks = length / 512;
  const controller = new AbortController();
  if (index % 8 === 7) setImmediate(() => controller.abort(new SanlabError("ENOUGH", "enough")));
  const signal = controller.signal;
  const access = { lba: random.below(1000), blocks };
  try {
    if (index % 3 === 0)
      await session.execute({ lun: 0, cdb: encodeCdb("write10", access), write: buffer, signal });
    else if (index % 11 === 5) await session.ping({ data: buffer });
    else await session.execute({ lun: 0, cdb: encodeCdb("read10", access), readInto: buffer, signal });
  } catch (error) {
    note(error);
  }
  const edges = [...area.subarray(0, guard), ...area.subarray(guard + length)];
  if (edges.some((byte) => byte !== 0xa5)) fail("bytes beside the caller's buffer were written");
}

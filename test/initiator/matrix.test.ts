import { MemoryDevice } from "#block";
import { Session, type ChapOptions } from "#initiator";
import { Target } from "#target";
import type { OperationalValues } from "ts-iscsi-pdu";
import test, { type ExecutionContext } from "ava";
import { Capture } from "./peers/capture.ts";
import { Istgt, istgtTarget } from "./peers/istgt.ts";
import { Tgtd, tgtdTarget } from "./peers/tgtd.ts";
import { pattern } from "./write-and-read.ts";

/*
 * Every way to talk with every target in reach: digests × InitialR2T × ImmediateData × burst sizes, without CHAP, with
 * it one way and both ways, at each recovery level that the target has. tshark reads all conversations back.
 */

const initiator = "iqn.2001-04.com.example:matrix";
const digests = ["None", "CRC32C"] as const;
const bursts = [
  { MaxBurstLength: 512, FirstBurstLength: 512, MaxRecvDataSegmentLength: 512 },
  { MaxBurstLength: 16_384, FirstBurstLength: 4096, MaxRecvDataSegmentLength: 8192 },
  { MaxBurstLength: 262_144, FirstBurstLength: 65_536, MaxRecvDataSegmentLength: 262_144 },
] as const;
type Keys = Partial<OperationalValues>;

/** All combinations of what `allowed` has of these. */
function combinations(allowed: (keys: Keys) => boolean): readonly Keys[] {
  return digests
    .flatMap((HeaderDigest) => digests.map((DataDigest) => ({ HeaderDigest, DataDigest })))
    .flatMap((keys) => [true, false].map((InitialR2T) => ({ ...keys, InitialR2T })))
    .flatMap((keys) => [true, false].map((ImmediateData) => ({ ...keys, ImmediateData })))
    .flatMap((keys) => bursts.map((burst) => ({ ...keys, ...burst })))
    .filter(allowed);
}

const user = "alice";
const secret = "correct horse battery";
const mutual = { user: "bob", secret: "staple of another" };
const ways: readonly { name: string; chap?: ChapOptions }[] = [
  { name: "without CHAP" },
  { name: "CHAP one way", chap: { user, secret, algorithms: ["MD5"] } },
  { name: "CHAP both ways", chap: { user, secret, mutual, algorithms: ["MD5"] } },
];

interface Place {
  readonly port: number;
  readonly target: string;
  readonly lun: number;
}

/** Has a conversation in each way of `list`, and has tshark read them all. */
async function converse(
  t: ExecutionContext,
  { port, target, lun }: Place,
  list: readonly Keys[],
  chap: ChapOptions | undefined,
): Promise<void> {
  const capture = new Capture();
  for (const [index, keys] of list.entries()) {
    const what = JSON.stringify(keys);
    await using session = await Session.login({
      host: "127.0.0.1",
      port,
      target,
      initiator,
      keys,
      recovery: { attempts: 0 },
      trace: capture.trace,
      ...(chap && { chap }),
    });
    const { MaxRecvDataSegmentLength: _, ...agreed } = keys;
    t.like(session.values, agreed, what);
    const disk = await session.disk(lun);
    const bytes = pattern(70_144, index);
    await Promise.all(
      [0, 512, 4608].map(async (start, at, starts) => {
        await disk.write(start, bytes.subarray(start, starts[at + 1] ?? bytes.length));
      }),
    );
    const back = Buffer.alloc(bytes.length);
    await disk.read(0, back);
    t.true(back.equals(bytes), what);
    t.is((await session.logout())?.response, 0, what);
  }
  const { complaints, frames } = await capture.judge();
  t.is(complaints, "");
  t.true(frames > 20 * list.length, `${frames} frames`);
  t.log(`${list.length} conversations, ${frames} frames`);
}

for (const { name, chap } of ways) {
  test(`tgtd, ${name}: every combination of keys`, async (t) => {
    await using peer = await Tgtd.start({
      parameters: {
        HeaderDigest: "CRC32C,None",
        DataDigest: "CRC32C,None",
        InitialR2T: "No",
        ImmediateData: "Yes",
        MaxBurstLength: 262_144,
        FirstBurstLength: 65_536,
      },
      ...(chap && { user: { name: user, secret } }),
      ...(chap?.mutual && { outgoing: { name: mutual.user, secret: mutual.secret } }),
    });
    await converse(
      t,
      { port: peer.port, target: tgtdTarget, lun: 1 },
      combinations(() => true),
      chap,
    );
  });

  test(`istgt, ${name}: every combination of keys that it takes`, async (t) => {
    await using peer = await Istgt.start(chap === undefined ? {} : { chap });
    // It refuses InitialR2T=No and knows no burst below its own sector size.
    const list = combinations((keys) => keys.InitialR2T === true && keys.MaxBurstLength !== 512);
    await converse(t, { port: peer.port, target: istgtTarget, lun: 0 }, list, chap);
  });

  for (const ErrorRecoveryLevel of [0, 1, 2]) {
    test(`sanlab's target, ${name}, recovery level ${ErrorRecoveryLevel}: every combination of keys`, async (t) => {
      const iqn = "iqn.2001-04.com.example:matrix.disk";
      await using target = await Target.listen({
        iqn,
        luns: [{ lun: 0, device: new MemoryDevice(1024 * 1024) }],
        keys: { ErrorRecoveryLevel, InitialR2T: false },
        ...(chap && {
          auth: { users: { [user]: secret }, ...(chap.mutual && { mutual }) },
        }),
      });
      const list = combinations(() => true).map((keys) => ({ ...keys, ErrorRecoveryLevel }));
      await converse(t, { port: target.address.port, target: iqn, lun: 0 }, list, chap);
    });
  }
}

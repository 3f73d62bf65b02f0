import { SeededRandom } from "#core";
import { discover, Session, type SessionOptions } from "#initiator";
import type { OperationalValues } from "ts-iscsi-pdu";
import test, { type ExecutionContext } from "ava";
import { Capture } from "./peers/capture.ts";
import { Istgt, istgtTarget } from "./peers/istgt.ts";
import { Tgtd, tgtdTarget } from "./peers/tgtd.ts";

const initiator = "iqn.2001-04.com.example:initiator";
const both = "CRC32C" as const;

/** Writes, reads back and pings through one session, and lets tshark judge the conversation. */
async function converse(
  t: ExecutionContext,
  options: Omit<SessionOptions, "initiator">,
  lun: number,
  connections = 1,
): Promise<Session> {
  const capture = new Capture();
  await using session = await Session.login({
    initiator,
    recovery: { attempts: 0 },
    trace: capture.trace,
    ...options,
  });
  t.is(session.connectionCount, connections);
  const disk = await session.disk(lun);
  const random = new SeededRandom(11);
  const sizes = [512, 4096, 8192, 65_536, 300_032, 1_048_576];
  let offset = 0;
  const model = Buffer.alloc(sizes.reduce((sum, size) => sum + size, 0));
  for (let at = 0; at < model.length; at += 4) model.writeUInt32LE(random.uint32(), at);
  await Promise.all(
    sizes.map((size) => {
      const start = offset;
      offset += size;
      return disk.write(start, model.subarray(start, start + size));
    }),
  );
  await disk.flush();
  const back = Buffer.alloc(model.length);
  await disk.read(0, back);
  t.true(back.equals(model), "what was written comes back");
  await session.ping({ data: Buffer.from("are you there?") });
  const { response } = (await session.logout()) ?? { response: -1 };
  t.is(response, 0);
  const { complaints, frames } = await capture.judge();
  t.is(complaints, "");
  t.true(frames > 20);
  return session;
}

const combinations: readonly {
  title: string;
  keys: Partial<OperationalValues>;
  tgtd?: Readonly<Record<string, string | number>>;
}[] = [
  { title: "the defaults", keys: {} },
  {
    title: "both digests",
    keys: { HeaderDigest: both, DataDigest: both },
    tgtd: { HeaderDigest: both, DataDigest: both },
  },
  {
    title: "header digest only",
    keys: { HeaderDigest: both, DataDigest: "None" },
    tgtd: { HeaderDigest: both },
  },
  {
    title: "no R2T for the first burst",
    keys: { InitialR2T: false, FirstBurstLength: 65_536 },
    tgtd: { InitialR2T: "No", FirstBurstLength: 65_536 },
  },
  { title: "no immediate data", keys: { ImmediateData: false, InitialR2T: true } },
  {
    title: "neither immediate data nor R2T",
    keys: { ImmediateData: false, InitialR2T: false },
    tgtd: { InitialR2T: "No", ImmediateData: "No" },
  },
  {
    title: "the smallest bursts",
    keys: { MaxBurstLength: 512, FirstBurstLength: 512, MaxRecvDataSegmentLength: 512 },
  },
  {
    title: "several R2Ts at once",
    keys: { MaxOutstandingR2T: 16, MaxBurstLength: 16_384 },
    tgtd: { MaxOutstandingR2T: 16 },
  },
  {
    title: "large segments both ways",
    keys: { MaxRecvDataSegmentLength: 1_048_576 },
    tgtd: { MaxRecvDataSegmentLength: 262_144 },
  },
];

for (const { title, keys, tgtd } of combinations) {
  test(`tgtd, ${title}`, async (t) => {
    await using peer = await Tgtd.start(tgtd === undefined ? {} : { parameters: tgtd });
    const session = await converse(t, { host: "127.0.0.1", port: peer.port, target: tgtdTarget, keys }, 1);
    if (keys.HeaderDigest === both) t.is(session.values.HeaderDigest, both);
    if (tgtd?.["InitialR2T"] === "No") t.false(session.values.InitialR2T);
  });

  // istgt refuses InitialR2T=No and knows no burst below its own sector size.
  if (keys.InitialR2T === false || keys.MaxBurstLength === 512) continue;
  test(`istgt, ${title}`, async (t) => {
    await using peer = await Istgt.start({
      digest: keys.HeaderDigest === undefined ? "Auto" : keys.DataDigest === both ? "Header Data" : "Header",
    });
    const wishes = { InitialR2T: true, ...keys };
    const session = await converse(
      t,
      { host: "127.0.0.1", port: peer.port, target: istgtTarget, keys: wishes },
      0,
    );
    if (keys.HeaderDigest === both) t.is(session.values.HeaderDigest, both);
  });
}

const user = "alice";
const secret = "correct horse battery";
const mutual = { user: "bob", secret: "staple of another" };

test("tgtd, CHAP one way falls back to an algorithm that tgtd reads as everybody does", async (t) => {
  await using peer = await Tgtd.start({ user: { name: user, secret } });
  const events: string[] = [];
  const session = await converse(
    t,
    {
      host: "127.0.0.1",
      port: peer.port,
      target: tgtdTarget,
      chap: { user, secret },
      report: (kind) => events.push(kind),
    },
    1,
  );
  t.is(session.chapAlgorithm, "MD5");
  t.true(events.includes("chap-retry"));
});

test("tgtd, CHAP both ways", async (t) => {
  await using peer = await Tgtd.start({
    user: { name: user, secret },
    outgoing: { name: mutual.user, secret: mutual.secret },
  });
  const session = await converse(
    t,
    {
      host: "127.0.0.1",
      port: peer.port,
      target: tgtdTarget,
      chap: { user, secret, mutual, algorithms: ["MD5"] },
    },
    1,
  );
  t.is(session.chapAlgorithm, "MD5");
});

test("istgt, CHAP both ways", async (t) => {
  await using peer = await Istgt.start({
    chap: { user, secret, mutual },
  });
  const session = await converse(
    t,
    {
      host: "127.0.0.1",
      port: peer.port,
      target: istgtTarget,
      chap: { user, secret, mutual },
      keys: { InitialR2T: true },
    },
    0,
  );
  t.is(session.chapAlgorithm, "MD5");
});

const refusals: readonly { title: string; options: Partial<SessionOptions>; code: string }[] = [
  {
    title: "a wrong secret",
    options: { chap: { user, secret: "wrong horse battery" } },
    code: "AUTHENTICATION_FAILED|LOGIN_REFUSED",
  },
  {
    title: "a wrong user",
    options: { chap: { user: "mallory", secret } },
    code: "AUTHENTICATION_FAILED|LOGIN_REFUSED",
  },
  {
    title: "no credentials",
    options: {},
    code: "AUTHENTICATION_FAILED|AUTHENTICATION_REQUIRED|LOGIN_REFUSED",
  },
  {
    title: "a target that proves itself wrongly",
    options: {
      chap: { user, secret, mutual: { ...mutual, secret: "quite another one" }, algorithms: ["MD5"] },
    },
    code: "CHAP_FAILED",
  },
  {
    title: "a target that is not there",
    options: { target: "iqn.2001-04.com.example:nowhere" },
    code: "TARGET_NOT_FOUND",
  },
];

for (const { title, options, code } of refusals) {
  test(`tgtd, ${title}: one line that names portal and cure and no secret`, async (t) => {
    await using peer = await Tgtd.start({
      user: { name: user, secret },
      outgoing: { name: mutual.user, secret: mutual.secret },
    });
    const error = await t.throwsAsync(
      Session.login({ host: "127.0.0.1", port: peer.port, target: tgtdTarget, initiator, ...options }),
    );
    t.regex((error as Error & { code: string }).code, new RegExp(`^(?:${code})$`), error.message);
    t.true(error.message.includes(`127.0.0.1:${peer.port}`), error.message);
    t.notRegex(error.message, /horse|staple|another\b.*one|\n/);
  });
}

test("istgt, three connections in one session", async (t) => {
  await using peer = await Istgt.start();
  const session = await converse(
    t,
    { host: "127.0.0.1", port: peer.port, target: istgtTarget, connections: 3, keys: { InitialR2T: true } },
    0,
    3,
  );
  t.is(session.values.MaxConnections, 3);
});

test("tgtd and istgt are discovered with their portals", async (t) => {
  await using first = await Tgtd.start();
  await using second = await Istgt.start();
  const capture = new Capture();
  for (const [port, name] of [
    [first.port, tgtdTarget],
    [second.port, istgtTarget],
  ] as const) {
    const targets = await discover({ host: "127.0.0.1", port, initiator, trace: capture.trace });
    t.deepEqual(
      targets.map((target) => target.name),
      [name],
    );
    t.like(targets[0]?.portals[0], { host: "127.0.0.1", port, tag: 1 });
  }
  t.is((await capture.judge()).complaints, "");
});

test("tgtd pings, and is answered", async (t) => {
  await using peer = await Tgtd.start();
  const capture = new Capture();
  await using session = await Session.login({
    host: "127.0.0.1",
    port: peer.port,
    target: tgtdTarget,
    initiator,
    keepaliveMs: 50,
    trace: capture.trace,
  });
  for (let i = 0; i < 5; i++) t.true((await session.ping()) >= 0);
  t.deepEqual(await session.reportLuns(), [0, 1]);
  await session.logout();
  t.is((await capture.judge()).complaints, "");
});

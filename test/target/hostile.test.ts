import test from "ava";
import { MemoryDevice } from "#block";
import { SeededRandom } from "#core";
import { cdbSpecs, encodeCdb, type CdbName } from "#scsi";
import { Target } from "#target";
import { Encoder, Opcode, RESERVED_TAG, opcodeName, type PduInit } from "ts-iscsi-pdu";
import { client as run, iqn, url } from "./clients.ts";
import { RawClient, identity } from "./raw-client.ts";

const commands = Object.keys(cdbSpecs);

/** All but the one that rightly ends every session: TARGET COLD RESET. */
const functions = [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 99];

const pdus = Number(process.env["SANLAB_SOAK_PDUS"] ?? 10_000);
const firstSeed = Number(process.env["SANLAB_SEED"] ?? 1);
const perWave = 25;
const waves = 40;
const ping = 0x7fff_0000;

/** What is sent how often, of a hundred. */
const weights: readonly (readonly [share: number, opcode: number])[] = [
  [50, Opcode.ScsiCommand],
  [18, Opcode.DataOut],
  [10, Opcode.TmfRequest],
  [10, Opcode.Snack],
  [7, Opcode.NopOut],
  [4, Opcode.TextRequest],
  [1, Opcode.LogoutRequest],
];

function pickOpcode(random: SeededRandom): number {
  let left = random.below(100);
  return weights.find(([share]) => (left -= share) < 0)?.[1] ?? Opcode.ScsiCommand;
}

/** A PDU that an initiator could send, and now and then a few of its bits and bytes changed. */
function mutated(random: SeededRandom, encoder: Encoder, cmdSn: number): Uint8Array {
  const opcode = pickOpcode(random);
  const holds = opcode !== Opcode.TmfRequest && opcode !== Opcode.Snack && opcode !== Opcode.LogoutRequest;
  const data = holds && random.below(3) === 0 ? random.bytes(random.below(600)) : undefined;
  const cdb = encodeCdb(random.pick(commands) as CdbName, {});
  for (let i = random.below(6); i > 0; i--) cdb[1 + random.below(cdb.length - 1)] = random.below(256);
  const write = data !== undefined || random.below(2) === 0;
  const init = {
    opcode,
    itt: random.below(40),
    cmdSn,
    expStatSn: random.below(100),
    lun: random.below(3),
    immediate: random.below(4) === 0,
    cdb,
    edtl: (data?.length ?? 0) + random.below(4096),
    read: random.below(3) === 0,
    write,
    function: random.pick(functions),
    reason: random.below(4),
    type: random.below(4),
    ttt: random.pick([RESERVED_TAG, RESERVED_TAG, random.below(40), random.below(40)]),
    cid: random.below(3),
    begRun: random.below(4),
    runLength: random.below(4),
    referencedTaskTag: random.below(40),
    expDataSn: random.below(3),
    bidirectionalReadLength: random.below(8) === 0 ? random.below(4096) : undefined,
    dataSn: random.below(3),
    bufferOffset: random.below(4) * 512,
    final: !write || random.below(4) > 0,
  };
  const bytes = Buffer.concat(encoder.encode(init as PduInit, data));
  if (random.below(5) === 0)
    for (let i = 1 + random.below(3); i > 0; i--) bytes[8 + random.below(40)] = random.below(256);
  return bytes;
}

/** Numbers of the commands that the target expects next, told by the answer to a ping; undefined when it has hung up. */
async function expected(client: RawClient): Promise<number | undefined> {
  client.send({
    opcode: Opcode.NopOut,
    immediate: true,
    itt: ping,
    lun: 0,
    cmdSn: 0,
    expStatSn: client.expStatSn,
  });
  for (;;) {
    const received = await client.next();
    if (received === undefined) return undefined;
    if (received.pdu.opcode === Opcode.NopIn && received.pdu.itt === ping) return received.pdu.expCmdSn;
  }
}

/** Levels of recovery and digests by turns: with digests most that is changed is noticed, and recovered from. */
const variants = [0, 1, 2].flatMap((level) =>
  ["None", "CRC32C"].map((digest) => ({
    ErrorRecoveryLevel: String(level),
    HeaderDigest: digest,
    DataDigest: digest,
  })),
);

test("mutated requests end no other session, at no level of recovery, and leave nothing behind", async (t) => {
  t.timeout(120_000 + pdus * 10);
  await using device = new MemoryDevice(1024 * 1024);
  const acts = new Map<string, number>();
  await using target = await Target.listen({
    iqn,
    luns: [{ lun: 1, device }],
    keys: { ErrorRecoveryLevel: 2, DefaultTime2Wait: 0, DefaultTime2Retain: 0 },
    limits: { dataOutTimeout: 20 },
    report: (kind) => acts.set(kind, (acts.get(kind) ?? 0) + 1),
  });
  using witness = await RawClient.connect(target.address);
  await witness.login(identity);
  const seen = new Set<string | undefined>();
  const before = process.memoryUsage().rss;
  let sent = 0;
  for (let session = 0; sent < pdus; session++) {
    const random = new SeededRandom(firstSeed * 1_000_003 + session);
    const keys = variants[session % variants.length]!;
    const digests = { headerDigest: keys.HeaderDigest !== "None", dataDigest: keys.DataDigest !== "None" };
    const encoder = new Encoder(digests);
    using hostile = await RawClient.connect(target.address);
    hostile.isid = Buffer.from([0x80, 0, 0, 2 + (session >> 16), session >> 8, session & 0xff]);
    const { status } = await hostile.login({
      ...identity,
      InitialR2T: "No",
      DefaultTime2Wait: "0",
      DefaultTime2Retain: "0",
      ...keys,
    });
    t.is(status, 0, `session ${session}`);
    hostile.useDigests(digests);
    let cmdSn: number | undefined = 1;
    for (let wave = 0; wave < waves && cmdSn !== undefined && sent < pdus; wave++) {
      for (let i = 0; i < perWave; i++) {
        const pdu = mutated(random, encoder, cmdSn);
        seen.add(opcodeName(pdu[0]! & 0x3f));
        if ((pdu[0]! & 0x40) === 0) cmdSn += 1;
        hostile.socket.write(pdu);
        sent += 1;
      }
      cmdSn = await expected(hostile);
    }
    // Last, a length that is not true: nothing behind it would be understood.
    const last = mutated(random, encoder, 1);
    last[4 + random.below(4)] = random.below(256);
    hostile.socket.write(last);
    if (random.below(3) === 0) hostile.socket.resetAndDestroy();
    else hostile.socket.end();
    await hostile.closed();
  }
  t.true(seen.has("ScsiCommand") && seen.has("Snack"));
  witness.send({ opcode: Opcode.NopOut, immediate: true, itt: 1, lun: 0, cmdSn: 1, expStatSn: 0 });
  t.is((await witness.next())?.pdu.opcode, Opcode.NopIn);
  t.regex((await run("iscsi-inq", [url(target.address)])).stdout, /SANLAB|UNIT_ATTENTION|RESERVATION/);
  t.true(target.sessions.length <= 2, "the witness, and at most the last one on its way out");
  const grown = process.memoryUsage().rss - before;
  t.is(acts.get("device-error"), undefined, "no device fails here");
  t.log([...acts].map(([kind, count]) => `${kind} ${count}`).join(", "));
  t.log(`${pdus} PDUs, ${Math.round(grown / 1024 / 1024)} MiB more memory`);
  t.true(grown < 512 * 1024 * 1024);
});

test("noise instead of a login is refused, whatever it is", async (t) => {
  await using target = await Target.listen({ iqn, luns: [] });
  for (let seed = 1; seed <= 100; seed++) {
    using noise = await RawClient.connect(target.address);
    noise.socket.write(new SeededRandom(seed).bytes(4096));
    noise.socket.end();
    await noise.closed();
  }
  t.deepEqual(target.sessions, []);
});

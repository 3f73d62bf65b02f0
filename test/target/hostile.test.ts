import test from "ava";
import { MemoryDevice } from "#block";
import { SeededRandom } from "#core";
import { cdbSpecs, encodeCdb, type CdbName } from "#scsi";
import { Target } from "#target";
import { Encoder, Opcode, RESERVED_TAG, opcodeName, type PduInit } from "ts-iscsi-pdu";
import { client as run, iqn, url } from "./clients.ts";
import { RawClient, identity } from "./raw-client.ts";

const commands = Object.keys(cdbSpecs);
const opcodes = [0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x10];

/** All but the one that rightly ends every session: TARGET COLD RESET. */
const functions = [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 99];

const pdus = Number(process.env["SANLAB_SOAK_PDUS"] ?? 10_000);
const firstSeed = Number(process.env["SANLAB_SEED"] ?? 1);
const perSession = 250;

/** A PDU that an initiator could send, then a few of its bits and bytes changed. */
function mutated(random: SeededRandom, encoder: Encoder, cmdSn: number): Uint8Array {
  const opcode = random.pick(opcodes);
  const data = random.below(3) === 0 ? random.bytes(random.below(600)) : undefined;
  const cdb = encodeCdb(random.pick(commands) as CdbName, {});
  for (let i = random.below(6); i > 0; i--) cdb[1 + random.below(cdb.length - 1)] = random.below(256);
  const common = {
    opcode,
    itt: random.below(40),
    cmdSn,
    expStatSn: random.below(100),
    lun: random.below(3),
    immediate: random.below(4) === 0,
  };
  const init = {
    ...common,
    cdb,
    edtl: random.below(4096),
    read: random.below(2) === 0,
    write: random.below(2) === 0,
    function: random.pick(functions),
    reason: random.below(4),
    type: random.below(4),
    ttt: random.pick([RESERVED_TAG, RESERVED_TAG, random.below(8), random.below(8)]),
    cid: random.below(3),
    begRun: random.below(4),
    runLength: random.below(4),
    referencedTaskTag: random.below(40),
    expDataSn: random.below(3),
    bidirectionalReadLength: random.below(8) === 0 ? random.below(4096) : undefined,
    dataSn: random.below(3),
    bufferOffset: random.below(2048),
    final: random.below(4) > 0,
  };
  const bytes = Buffer.concat(encoder.encode(init as PduInit, data));
  // The length fields stay right most of the time, or nothing behind the first PDU would be looked at.
  for (let i = random.below(3); i > 0; i--) bytes[8 + random.below(40)] = random.below(256);
  if (random.below(200) === 0) bytes[4 + random.below(4)] = random.below(256);
  return bytes;
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
  await using target = await Target.listen({
    iqn,
    luns: [{ lun: 1, device }],
    keys: { ErrorRecoveryLevel: 2, DefaultTime2Wait: 0, DefaultTime2Retain: 0 },
    limits: { dataOutTimeout: 20 },
  });
  using witness = await RawClient.connect(target.address);
  await witness.login(identity);
  const seen = new Set<string | undefined>();
  const before = process.memoryUsage().rss;
  for (let session = 0; session < pdus / perSession; session++) {
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
    for (let i = 0, cmdSn = 1; i < perSession; i++) {
      const pdu = mutated(random, encoder, cmdSn);
      seen.add(opcodeName(pdu[0]! & 0x3f));
      if ((pdu[0]! & 0x40) === 0) cmdSn += 1;
      hostile.socket.write(pdu);
    }
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

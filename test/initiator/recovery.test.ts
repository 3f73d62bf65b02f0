import { MemoryDevice } from "#block";
import { Session, type SessionOptions } from "#initiator";
import { Target } from "#target";
import { Opcode, RESERVED_TAG, SnackType, TmfFunction, type AnyPdu } from "ts-iscsi-pdu";
import test from "ava";
import { PduRelay, type Fate, type Judge, type Passing } from "./peers/pdu-relay.ts";
import { writeAndRead } from "./write-and-read.ts";

const iqn = "iqn.2001-04.com.example:recovery";
const initiator = "iqn.2001-04.com.example:initiator";
const length = 64 * 1024;
const digests = { HeaderDigest: "CRC32C", DataDigest: "CRC32C" } as const;

const listen = (level: number) =>
  Target.listen({
    iqn,
    luns: [{ lun: 0, device: new MemoryDevice(1024 * 1024) }],
    keys: { DefaultTime2Wait: 0, ErrorRecoveryLevel: level, MaxConnections: 4 },
  });

function loginTo(port: number, level: number, options: Partial<SessionOptions> = {}): Promise<Session> {
  return Session.login({
    host: "127.0.0.1",
    port,
    target: iqn,
    initiator,
    recovery: { attempts: 20, firstDelayMs: 5, longestDelayMs: 50 },
    ...options,
    keys: {
      ErrorRecoveryLevel: level,
      MaxRecvDataSegmentLength: 8192,
      MaxBurstLength: 16_384,
      FirstBurstLength: 4096,
      ...options.keys,
    },
  });
}

/** Gives `fate` to the first PDU that `which` picks, and lets everything else pass. */
function once(which: (passing: Passing) => boolean, fate: Fate, seen: { count: number }): Judge {
  return (passing) => {
    if (seen.count > 0 || !which(passing)) return "pass";
    seen.count++;
    return fate;
  };
}

const isData = (pdu: AnyPdu, dataSn: number) => pdu.opcode === Opcode.DataIn && pdu.dataSn === dataSn;
const isWrite = (pdu: AnyPdu) => pdu.opcode === Opcode.ScsiCommand && pdu.write;

const losses: readonly { title: string; which: (passing: Passing) => boolean; fate: Fate; event: string }[] =
  [
    {
      title: "the data of a Data-In",
      which: ({ pdu }) => isData(pdu, 3),
      fate: "damage data",
      event: "snack",
    },
    {
      title: "the header of a Data-In",
      which: ({ pdu }) => isData(pdu, 3),
      fate: "damage header",
      event: "snack",
    },
    {
      title: "the header of the last Data-In, with the status",
      which: ({ pdu }) => pdu.opcode === Opcode.DataIn && pdu.hasStatus && pdu.dataSn > 3,
      fate: "damage header",
      event: "snack",
    },
    {
      title: "the data of the last Data-In, with the status",
      which: ({ pdu }) => pdu.opcode === Opcode.DataIn && pdu.hasStatus && pdu.dataSn > 3,
      fate: "damage data",
      event: "snack",
    },
    { title: "an R2T", which: ({ pdu }) => pdu.opcode === Opcode.R2t, fate: "damage header", event: "snack" },
    {
      title: "the status of a write",
      which: ({ pdu }) => pdu.opcode === Opcode.ScsiResponse && pdu.expDataSn > 0,
      fate: "damage header",
      event: "snack",
    },
    {
      title: "a command's header",
      which: ({ pdu }) => pdu.opcode === Opcode.ScsiCommand && pdu.read && pdu.edtl === length,
      fate: "damage header",
      event: "retry",
    },
    {
      title: "a command's immediate data",
      which: ({ pdu }) => isWrite(pdu),
      fate: "damage data",
      event: "reject",
    },
    {
      title: "the data of a Data-Out",
      which: ({ pdu }) => pdu.opcode === Opcode.DataOut && pdu.ttt !== RESERVED_TAG,
      fate: "damage data",
      event: "reject",
    },
  ];

for (const { title, which, fate, event } of losses) {
  test(`recovery level 1: ${title} is lost, and comes again`, async (t) => {
    await using target = await listen(1);
    const seen = { count: 0 };
    await using relay = await PduRelay.start(target.address.port, once(which, fate, seen));
    const events = new Set<string>();
    await using session = await loginTo(relay.port, 1, {
      keys: digests,
      report: (kind) => void events.add(kind),
    });
    await writeAndRead(t, session, length);
    t.is(seen.count, 1);
    t.true(events.has(event), [...events].join(" "));
    t.false(events.has("connection-lost"));
  });
}

test("recovery level 1: what the target wants acknowledged is acknowledged, when nothing before it is missing", async (t) => {
  await using target = await listen(1);
  const wanted: number[] = [];
  const acknowledged: number[] = [];
  let damaged = false;
  await using relay = await PduRelay.start(target.address.port, ({ pdu }) => {
    if (pdu.opcode === Opcode.DataIn && pdu.acknowledge) wanted.push(pdu.dataSn + 1);
    if (pdu.opcode === Opcode.Snack && pdu.type === SnackType.DataAck) acknowledged.push(pdu.begRun);
    if (!isData(pdu, 2) || damaged) return "pass";
    damaged = true;
    return "damage data";
  });
  await using session = await loginTo(relay.port, 1, { keys: digests });
  await (await session.disk(0)).read(0, Buffer.alloc(length));
  await session.ping();
  // The A bits of 3 and 5 come while 2 is missing; the last of them is answered when all is there.
  t.deepEqual(wanted, [2, 4, 6]);
  t.deepEqual(acknowledged, [2, 8]);
});

test("recovery level 1: a read whose only Data-In vanishes is asked for once, and what comes twice harms nothing", async (t) => {
  await using target = await listen(1);
  const snacks: number[] = [];
  let dropped = false;
  await using relay = await PduRelay.start(target.address.port, ({ pdu }) => {
    if (pdu.opcode === Opcode.Snack) snacks.push(pdu.type);
    if (pdu.opcode !== Opcode.DataIn || pdu.dataLength !== length || dropped) return "pass";
    dropped = true;
    return "drop";
  });
  const events: string[] = [];
  await using session = await loginTo(relay.port, 1, {
    keys: { MaxRecvDataSegmentLength: 262_144, MaxBurstLength: 262_144 },
    keepaliveMs: 2000,
    report: (kind) => void events.push(kind),
  });
  const disk = await session.disk(0);
  await disk.read(0, Buffer.alloc(length));
  await session.ping();
  t.deepEqual(snacks, [SnackType.Status]);
  t.false(events.includes("connection-lost"));
});

test("recovery level 1: a SNACK that is lost is sent again", async (t) => {
  await using target = await listen(1);
  let snacks = 0;
  const judge: Judge = ({ pdu, from }) => {
    if (from === "target" && isData(pdu, 3) && snacks === 0) return "damage data";
    return pdu.opcode === Opcode.Snack && snacks++ === 0 ? "damage header" : "pass";
  };
  await using relay = await PduRelay.start(target.address.port, judge);
  await using session = await loginTo(relay.port, 1, { keys: digests });
  await (await session.disk(0)).read(0, Buffer.alloc(length));
  t.true(snacks > 1);
});

for (const lost of ["the ping", "the answer to the ping"]) {
  test(`recovery level 1: a command is lost, and ${lost} that looks for it: it comes again all the same`, async (t) => {
    await using target = await listen(1);
    const answer = lost !== "the ping";
    let commands = 0;
    let pings = 0;
    const judge: Judge = ({ pdu }) => {
      if (pdu.opcode === Opcode.ScsiCommand && pdu.edtl === length)
        return commands++ === 0 ? "damage header" : "pass";
      if (pdu.opcode !== (answer ? Opcode.NopIn : Opcode.NopOut) || pdu.itt === RESERVED_TAG) return "pass";
      return pings++ === 0 ? "damage header" : "pass";
    };
    await using relay = await PduRelay.start(target.address.port, judge);
    const events = new Set<string>();
    await using session = await loginTo(relay.port, 1, {
      keys: digests,
      report: (kind) => void events.add(kind),
    });
    await (await session.disk(0)).read(0, Buffer.alloc(length));
    t.true(pings > 1);
    t.true(events.has("retry"), [...events].join(" "));
    t.false(events.has("connection-lost"));
  });
}

test("recovery level 1: a run of commands that is lost comes again one behind the other, not one a look", async (t) => {
  await using target = await listen(1);
  const lost = new Set<number>();
  const judge: Judge = ({ pdu, from }) => {
    if (from === "target" || pdu.opcode !== Opcode.ScsiCommand || pdu.edtl !== length) return "pass";
    if (lost.has(pdu.cmdSn)) return "pass";
    lost.add(pdu.cmdSn);
    return "damage header";
  };
  await using relay = await PduRelay.start(target.address.port, judge);
  let retries = 0;
  await using session = await loginTo(relay.port, 1, {
    keys: digests,
    commandTimeoutMs: 4000,
    report: (kind) => {
      if (kind === "retry") retries++;
      else t.not(kind, "connection-lost");
    },
  });
  const disk = await session.disk(0);
  await Promise.all(Array.from({ length: 32 }, () => disk.read(0, Buffer.alloc(length))));
  t.is(lost.size, 32);
  t.is(retries, 32);
});

interface Reassignment {
  readonly title: string;
  readonly cutAt: (passing: Passing) => boolean;
  /** ExpDataSN of the TASK REASSIGN; undefined where the command is sent again instead. */
  readonly expDataSn: number | undefined;
}

const cuts: readonly Reassignment[] = [
  { title: "in the middle of a read", cutAt: ({ pdu }) => isData(pdu, 3), expDataSn: 3 },
  {
    title: "before the status of a read",
    cutAt: ({ pdu }) => pdu.opcode === Opcode.DataIn && pdu.hasStatus && pdu.dataSn > 3,
    expDataSn: 7,
  },
  {
    title: "before a write's second R2T",
    cutAt: ({ pdu }) => pdu.opcode === Opcode.R2t && pdu.r2tSn === 1,
    expDataSn: 1,
  },
  {
    title: "before a write's status",
    cutAt: ({ pdu }) => pdu.opcode === Opcode.ScsiResponse && pdu.expDataSn > 0,
    expDataSn: 4,
  },
  { title: "before the command arrives", cutAt: ({ pdu }) => isWrite(pdu), expDataSn: undefined },
];

for (const connections of [1, 3]) {
  for (const { title, cutAt, expDataSn } of cuts) {
    test(`recovery level 2, ${connections} connections: a cut ${title} is healed by another connection`, async (t) => {
      await using target = await listen(2);
      const seen = { count: 0 };
      const cut = once(cutAt, "cut", seen);
      const reassigned: { readonly head: string; readonly expDataSn: number }[] = [];
      const logouts: number[] = [];
      const commands: string[] = [];
      await using relay = await PduRelay.start(target.address.port, (passing) => {
        const { pdu } = passing;
        if (pdu.opcode === Opcode.TmfRequest)
          reassigned.push({
            head: Buffer.from(pdu.headerBytes.subarray(0, 2)).toString("hex"),
            expDataSn: pdu.expDataSn,
          });
        if (pdu.opcode === Opcode.LogoutRequest && seen.count === 1) logouts.push(pdu.reason);
        if (isWrite(pdu)) commands.push(Buffer.from(pdu.headerBytes.subarray(0, 28)).toString("hex"));
        return cut(passing);
      });
      const events: string[] = [];
      const session = await loginTo(relay.port, 2, { connections, report: (kind) => void events.push(kind) });
      const { tsih } = session;
      await writeAndRead(t, session, length);
      t.is(seen.count, 1);
      // Immediate, opcode 2; F and function 8 (RFC 7143 §11.5).
      t.deepEqual(reassigned, expDataSn === undefined ? [] : [{ head: "4288", expDataSn }]);
      if (expDataSn === undefined) t.deepEqual([commands.length, commands[1]], [2, commands[0]]);
      t.deepEqual([session.tsih, session.connectionCount], [tsih, connections]);
      t.false(events.includes("session-lost"));
      // Reason 2 over another connection; a single one is logged out by the login that takes its place.
      t.deepEqual(logouts, connections === 1 ? [] : [2]);
      await session.logout();
    });
  }
}

test("recovery level 2: a target that does not reassign gets a new session", async (t) => {
  await using target = await listen(2);
  const seen = { count: 0 };
  const cut = once(({ pdu }) => isData(pdu, 3), "cut", seen);
  await using relay = await PduRelay.start(target.address.port, (passing) => {
    const { pdu } = passing;
    // A function that nobody knows: the target answers that it does not support it.
    if (pdu.opcode === Opcode.TmfRequest) pdu.bytes[pdu.offset + 1] = 0x80 | 14;
    return cut(passing);
  });
  const events: string[] = [];
  await using session = await loginTo(relay.port, 2, { report: (kind) => void events.push(kind) });
  await (await session.disk(0)).read(0, Buffer.alloc(length));
  t.deepEqual(
    events.filter((kind) => kind.includes("recovered") || kind.includes("lost")),
    ["connection-lost", "connection-recovered", "session-lost", "recovered"],
  );
});

test("recovery level 2: a task that the target has forgotten is sent as a new one", async (t) => {
  await using target = await listen(2);
  const seen = { count: 0 };
  const cut = once(({ pdu }) => isData(pdu, 3), "cut", seen);
  await using relay = await PduRelay.start(target.address.port, (passing) => {
    const { pdu } = passing;
    if (pdu.opcode === Opcode.TmfRequest && pdu.function === TmfFunction.TaskReassign)
      Buffer.from(pdu.bytes.buffer, pdu.bytes.byteOffset).writeUInt32BE(0x7fff_0000, pdu.offset + 20);
    return cut(passing);
  });
  const events: string[] = [];
  await using session = await loginTo(relay.port, 2, { report: (kind) => void events.push(kind) });
  await (await session.disk(0)).read(0, Buffer.alloc(length));
  t.true(events.includes("connection-recovered"));
  t.false(events.includes("session-lost"));
});

test("a connection that joins while the session is made anew does not take its commands along", async (t) => {
  await using target = await listen(0);
  const joining = Promise.withResolvers<void>();
  const letJoin = Promise.withResolvers<void>();
  const renewing = Promise.withResolvers<void>();
  const letRenew = Promise.withResolvers<void>();
  let cutThird = false;
  // 0 and 1 are the session; 2 and 3 the session made anew; 3 is held in its login until 2 is lost and 4 on its way.
  await using relay = await PduRelay.start(target.address.port, async ({ pdu, from, connection }) => {
    if (pdu.opcode === Opcode.ScsiCommand && connection < 2) return "cut";
    if (connection === 2 && pdu.opcode === Opcode.NopOut && cutThird) return "cut";
    if (connection === 3 && pdu.opcode === Opcode.LoginResponse && pdu.nsg === 3) {
      joining.resolve();
      await letJoin.promise;
    }
    if (connection === 3 && from === "initiator" && pdu.opcode !== Opcode.LoginRequest) return "cut";
    if (connection === 4 && from === "initiator" && pdu.opcode === Opcode.LoginRequest) {
      renewing.resolve();
      await letRenew.promise;
    }
    return "pass";
  });
  await using session = await loginTo(relay.port, 0, { connections: 2, commandTimeoutMs: 4000 });
  const first = session.unit(0).testUnitReady();
  await joining.promise;
  await first;
  cutThird = true;
  await t.throwsAsync(session.ping());
  const write = session.unit(0).testUnitReady();
  await renewing.promise;
  letJoin.resolve();
  await relay.closed(3);
  letRenew.resolve();
  await t.notThrowsAsync(write);
});

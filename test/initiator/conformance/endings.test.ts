import { RejectReason, TmfFunction } from "ts-iscsi-pdu";
import test from "ava";
import {
  cmdSn,
  dataIn,
  expStatSn,
  flags,
  header,
  itt,
  logoutResponse,
  none,
  op,
  pong,
  reject,
  response,
  tmfResponse,
} from "../peers/raw-pdu.ts";
import { ScriptedTarget, type RawPdu } from "../peers/scripted.ts";
import { blocks, comesBack, isCommand, loginTo, run } from "./login-to.ts";

/* RFC 7143 §7, §11.14, §11.15 and §11.17: logout, refusals, repetition and what ends a connection. */

const logins = (target: ScriptedTarget) => target.received.filter(({ bhs }) => bhs[0] === op.login);

test("a logout closes the session: reason 0, I, and nothing behind it", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) => reply(response(target, pdu)));
  const session = await loginTo(target);
  await session.execute(run);
  t.deepEqual(await session.logout(), { response: 0, time2Wait: 0, time2Retain: 0 });
  await target.closed();
  const logout = await target.seen(op.logout);
  t.is(flags(logout), 0x80);
  t.is(logout.bhs.readUInt16BE(20), 0, "CID");
  t.is(expStatSn(logout), target.statSn() - 1);
  t.is(target.received.at(-1), logout);
  await t.throwsAsync(session.execute(run), { code: "SESSION_CLOSED" });
});

for (const [code, words] of [
  [1, "CID not found"],
  [2, "recovery not supported"],
  [3, "cleanup failed"],
] as const) {
  test(`a logout that is answered with ${code} (${words}) is an error, and the session is closed all the same`, async (t) => {
    await using target = await ScriptedTarget.start({}, () => undefined, {
      logout: (pdu, reply) => reply(logoutResponse(target, pdu, code)),
    });
    const session = await loginTo(target);
    await t.throwsAsync(session.logout(), { code: "LOGOUT_REFUSED" });
    await target.closed();
  });
}

const three = { connections: 3, keys: { MaxConnections: 3 } } as const;

test("a session of three connections is logged out when the target has read what went before on the others", async (t) => {
  let answered = 0;
  await using target = await ScriptedTarget.start(
    {},
    (pdu, reply) =>
      setImmediate(() => {
        answered++;
        reply(pong(target, pdu));
      }),
    {
      logout: (pdu, reply) => {
        t.is(answered, 2);
        reply(logoutResponse(target, pdu));
      },
    },
  );
  const session = await loginTo(target, three);
  await session.logout();
  t.deepEqual(
    target.received.slice(-3).map(({ bhs, connection }) => [bhs[0], connection]),
    [
      [op.nopOut, 1],
      [op.nopOut, 2],
      [op.logout, 0],
    ],
  );
});

test("a session of three connections that is logged out leaves their end to the target", async (t) => {
  const gone: number[] = [];
  const goneByThen: number[][] = [];
  const over = Promise.withResolvers<void>();
  const closeOneByOne = async () => {
    for (const connection of [0, 1, 2]) {
      goneByThen.push([...gone]);
      target.end(connection);
      await target.closed(connection);
      await new Promise(setImmediate);
    }
    over.resolve();
  };
  await using target = await ScriptedTarget.start({}, (pdu, reply) => reply(pong(target, pdu)), {
    logout: (pdu, reply) => {
      reply(logoutResponse(target, pdu));
      void closeOneByOne();
    },
  });
  const session = await loginTo(target, three);
  for (const connection of [0, 1, 2]) void target.closed(connection).then(() => gone.push(connection));
  await session.logout();
  await over.promise;
  t.deepEqual(goneByThen, [[], [0], [0, 1]]);
  await t.throwsAsync(session.execute(run), { code: "SESSION_CLOSED" });
});

test("a session of three connections logs out once, for all of them", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) =>
    reply(isCommand(pdu) ? response(target, pdu) : pong(target, pdu)),
  );
  const session = await loginTo(target, three);
  t.is(session.connectionCount, 3);
  await Promise.all(Array.from({ length: 9 }, async () => await session.execute(run)));
  await session.logout();
  await Promise.all([0, 1, 2].map(async (connection) => await target.closed(connection)));
  t.is(target.received.filter(({ bhs }) => bhs[0] === op.logout).length, 1);
  const commands = target.received.filter(isCommand);
  t.deepEqual(new Set(commands.map(({ connection }) => connection)), new Set([0, 1, 2]));
  t.deepEqual(
    commands.map((pdu) => cmdSn(pdu)).toSorted((a, b) => a - b),
    commands.map((_, index) => cmdSn(commands[0]!) + index),
    "one CmdSN for all connections",
  );
});

for (const [name, reason] of [
  ["CommandNotSupported", RejectReason.CommandNotSupported],
  ["ProtocolError", RejectReason.ProtocolError],
] as const) {
  test(`a command that is rejected (${name}) fails with the reason, and the session goes on`, async (t) => {
    await using target = await ScriptedTarget.start({}, (pdu, reply) => {
      if (target.received.filter(isCommand).length === 1) reply(...reject(target, pdu, reason));
      else reply(response(target, pdu));
    });
    await using session = await loginTo(target);
    await t.throwsAsync(session.execute(run), { code: "REJECTED" });
    t.is((await session.execute(run)).status, 0);
  });
}

test("an immediate request that the target has no room for is sent again", async (t) => {
  let refused = false;
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    if (refused) return reply(tmfResponse(target, pdu));
    refused = true;
    reply(...reject(target, pdu, RejectReason.ImmediateCommandReject));
  });
  await using session = await loginTo(target);
  t.is((await session.manage({ function: TmfFunction.LogicalUnitReset, lun: 0 })).response, 0);
});

test("a Reject for something that is over harms nothing", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    reply(response(target, pdu));
    reply(...reject(target, pdu, RejectReason.ProtocolError));
  });
  await using session = await loginTo(target);
  t.is((await session.execute(run)).status, 0);
  t.is((await session.execute(run)).status, 0);
});

test("recovery level 1: a command that never arrived is sent again as it was, on its connection", async (t) => {
  await using target = await ScriptedTarget.start({ ErrorRecoveryLevel: "1" }, (pdu, reply) => {
    // The first command is lost; ExpCmdSN in the answer to the ping tells so.
    if (pdu.bhs[0] === op.nopOut) {
      const answer = pong(target, pdu);
      answer.writeUInt32BE(cmdSn(target.received.find(isCommand)!), 28);
      reply(answer);
    } else if (target.received.filter(isCommand).length > 1) {
      if (!answered.has(itt(pdu))) reply(response(target, pdu));
      answered.add(itt(pdu));
    }
  });
  const answered = new Set<number>();
  await using session = await loginTo(target, { keys: { ErrorRecoveryLevel: 1 } });
  t.is((await session.execute({ ...run, cdb: Buffer.from("120000002400", "hex") })).status, 0);
  const [first, again] = target.received.filter(isCommand);
  t.deepEqual(again?.bhs.subarray(0, 28), first?.bhs.subarray(0, 28), "flags, LUN, tag, CmdSN");
  t.deepEqual(again?.bhs.subarray(32), first?.bhs.subarray(32), "CDB");
  t.is(again?.connection, first?.connection);
});

test("recovery level 0: a connection that breaks is reinstated with the same ISID and TSIH 0, and reads come again under new numbers", async (t) => {
  await using target = await ScriptedTarget.start({ DefaultTime2Wait: "0" }, (pdu, reply) => {
    if (pdu.connection === 0) target.drop();
    else reply(dataIn(target, pdu, 0, 0, 0x81), Buffer.alloc(512, 7));
  });
  await using session = await loginTo(target, { recovery: comesBack, keys: { DefaultTime2Wait: 0 } });
  const readInto = Buffer.alloc(512);
  t.is((await session.execute({ lun: 0, cdb: blocks(1), readInto })).read, 512);
  const all = logins(target);
  t.is(new Set(all.map(({ bhs }) => bhs.subarray(8, 14).toString("hex"))).size, 1, "ISID");
  t.true(
    all.every(({ bhs }) => bhs.readUInt16BE(14) === 0),
    "TSIH",
  );
  const [, again] = target.received.filter(isCommand);
  t.is(cmdSn(again!), cmdSn(all.at(-1)!), "the numbering is that of the new login");
});

test("what may have been executed and must not be twice is not repeated", async (t) => {
  await using target = await ScriptedTarget.start({ DefaultTime2Wait: "0" }, (pdu) => {
    if (pdu.connection === 0) target.drop();
  });
  await using session = await loginTo(target, { recovery: comesBack, keys: { DefaultTime2Wait: 0 } });
  // START STOP UNIT and PERSISTENT RESERVE OUT change more than data at an address.
  const cdbs = ["1b0000000100", "5f000000000000001800"].map((hex) => Buffer.from(hex, "hex"));
  const results = await Promise.allSettled(cdbs.map((cdb) => session.execute({ lun: 0, cdb })));
  t.deepEqual(
    results.map((result) => result.status === "rejected" && (result.reason as { code: string }).code),
    ["OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN"],
  );
});

const nonsense: readonly { title: string; bytes: (target: ScriptedTarget, pdu: RawPdu) => Buffer }[] = [
  { title: "an opcode that does not exist", bytes: (_, pdu) => header(0x2f, 0x80, pdu, []) },
  { title: "an opcode of the initiator", bytes: (_, pdu) => header(0x01, 0x80, pdu, []) },
  { title: "a Login Response", bytes: (_, pdu) => header(0x23, 0x87, pdu, []) },
  {
    title: "a data segment longer than was declared",
    bytes: (target, pdu) => {
      const bhs = dataIn(target, pdu, 0, 0, 0x80);
      bhs.writeUIntBE(0xff_ffff, 5, 3);
      return bhs;
    },
  },
  {
    title: "a Text Response that nobody asked for",
    bytes: (target, pdu) =>
      header(0x24, 0x80, pdu, [
        [16, 0x4444],
        [20, none],
        [24, target.nextStatSn()],
      ]),
  },
];
for (const { title, bytes } of nonsense) {
  test(`a format error ends all connections of the session at once: ${title}`, async (t) => {
    await using target = await ScriptedTarget.start({}, (pdu) => {
      if (pdu.connection === 0) target.raw(bytes(target, pdu));
    });
    const session = await loginTo(target, { connections: 2, keys: { MaxConnections: 2 } });
    const commands = Promise.allSettled([session.execute(run), session.execute(run)]);
    await Promise.all([target.closed(0), target.closed(1)]);
    const [first] = await commands;
    t.is(first.status === "rejected" && (first.reason as { code: string }).code, "PROTOCOL_ERROR");
  });
}

for (const [title, size] of [
  ["all at once", 1_000_000],
  ["a byte at a time", 1],
  ["cut inside headers and data", 100],
] as const) {
  test(`answers are the same however they come: ${title}`, async (t) => {
    const held: RawPdu[] = [];
    await using target = await ScriptedTarget.start({}, (pdu) => {
      if (held.push(pdu) < 4) return;
      const all = Buffer.concat(
        held.map((each, index) => {
          const bhs = dataIn(target, each, 0, 0, 0x81);
          bhs.writeUIntBE(512, 5, 3);
          return Buffer.concat([bhs, Buffer.alloc(512, index)]);
        }),
      );
      for (let at = 0; at < all.length; at += size) target.raw(all.subarray(at, at + size));
    });
    await using session = await loginTo(target);
    const buffers = Array.from({ length: 4 }, () => Buffer.alloc(512, 0xee));
    await Promise.all(
      buffers.map(async (readInto) => await session.execute({ lun: 0, cdb: blocks(1), readInto })),
    );
    t.deepEqual(
      buffers,
      buffers.map((_, index) => Buffer.alloc(512, index)),
    );
  });
}

test("a connection that ends in the middle of a PDU is lost, not finished", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu) => {
    const bhs = dataIn(target, pdu, 0, 0, 0x81);
    bhs.writeUIntBE(512, 5, 3);
    target.raw(Buffer.concat([bhs, Buffer.alloc(100)]));
    setImmediate(() => target.drop());
  });
  const session = await loginTo(target);
  const read = session.execute({ lun: 0, cdb: blocks(1), readInto: Buffer.alloc(512) });
  const error = await t.throwsAsync(read);
  t.regex(String((error as { code?: string }).code), /CONNECTION_|OUTCOME_UNKNOWN/);
});

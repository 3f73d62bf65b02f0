import test from "ava";
import {
  asyncMessage,
  cmdSn,
  dataIn,
  expStatSn,
  flags,
  itt,
  logoutResponse,
  none,
  op,
  r2t,
  response,
  textResponse,
  ttt,
} from "../peers/raw-pdu.ts";
import { ScriptedTarget, type RawPdu } from "../peers/scripted.ts";
import { blocks, comesBack, isCommand, loginTo, pattern, run, testUnitReady, writing } from "./login-to.ts";

/* RFC 7143 §11.9: what a target says without being asked, and what an initiator must do then. */

const isid = ({ bhs }: RawPdu) => bhs.subarray(8, 14).toString("hex");
const tsih = ({ bhs }: RawPdu) => bhs.readUInt16BE(14);

test("event 0 is told with its sense, and nothing else happens", async (t) => {
  const told: unknown[] = [];
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    const sense = Buffer.alloc(20);
    sense.writeUInt16BE(18, 0);
    sense.set([0x70, 0, 0x06, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x3f, 0x0e], 2);
    reply(asyncMessage(target, pdu, 0, [0, 0, 0], 4), sense);
    reply(response(target, pdu));
  });
  await using session = await loginTo(target, {
    report: (kind, facts) => {
      if (kind === "async") told.push(facts);
    },
  });
  t.is((await session.execute(run)).status, 0);
  t.like(told[0], { event: 0, lun: 4, key: 6, asc: 0x3f, ascq: 0x0e });
});

test("an event that nobody knows is told and nothing else happens", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    for (const event of [200, 250, 255]) reply(asyncMessage(target, pdu, event, [1, 2, 3]));
    reply(response(target, pdu));
  });
  await using session = await loginTo(target);
  t.is((await session.execute(run)).status, 0);
  t.is((await session.execute(run)).status, 0);
});

test("event 1: a logout follows, no request behind it, and the session comes back with what was in flight", async (t) => {
  const late: RawPdu[] = [];
  await using target = await ScriptedTarget.start(
    {},
    (pdu, reply) => {
      if (pdu.connection > 0) reply(response(target, pdu));
      else if (target.received.some(({ bhs }) => bhs[0] === op.logout)) late.push(pdu);
      else reply(asyncMessage(target, pdu, 1, [0, 0, 3]));
    },
    {
      // What is asked for between the logout and its answer must wait.
      logout: (pdu, reply) => {
        if (pdu.connection === 0)
          more.push(session.execute(run), session.execute({ ...run, immediate: true }));
        setImmediate(() => reply(logoutResponse(target, pdu)));
      },
    },
  );
  const more: Promise<unknown>[] = [];
  await using session = await loginTo(target, { recovery: comesBack });
  const { status } = await session.execute(run);
  t.is(status, 0);
  await Promise.all(more);
  t.deepEqual(late, []);
  const logout = await target.seen(op.logout);
  t.is(flags(logout), 0x80, "close the session");
  const [first, again] = target.received.filter(({ bhs, connection }) =>
    connection < 2 ? bhs[0] === op.login : false,
  );
  t.is(isid(first!), isid(again!));
});

for (const [event, name] of [
  [2, "the target drops the connection"],
  [3, "the target drops all connections"],
] as const) {
  test(`event ${event}: ${name}; the session is made anew under its ISID after Time2Wait`, async (t) => {
    await using target = await ScriptedTarget.start({}, (pdu, reply) => {
      if (pdu.connection > 0) reply(response(target, pdu));
      else {
        reply(asyncMessage(target, pdu, event, [0, 1, 20]));
        setImmediate(() => target.drop());
      }
    });
    await using session = await loginTo(target, { recovery: comesBack });
    const before = performance.now();
    t.is((await session.execute(run)).status, 0);
    t.true(performance.now() - before >= 1000, "Parameter2 is the time to wait, in seconds");
    const logins = target.received.filter(({ bhs }) => bhs[0] === op.login);
    t.is(new Set(logins.map(isid)).size, 1);
    t.true(
      logins.every((login) => tsih(login) === 0),
      "TSIH 0 reinstates a session",
    );
  });
}

test("event 4: a Text Request follows on the same connection, and the limits that it brings hold", async (t) => {
  await using target = await ScriptedTarget.start(
    { InitialR2T: "Yes", ImmediateData: "Yes", MaxRecvDataSegmentLength: "4096" },
    (pdu, reply) => {
      if (pdu.bhs[0] === op.text)
        reply(textResponse(target, pdu), Buffer.from("MaxRecvDataSegmentLength=512\0"));
      else {
        if (target.received.filter(isCommand).length === 1) reply(asyncMessage(target, pdu, 4, [0, 0, 3]));
        reply(response(target, pdu));
      }
    },
  );
  await using session = await loginTo(target);
  await session.execute({ lun: 0, cdb: writing(2), write: pattern(1024) });
  await target.seen(op.text);
  await session.negotiate([["X-com.example.sync", "1"]]);
  await session.execute({ lun: 0, cdb: writing(2), write: pattern(1024) }).catch(() => undefined);
  const writes = target.received.filter(isCommand);
  t.deepEqual(
    writes.map(({ data }) => data.length),
    [1024, 512],
  );
});

test("event 5: the data of the unit's tasks stops, the message is acknowledged, and the tasks are over", async (t) => {
  let command: RawPdu | undefined;
  await using target = await ScriptedTarget.start(
    { InitialR2T: "Yes", ImmediateData: "No", TaskReporting: "FastAbort" },
    (pdu, reply) => {
      if (pdu.bhs[0] === op.nopOut) {
        // What the target had asked for before it heard the acknowledgement.
        reply(r2t(target, command!, 0, 0, 512));
        reply(response(target, other!));
        return;
      }
      if (pdu.bhs[9] === 0) {
        command = pdu;
        return;
      }
      if ((pdu.bhs[1]! & 0x40) !== 0) return reply(dataIn(target, pdu, 0, 0, 0x81), pattern(512));
      other = pdu;
      reply(asyncMessage(target, pdu, 5));
    },
  );
  let other: RawPdu | undefined;
  await using session = await loginTo(target, {
    keys: { TaskReporting: "FastAbort", iSCSIProtocolLevel: 1 },
  });
  const write = session.execute({ lun: 0, cdb: writing(1), write: pattern(512) });
  const elsewhere = session.execute({ lun: 1, cdb: testUnitReady });
  await t.throwsAsync(write, { code: "TASK_ABORTED", message: /WRITE.*target/ });
  t.is((await elsewhere).status, 0, "tasks of other units go on");
  const answer = await target.seen(op.nopOut);
  t.deepEqual([flags(answer), itt(answer), ttt(answer)], [0x80, none, none]);
  t.is(answer.bhs.subarray(8, 16).toString("hex"), "0000000000000000");
  t.is(expStatSn(answer), target.statSn() - 1, "it acknowledges the message");
  t.is(target.received.filter(({ bhs }) => bhs[0] === op.dataOut).length, 0);
  const read = await session.execute({ lun: 1, cdb: blocks(1), readInto: Buffer.alloc(512) });
  t.is(read.read, 512);
  t.is(cmdSn(answer), cmdSn(target.received.findLast(isCommand)!));
});

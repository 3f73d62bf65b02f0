import { TmfFunction } from "ts-iscsi-pdu";
import test from "ava";
import {
  cmdSn,
  dataIn,
  expStatSn,
  itt,
  nopIn,
  none,
  op,
  pong,
  r2t,
  response,
  tmfResponse,
  u32,
} from "../peers/raw-pdu.ts";
import { ScriptedTarget, type RawPdu } from "../peers/scripted.ts";
import { blocks, loginTo, pattern, run, writing } from "./login-to.ts";

/* RFC 7143 §4.2.2: CmdSN, ExpCmdSN, MaxCmdSN, StatSN and ExpStatSN on the wire. */

const [expCmdSnAt, maxCmdSnAt] = [28, 32];

test("the first command has the CmdSN of the login, each further one the next; immediate requests use none up", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    if (pdu.bhs[0] === op.tmf) reply(tmfResponse(target, pdu));
    else if (pdu.bhs[0] === op.nopOut) reply(pong(target, pdu));
    else reply(response(target, pdu));
  });
  await using session = await loginTo(target);
  await session.execute(run);
  await session.execute({ ...run, immediate: true });
  await session.manage({ function: TmfFunction.LogicalUnitReset, lun: 0 });
  await session.ping();
  await session.execute(run);
  const logins = target.received.filter(({ bhs }) => bhs[0] === op.login);
  const first = cmdSn(logins[0]!);
  t.true(
    logins.every((pdu) => cmdSn(pdu) === first),
    "one CmdSN for the whole login",
  );
  t.deepEqual(
    target.received.slice(logins.length).map((pdu) => [pdu.bhs[0], (cmdSn(pdu) - first) | 0]),
    [
      [op.command, 0],
      [op.immediateCommand, 1],
      [op.tmf, 1],
      [op.nopOut, 1],
      [op.command, 1],
    ],
  );
});

test("nothing but immediate requests goes out while the window is closed, and all that waits when it opens", async (t) => {
  await using target = await ScriptedTarget.start(
    {},
    (pdu, reply) => {
      if (pdu.bhs[0] === op.nopOut) reply(pong(target, pdu));
      else if (target.received.filter(({ bhs }) => bhs[0] === op.command).length > 1)
        reply(response(target, pdu));
      // MaxCmdSN = ExpCmdSN - 1 in a SCSI Response.
      else reply(response(target, pdu, 0, 0x80, [[maxCmdSnAt, cmdSn(pdu)]]));
    },
    { window: 1 },
  );
  await using session = await loginTo(target);
  await session.execute(run);
  const waiting = Promise.all([session.execute(run), session.execute(run)]);
  const ping = session.ping();
  const seen = await target.seen(op.nopOut);
  t.is(target.received.filter(({ bhs }) => bhs[0] === op.command).length, 1, "the window is closed");
  t.is(seen.bhs[0]! & 0x40, 0x40);
  target.send(
    nopIn(target, seen, none, [
      [expCmdSnAt, cmdSn(seen)],
      [maxCmdSnAt, cmdSn(seen) + 1],
    ]),
  );
  t.is((await waiting).length, 2);
  await ping;
});

test("a window of one lets one command out at a time", async (t) => {
  let outstanding = 0;
  let most = 0;
  await using target = await ScriptedTarget.start(
    {},
    (pdu, reply) => {
      most = Math.max(most, ++outstanding);
      setImmediate(() => {
        outstanding--;
        reply(response(target, pdu, 0, 0x80, [[maxCmdSnAt, cmdSn(pdu) + 1]]));
      });
    },
    { window: 1 },
  );
  await using session = await loginTo(target);
  await Promise.all(Array.from({ length: 8 }, async () => await session.execute(run)));
  t.is(most, 1);
});

test("a wide window takes many commands at once, their CmdSN without a gap, their tags all different", async (t) => {
  const held: RawPdu[] = [];
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    held.push(pdu);
    if (held.length === 16) for (const each of held) reply(response(target, each));
  });
  await using session = await loginTo(target);
  await Promise.all(Array.from({ length: 16 }, async () => await session.execute(run)));
  const first = cmdSn(held[0]!);
  t.deepEqual(
    held.map((pdu) => (cmdSn(pdu) - first) | 0),
    Array.from({ length: 16 }, (_, index) => index),
  );
  t.is(new Set(held.map(itt)).size, 16);
  t.false(held.map(itt).includes(none));
});

test("ExpStatSN is the last StatSN and one, and only what has a StatSN counts", async (t) => {
  const content = pattern(1024);
  let command: RawPdu | undefined;
  await using target = await ScriptedTarget.start(
    { InitialR2T: "Yes", ImmediateData: "No" },
    (pdu, reply) => {
      if (pdu.bhs[0] === op.nopOut) return;
      if (pdu.bhs[0] === op.dataOut) reply(response(target, command!, 1));
      else if ((pdu.bhs[1]! & 0x20) !== 0) {
        command = pdu;
        reply(r2t(target, pdu, 0, 0, 512));
      } else if ((pdu.bhs[1]! & 0x40) !== 0) {
        // Neither Data-In without S nor a ping of the target has a StatSN of its own.
        reply(dataIn(target, pdu, 0, 0, 0, [[24, 0]]), content.subarray(0, 512));
        reply(nopIn(target, pdu, 7));
        reply(dataIn(target, pdu, 1, 512, 0x81), content.subarray(512));
      } else reply(response(target, pdu));
    },
  );
  await using session = await loginTo(target);
  const before = target.statSn();
  await session.execute(run);
  await session.execute({ lun: 0, cdb: blocks(2), readInto: Buffer.alloc(1024) });
  await session.execute({ lun: 0, cdb: writing(1), write: content.subarray(0, 512) });
  await session.execute(run);
  const after = target.received.filter(({ bhs }) => bhs[0] !== op.login);
  t.deepEqual(
    after.map((pdu) => [pdu.bhs[0], expStatSn(pdu) - before]),
    [
      [op.command, 0],
      [op.command, 1],
      [op.nopOut, 1],
      [op.command, 2],
      [op.dataOut, 2],
      [op.command, 3],
    ],
  );
});

test("recovery level 0: a gap in the StatSN ends the session with section and field", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    target.nextStatSn();
    reply(response(target, pdu));
  });
  const session = await loginTo(target);
  await t.throwsAsync(session.execute(run), { code: "PROTOCOL_ERROR", message: /StatSN.*§4\.2\.2\.2/ });
  await target.closed();
});

test("recovery level 1: a gap in the StatSN is asked for by a Status SNACK, and what comes then is taken", async (t) => {
  let lost: RawPdu | undefined;
  await using target = await ScriptedTarget.start({ ErrorRecoveryLevel: "1" }, (pdu, reply) => {
    if (pdu.bhs[0] === op.snack) {
      const answer = response(target, lost!);
      answer.writeUInt32BE(u32(pdu, 40), 24);
      reply(answer);
    } else if (lost === undefined) {
      lost = pdu;
      target.nextStatSn();
    } else reply(response(target, pdu));
  });
  await using session = await loginTo(target, { keys: { ErrorRecoveryLevel: 1 } });
  const missing = target.statSn();
  const results = await Promise.all([session.execute(run), session.execute(run)]);
  t.deepEqual(
    results.map(({ status }) => status),
    [0, 0],
  );
  const snack = await target.seen(op.snack);
  // Type 1, no tag, BegRun and RunLength (RFC 7143 §11.16).
  t.deepEqual(
    [snack.bhs[1], itt(snack), u32(snack, 20), u32(snack, 40), u32(snack, 44)],
    [0x81, none, none, missing, 1],
  );
});

test("a StatSN that is too far ahead for any loss ends the session at every level", async (t) => {
  await using target = await ScriptedTarget.start({ ErrorRecoveryLevel: "1" }, (pdu, reply) => {
    reply(response(target, pdu, 0, 0x80, [[24, target.statSn() + 0x1000_0000]]));
  });
  const session = await loginTo(target, { keys: { ErrorRecoveryLevel: 1 } });
  await t.throwsAsync(session.execute(run), { code: "PROTOCOL_ERROR", message: /StatSN/ });
  await target.closed();
});

test("data goes out while the window is closed", async (t) => {
  let command: RawPdu | undefined;
  await using target = await ScriptedTarget.start(
    { InitialR2T: "Yes", ImmediateData: "No" },
    (pdu, reply) => {
      if (pdu.bhs[0] === op.dataOut) reply(response(target, command!, 1));
      else {
        command = pdu;
        reply(r2t(target, pdu, 0, 0, 512, [[maxCmdSnAt, cmdSn(pdu)]]));
      }
    },
  );
  await using session = await loginTo(target);
  const { written } = await session.execute({ lun: 0, cdb: writing(1), write: Buffer.alloc(512) });
  t.is(written, 512);
});

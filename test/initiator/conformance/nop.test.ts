import test from "ava";
import { cmdSn, itt, nopIn, none, op, pong, response, ttt } from "../peers/raw-pdu.ts";
import { ScriptedTarget } from "../peers/scripted.ts";
import { loginTo, pattern, run } from "./login-to.ts";

/* RFC 7143 §11.18 and §11.19: pings both ways. */

const isPong = ({ bhs }: { bhs: Buffer }) => bhs[0] === op.nopOut;

test("a ping of the target is answered with its tag, LUN and data, at once and without a tag of its own", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    if (pdu.bhs[0] !== op.command) return;
    const ping = nopIn(target, pdu, 0x1234_5678);
    ping[9] = 7;
    reply(ping, Buffer.from("are you there?"));
    reply(response(target, pdu));
  });
  await using session = await loginTo(target);
  await session.execute(run);
  const answer = await target.seen(op.nopOut);
  t.is(answer.bhs[1], 0x80);
  t.is(itt(answer), none);
  t.is(ttt(answer), 0x1234_5678);
  t.is(answer.bhs.subarray(8, 16).toString("hex"), "0007000000000000");
  t.is(answer.data.toString(), "are you there?");
  await session.execute(run);
  const commands = target.received.filter(({ bhs }) => bhs[0] === op.command);
  t.is(cmdSn(answer), cmdSn(commands[1]!), "no CmdSN is used up");
});

test("a ping's data is given back as far as the target takes it", async (t) => {
  await using target = await ScriptedTarget.start({ MaxRecvDataSegmentLength: "512" }, (pdu, reply) => {
    if (pdu.bhs[0] === op.command) reply(nopIn(target, pdu, 9), pattern(2048));
    else if (pdu.bhs[0] === op.nopOut) reply(response(target, target.received.at(-2)!));
  });
  await using session = await loginTo(target);
  await session.execute(run);
  t.deepEqual((await target.seen(op.nopOut)).data, pattern(512));
});

test("a NOP-In without a tag needs no answer and gets none", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    reply(nopIn(target, pdu));
    reply(response(target, pdu));
  });
  await using session = await loginTo(target);
  await session.execute(run);
  await session.execute(run);
  t.is(target.received.filter(isPong).length, 0);
});

test("an own ping has a tag of its own and none of the target's, and its data must come back", async (t) => {
  const data = Buffer.from("echo");
  await using target = await ScriptedTarget.start({}, (pdu, reply) => reply(pong(target, pdu), pdu.data));
  await using session = await loginTo(target);
  t.true((await session.ping({ data })) >= 0);
  const ping = await target.seen(op.nopOut);
  t.not(itt(ping), none);
  t.is(ttt(ping), none);
  t.is(ping.bhs.subarray(8, 16).toString("hex"), "0000000000000000");
  t.deepEqual(ping.data, data);
});

test("a ping that comes back changed is a breach", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) =>
    reply(pong(target, pdu), Buffer.from("echo?")),
  );
  const session = await loginTo(target);
  await t.throwsAsync(session.ping({ data: Buffer.from("echo!") }), { code: "PROTOCOL_ERROR" });
  await target.closed();
});

test("a ping with more data than the target takes is refused here, and the session goes on", async (t) => {
  await using target = await ScriptedTarget.start({ MaxRecvDataSegmentLength: "512" }, (pdu, reply) =>
    reply(pong(target, pdu), pdu.data),
  );
  await using session = await loginTo(target);
  await t.throwsAsync(session.ping({ data: Buffer.alloc(513) }), {
    code: "PING_TOO_LONG",
    message: /513.*512/,
  });
  await session.ping({ data: Buffer.alloc(512) });
  t.is(target.received.filter(isPong).length, 1);
});

test("a silent connection is pinged, and given up when it stays silent", async (t) => {
  await using target = await ScriptedTarget.start({}, () => undefined);
  const session = await loginTo(target, { keepaliveMs: 20 });
  const error = await t.throwsAsync(session.execute(run));
  t.regex(error.message, /no answer to a ping/);
  await target.seen(op.nopOut);
  await target.closed();
});

test("recovery level 1: pings whose answers are lost do not end a connection that lives", async (t) => {
  await using target = await ScriptedTarget.start({ ErrorRecoveryLevel: "1" }, (pdu, reply) =>
    reply(pdu.bhs[0] === op.nopOut ? nopIn(target, pdu) : response(target, pdu)),
  );
  await using session = await loginTo(target, {
    keys: { ErrorRecoveryLevel: 1 },
    keepaliveMs: 10,
    commandTimeoutMs: 40,
  });
  let pings = 0;
  await target.seen(op.nopOut, () => ++pings === 20);
  t.is((await session.execute(run)).status, 0);
  t.is(target.connections, 1);
});

test("recovery level 1: a connection that loses a command and every ping that looks for it is given up, and the command sent on another", async (t) => {
  await using target = await ScriptedTarget.start({ ErrorRecoveryLevel: "1" }, (pdu, reply) => {
    if (pdu.connection > 0) reply(response(target, pdu));
    else if (pdu.bhs[0] === op.nopOut) {
      const alive = nopIn(target, pdu);
      // Nothing has arrived, and the window stays as it is.
      alive.writeUInt32BE(cmdSn(target.received.find(({ bhs }) => bhs[0] === op.command)!), 28);
      reply(alive);
    }
  });
  await using session = await loginTo(target, {
    keys: { ErrorRecoveryLevel: 1, DefaultTime2Wait: 0 },
    recovery: { attempts: 1 },
  });
  t.is((await session.execute(run)).status, 0);
  t.is(target.connections, 2);
});

test("recovery level 0: a target that answers no ping loses the connection, whatever else it sends", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) =>
    reply(pdu.bhs[0] === op.nopOut ? nopIn(target, pdu) : response(target, pdu)),
  );
  const session = await loginTo(target, { keepaliveMs: 10, commandTimeoutMs: 40 });
  await target.closed();
  await t.throwsAsync(session.execute(run), { message: /NOP-Out/ });
});

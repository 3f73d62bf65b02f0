import test from "ava";
import { cmdSn, expStatSn, flags, itt, none, op, response } from "../peers/raw-pdu.ts";
import { loginResponse, ScriptedTarget, type RawPdu } from "../peers/scripted.ts";
import { loginTo, run } from "./login-to.ts";

/* RFC 7143 §6.3, §11.12 and §11.13: the login phase on the wire. */

const logins = (target: ScriptedTarget, connection?: number) =>
  target.received.filter(
    (pdu) => pdu.bhs[0] === op.login && (connection === undefined || pdu.connection === connection),
  );
const keysOf = ({ data }: RawPdu) =>
  data
    .toString()
    .split("\0")
    .filter((pair) => pair !== "")
    .map((pair) => pair.split("=")[0]);

async function plain(): Promise<ScriptedTarget> {
  const target: ScriptedTarget = await ScriptedTarget.start({}, (pdu, reply) => reply(response(target, pdu)));
  return target;
}

test("every request: I, stages, versions, one tag, one CmdSN, ExpStatSN behind the last answer", async (t) => {
  await using peer = await plain();
  await using session = await loginTo(peer);
  await session.execute(run);
  const all = logins(peer);
  t.deepEqual(
    all.map((pdu) => flags(pdu)),
    // T, CSG and NSG: from security (0) to operational (1), from there to full feature phase (3).
    [0x81, 0x87],
  );
  for (const pdu of all) {
    t.is(pdu.bhs.readUInt16BE(2), 0, "Version-max and Version-min");
    t.is(pdu.bhs[4], 0, "no additional headers");
    t.is(pdu.bhs.readUInt16BE(14), 0, "TSIH of a new session");
    t.is(pdu.bhs.readUInt16BE(20), 0, "CID");
    t.is(itt(pdu), itt(all[0]!));
    t.is(cmdSn(pdu), cmdSn(all[0]!));
    t.is(pdu.bhs.subarray(32).toString("hex"), "00".repeat(16));
  }
  t.is(expStatSn(all[1]!), expStatSn(all[0]!) + 1);
  t.not(itt(all[0]!), none);
});

test("the ISID is of the random form, and the one that is told where one is", async (t) => {
  for (const [options, expected] of [
    [{}, /^80[0-9a-f]{10}$/],
    [{ isid: { form: "oui", oui: 0x00_1122, qualifier: 0x33_4455 } }, /^001122334455$/],
  ] as const) {
    await using peer = await plain();
    await using _ = await loginTo(peer, options);
    t.regex(logins(peer)[0]!.bhs.subarray(8, 14).toString("hex"), expected);
  }
});

test("names, alias and session type go in the first request and never again", async (t) => {
  await using peer = await plain();
  await using _ = await loginTo(peer, { initiatorAlias: "me" });
  const [first, second] = logins(peer);
  t.deepEqual(keysOf(first!), ["InitiatorName", "InitiatorAlias", "TargetName", "SessionType", "AuthMethod"]);
  t.false(keysOf(second!).some((key) => ["InitiatorName", "TargetName", "SessionType"].includes(key ?? "")));
});

test("a further connection: the session's ISID and TSIH, a CID of its own, names again, no keys of the leading one", async (t) => {
  await using peer = await plain();
  await using _ = await loginTo(peer, { connections: 3, keys: { MaxConnections: 3 } });
  const [leading] = logins(peer, 0);
  for (const connection of [1, 2]) {
    const [first, second] = logins(peer, connection);
    t.deepEqual(first!.bhs.subarray(8, 14), leading!.bhs.subarray(8, 14));
    t.is(first!.bhs.readUInt16BE(14), 1, "TSIH");
    t.is(first!.bhs.readUInt16BE(20), connection, "CID");
    t.deepEqual(keysOf(first!), ["InitiatorName", "TargetName", "AuthMethod"]);
    t.deepEqual(keysOf(second!), ["HeaderDigest", "DataDigest", "MaxRecvDataSegmentLength"]);
  }
});

const refusals: readonly { title: string; spoil: (bhs: Buffer) => void; message: RegExp }[] = [
  { title: "another ISID", spoil: (bhs) => bhs.writeUInt8(0x99, 9), message: /ISID/ },
  { title: "another tag", spoil: (bhs) => bhs.writeUInt32BE(0x1234, 16), message: /Initiator Task Tag/ },
  {
    title: "a version that was not offered",
    spoil: (bhs) => bhs.writeUInt8(1, 3),
    message: /Version-active/,
  },
  { title: "no TSIH at the end", spoil: (bhs) => bhs.writeUInt16BE(0, 14), message: /TSIH/ },
  { title: "C and T together", spoil: (bhs) => bhs.writeUInt8((bhs[1] ?? 0) | 0x40, 1), message: /§11\.13/ },
  { title: "another stage", spoil: (bhs) => bhs.writeUInt8(0x8f, 1), message: /§11\.12\.3/ },
  { title: "an opcode of full feature phase", spoil: (bhs) => bhs.writeUInt8(0x21, 0), message: /Opcode/ },
  {
    title: "a StatSN that does not follow",
    spoil: (bhs) => bhs.writeUInt32BE(bhs.readUInt32BE(24) + 5, 24),
    message: /StatSN/,
  },
];
for (const { title, spoil, message } of refusals) {
  test(`a Login Response with ${title} ends the login and the connection`, async (t) => {
    let answers = 0;
    await using peer = await ScriptedTarget.start({}, () => undefined, {
      login: (pdu, reply) => {
        const [bhs, data] = loginResponse(pdu, {});
        if (++answers === 2) spoil(bhs);
        reply(bhs, data);
      },
    });
    await t.throwsAsync(loginTo(peer), { code: "PROTOCOL_ERROR", message });
    await peer.closed();
  });
}

const statuses: readonly (readonly [status: number, words: RegExp])[] = [
  [0x0200, /./],
  [0x0201, /authentication|secret|CHAP/i],
  [0x0202, /not allowed|authori|permission|access/i],
  [0x0203, /no such target|not found|does not exist|no target/i],
  [0x0204, /removed/i],
  [0x0205, /version/i],
  [0x0206, /connections/i],
  [0x0207, /./],
  [0x0208, /./],
  [0x0209, /type of session/],
  [0x020a, /session/i],
  [0x020b, /./],
  [0x0300, /./],
  [0x0301, /./],
  [0x0302, /no room/],
];
for (const [status, words] of statuses) {
  test(`status 0x0${status.toString(16)} of a Login Response is an error of its own that says so`, async (t) => {
    await using peer = await ScriptedTarget.start({}, () => undefined, {
      login: (pdu, reply) => {
        const [bhs] = loginResponse(pdu, {});
        bhs.writeUInt16BE(status, 36);
        reply(bhs);
      },
    });
    const error = await t.throwsAsync(loginTo(peer));
    t.is((error as { status?: number }).status, status);
    t.regex(error.message, words);
    t.regex(error.message, /127\.0\.0\.1:\d+/);
    await peer.closed();
  });
}

test("a status of a class that does not exist is refused", async (t) => {
  await using peer = await ScriptedTarget.start({}, () => undefined, {
    login: (pdu, reply) => {
      const [bhs] = loginResponse(pdu, {});
      bhs.writeUInt16BE(0x0700, 36);
      reply(bhs);
    },
  });
  await t.throwsAsync(loginTo(peer));
  await peer.closed();
});

test("a redirection is followed to the address, under the same names and ISID", async (t) => {
  await using real = await plain();
  await using signpost = await ScriptedTarget.start({}, () => undefined, {
    login: (pdu, reply) => {
      const [bhs] = loginResponse(pdu, {});
      bhs.writeUInt16BE(0x0101, 36);
      reply(bhs, Buffer.from(`TargetAddress=127.0.0.1:${real.port},1\0`));
    },
  });
  await using session = await loginTo(signpost);
  t.is(session.portal.port, real.port);
  const [asked] = logins(signpost);
  const [followed] = logins(real);
  t.deepEqual(followed!.bhs.subarray(8, 14), asked!.bhs.subarray(8, 14));
  t.is(followed!.data.toString(), asked!.data.toString());
  await signpost.closed();
});

test("one request is outstanding at a time, and a login that gets no answer ends in time", async (t) => {
  await using peer = await ScriptedTarget.start({}, () => undefined, { login: () => undefined });
  await t.throwsAsync(loginTo(peer, { loginTimeoutMs: 60 }), { code: "TIMEOUT" });
  t.is(logins(peer).length, 1);
  await peer.closed();
});

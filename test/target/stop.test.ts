import test, { type ExecutionContext } from "ava";
import { MemoryDevice } from "#block";
import { encodeCdb } from "#scsi";
import { Target } from "#target";
import { Opcode } from "ts-iscsi-pdu";
import { iqn } from "./clients.ts";
import { RawClient, identity } from "./raw-client.ts";

async function setUp(t: ExecutionContext) {
  const target = await Target.listen({ iqn, luns: [{ lun: 1, device: new MemoryDevice(1024 * 1024) }] });
  t.teardown(() => target[Symbol.asyncDispose]());
  const client = await RawClient.connect(target.address);
  t.teardown(() => client[Symbol.dispose]());
  await client.login(identity);
  return { target, client };
}

test("a target that is about to stop asks for the logout, lets nobody in, and waits (RFC 7143 §11.9.1)", async (t) => {
  const { target, client } = await setUp(t);
  using discovery = await RawClient.connect(target.address);
  discovery.isid = Buffer.from("800000020000", "hex");
  await discovery.login({ InitiatorName: identity.InitiatorName, SessionType: "Discovery" });
  const gone = target.requestLogout({ seconds: 600 });
  t.like((await client.next())?.pdu, { opcode: Opcode.Async, event: 1, parameter3: 600, itt: 0xffff_ffff });
  await t.throwsAsync(RawClient.connect(target.address), { code: "ECONNREFUSED" });
  client.command(encodeCdb("testUnitReady", {}));
  t.like((await client.next())?.pdu, { opcode: Opcode.ScsiResponse, status: 0 }, "work goes on");
  client.logout(0);
  t.like((await client.next())?.pdu, { opcode: Opcode.LogoutResponse, response: 0 });
  discovery.logout(0);
  t.is((await discovery.next())?.pdu.opcode, Opcode.LogoutResponse, "and was told nothing before");
  await gone;
  t.is(target.sessions.length, 0);
});

test("those who do not go are waited for no longer than told, and hear that they are dropped", async (t) => {
  const { target, client } = await setUp(t);
  await target.requestLogout({ seconds: 0.02 });
  t.like((await client.next())?.pdu, { opcode: Opcode.Async, event: 1 });
  t.is(target.sessions.length, 1);
  const stopping = new AbortController();
  const waiting = target.requestLogout({ seconds: 600, signal: stopping.signal });
  stopping.abort();
  await waiting;
  t.like((await client.next())?.pdu, { opcode: Opcode.Async, event: 1 });
  await target[Symbol.asyncDispose]();
  t.like((await client.next())?.pdu, { opcode: Opcode.Async, event: 3, parameter2: 2, parameter3: 20 });
  t.is(await client.next(), undefined);
});

test("a command that waits for one before it, which never comes, holds up neither a reset nor the stop", async (t) => {
  const { target, client } = await setUp(t);
  client.cmdSn += 1;
  const held = client.command(encodeCdb("read10", { lba: 0, blocks: 1 }), { read: true, edtl: 512 });
  client.send({
    opcode: Opcode.TmfRequest,
    immediate: true,
    itt: 500,
    function: 5,
    lun: 1,
    cmdSn: client.cmdSn,
    expStatSn: client.expStatSn,
  });
  t.like((await client.next())?.pdu, { opcode: Opcode.TmfResponse, itt: 500, response: 0 });
  // Its place comes after all: it is over, and the one before it is carried out.
  client.cmdSn -= 2;
  const missing = client.command(encodeCdb("testUnitReady", {}));
  t.like((await client.next())?.pdu, { opcode: Opcode.ScsiResponse, itt: missing, status: 2 });
  client.cmdSn += 1;
  const next = client.command(encodeCdb("read10", { lba: 0, blocks: 1 }), { read: true, edtl: 512 });
  t.not(next, held);
  t.like((await client.next())?.pdu, { opcode: Opcode.DataIn, itt: next });
  client.cmdSn += 1;
  client.command(encodeCdb("testUnitReady", {}));
  await target[Symbol.asyncDispose]();
  t.like((await client.next())?.pdu, { opcode: Opcode.Async, event: 3 });
});

import test, { type ExecutionContext } from "ava";
import { MemoryDevice } from "#block";
import { SeededRandom } from "#core";
import { encodeCdb } from "#scsi";
import { Target } from "#target";
import { Opcode, type OperationalValues } from "ts-iscsi-pdu";
import { iqn } from "./clients.ts";
import { RawClient, identity, is, type Received } from "./raw-client.ts";

const blocks = 8192;
const read = (lba: number, count: number) => encodeCdb("read10", { lba, blocks: count });
const write = (lba: number, count: number) => encodeCdb("write10", { lba, blocks: count });
const tur = encodeCdb("testUnitReady", {});
const pattern = Buffer.from(new SeededRandom(11).bytes(blocks * 512));
const reassign = 8;

class CountingDevice extends MemoryDevice {
  writes = 0;

  override write(offset: number, from: Uint8Array): Promise<void> {
    this.writes += 1;
    return super.write(offset, from);
  }
}

async function setUp(
  t: ExecutionContext,
  keys: Readonly<Record<string, string>> = {},
  own: Partial<OperationalValues> = {},
) {
  const device = new CountingDevice(blocks * 512);
  await device.write(0, pattern);
  const closed: unknown[] = [];
  const wakers: (() => void)[] = [];
  const lost = Promise.withResolvers<void>();
  const target = await Target.listen({
    iqn,
    luns: [{ lun: 1, device }],
    keys: { ErrorRecoveryLevel: 2, ...own },
    report: (kind, data) => {
      if (kind === "connection-closed") lost.resolve();
      if (kind !== "session-closed") return;
      closed.push(data["how"]);
      for (const wake of wakers) wake();
    },
  });
  t.teardown(() => target[Symbol.asyncDispose]());
  const client = await RawClient.connect(target.address);
  t.teardown(() => client[Symbol.dispose]());
  const all = { ...identity, ErrorRecoveryLevel: "2", InitialR2T: "Yes", ImmediateData: "No", ...keys };
  const { tsih, status } = await client.login(all);
  t.is(status, 0);
  /** A further connection of the same session; CmdSN goes on. */
  const join = async (from: RawClient, cid: number, own: Readonly<Record<string, string>> = {}) => {
    const next = await RawClient.connect(target.address);
    t.teardown(() => next[Symbol.dispose]());
    next.cmdSn = from.cmdSn;
    next.itt = from.itt + 100;
    const answer = await next.login({ ...identity, ...own }, { tsih, cid });
    return Object.assign(next, { status: answer.status });
  };
  const ended = async () => {
    while (closed.length === 0)
      await new Promise<void>((resolve) => {
        wakers.push(resolve);
      });
    return closed;
  };
  return { device, target, client, join, ended, lost: lost.promise };
}

/** Data-In from here to the status. */
async function readAll(client: RawClient) {
  const pieces: Received[] = [];
  for (;;) {
    const received = await client.next();
    const pdu = is(received, Opcode.DataIn);
    pieces.push(received!);
    if (pdu.hasStatus)
      return {
        first: is(pieces[0], Opcode.DataIn),
        last: pdu,
        data: Buffer.concat(pieces.map((piece) => piece.data)),
      };
  }
}

test("a read goes on over another connection, from the PDU that the initiator lacks (RFC 7143 §7.2.2)", async (t) => {
  const { client, join, target } = await setUp(t, { MaxRecvDataSegmentLength: "8192" });
  const itt = client.command(read(0, blocks), { read: true, edtl: blocks * 512 });
  const had: Buffer[] = [];
  for (let i = 0; i < 5; i++) had.push((await client.next())!.data);
  client.socket.resetAndDestroy();
  const next = await join(client, 1, { MaxRecvDataSegmentLength: "8192" });
  t.is(next.status, 0, "though MaxConnections is 1");
  next.logout(2, 0);
  t.like(is(await next.next(), Opcode.LogoutResponse), { response: 0 });
  const request = next.manage(reassign, { task: itt, expDataSn: 5 });
  t.like(is(await next.next(), Opcode.TmfResponse), { itt: request, response: 0 });
  const rest = await readAll(next);
  t.like(rest.first, { itt, dataSn: 5, bufferOffset: 5 * 8192 });
  t.true(Buffer.concat([...had, rest.data]).equals(pattern));
  t.is(target.sessions[0]?.tasks, 0);
});

test("data is cut anew where the other connection takes less at a time", async (t) => {
  const { client, join } = await setUp(t, { MaxRecvDataSegmentLength: "8192" });
  const itt = client.command(read(0, 64), { read: true, edtl: 32_768 });
  await client.next();
  client.socket.resetAndDestroy();
  const next = await join(client, 0, { MaxRecvDataSegmentLength: "1024" });
  next.manage(reassign, { task: itt, expDataSn: 1 });
  is(await next.next(), Opcode.TmfResponse);
  const rest = await readAll(next);
  t.like(rest.first, { dataSn: 1, bufferOffset: 8192, dataLength: 1024 });
  t.is(rest.last.dataSn, 24);
  t.true(rest.data.equals(pattern.subarray(8192, 32_768)));
});

test("a task stays with its connection until that is logged out (§11.5.1)", async (t) => {
  const { client, join } = await setUp(t);
  const itt = client.command(write(0, 1), { write: true, edtl: 512 });
  is(await client.next(), Opcode.R2t);
  const next = await join(client, 1);
  next.manage(reassign, { task: itt });
  t.like(is(await next.next(), Opcode.TmfResponse), { response: 3 }, "its connection lives");
  next.manage(reassign, { task: itt + 1 });
  t.like(is(await next.next(), Opcode.TmfResponse), { response: 1 }, "no such task");
  next.logout(2, 7);
  t.like(is(await next.next(), Opcode.LogoutResponse), { response: 1 }, "no such connection");
  next.logout(2, 0);
  t.like(is(await next.next(), Opcode.LogoutResponse), { response: 0, time2Wait: 2, time2Retain: 20 });
  await client.closed();
  next.manage(reassign, { task: itt, expDataSn: 2 });
  t.like(is(await next.next(), Opcode.TmfResponse), { response: 255 }, "an R2T that was never sent");
  next.manage(reassign, { task: itt, expDataSn: 1 });
  t.like(is(await next.next(), Opcode.TmfResponse), { response: 0 });
  const r2t = is(await next.next(), Opcode.R2t);
  t.like(r2t, { itt, r2tSn: 1, bufferOffset: 0, desiredLength: 512 });
  next.dataOut(itt, r2t.ttt, 0, Buffer.alloc(512, "w"));
  t.like(is(await next.next(), Opcode.ScsiResponse), { itt, status: 0 });
});

test("a write asks again for what has not come, and for nothing else", async (t) => {
  const { client, join, device, lost } = await setUp(t);
  const itt = client.command(write(0, 8), { write: true, edtl: 4096 });
  const r2t = is(await client.next(), Opcode.R2t);
  client.dataOut(itt, r2t.ttt, 0, Buffer.alloc(1024, "a"), { final: false });
  client.socket.end();
  await lost;
  const next = await join(client, 0);
  next.manage(reassign, { task: itt, expDataSn: 1 });
  is(await next.next(), Opcode.TmfResponse);
  const again = is(await next.next(), Opcode.R2t);
  t.like(again, { bufferOffset: 1024, desiredLength: 3072, r2tSn: 1 });
  next.dataOut(itt, again.ttt, 1024, Buffer.alloc(3072, "b"));
  t.like(is(await next.next(), Opcode.ScsiResponse), { itt, status: 0 });
  const held = Buffer.alloc(4096);
  await device.read(0, held);
  t.true(held.equals(Buffer.concat([Buffer.alloc(1024, "a"), Buffer.alloc(3072, "b")])));
});

test("a status that was not acknowledged comes again, with a StatSN of the other connection, and nothing is done twice", async (t) => {
  const { client, join, device } = await setUp(t, { ImmediateData: "Yes" });
  const before = device.writes;
  client.acknowledges = false;
  const itt = client.command(write(0, 1), { write: true, edtl: 512, data: Buffer.alloc(512, "x") });
  t.is(is(await client.next(), Opcode.ScsiResponse).itt, itt);
  const failing = client.command(read(blocks, 1), { read: true, edtl: 512 });
  const sense = (await client.next())!.data;
  client.socket.resetAndDestroy();
  const next = await join(client, 0);
  next.manage(reassign, { task: itt });
  is(await next.next(), Opcode.TmfResponse);
  const again = is(await next.next(), Opcode.ScsiResponse);
  t.like(again, { itt, status: 0 });
  t.is(next.expStatSn, again.statSn + 1);
  next.manage(reassign, { task: failing });
  is(await next.next(), Opcode.TmfResponse);
  const failed = await next.next();
  t.like(is(failed, Opcode.ScsiResponse), { itt: failing, status: 2 });
  t.deepEqual(failed?.data, sense);
  t.is(device.writes, before + 1);
  next.manage(reassign, { task: itt });
  t.like(is(await next.next(), Opcode.TmfResponse), { response: 1 }, "it is acknowledged now");
});

test("what was acknowledged is no task any more", async (t) => {
  const { client, join } = await setUp(t);
  const itt = client.command(tur);
  is(await client.next(), Opcode.ScsiResponse);
  client.send({
    opcode: Opcode.NopOut,
    immediate: true,
    itt: 9,
    lun: 0,
    cmdSn: client.cmdSn,
    expStatSn: client.expStatSn,
  });
  is(await client.next(), Opcode.NopIn);
  client.socket.resetAndDestroy();
  const next = await join(client, 0);
  next.manage(reassign, { task: itt });
  t.like(is(await next.next(), Opcode.TmfResponse), { response: 1 });
});

test("a command that was lost with its connection is sent again under its CmdSN (§7.2.1)", async (t) => {
  const { client, join, lost } = await setUp(t);
  client.command(tur);
  is(await client.next(), Opcode.ScsiResponse);
  client.socket.resetAndDestroy();
  await lost;
  const next = await join(client, 0);
  next.command(tur, { itt: 50, cmdSn: client.cmdSn + 1 });
  next.command(tur, { itt: 49, cmdSn: client.cmdSn });
  t.deepEqual(
    [is(await next.next(), Opcode.ScsiResponse).itt, is(await next.next(), Opcode.ScsiResponse).itt],
    [49, 50],
  );
});

test("after Time2Wait and Time2Retain the tasks are gone, and the session with its last connection", async (t) => {
  const { client, join, target, ended } = await setUp(
    t,
    { DefaultTime2Wait: "0", DefaultTime2Retain: "0" },
    { DefaultTime2Wait: 0 },
  );
  const itt = client.command(write(0, 1), { write: true, edtl: 512 });
  is(await client.next(), Opcode.R2t);
  client.socket.resetAndDestroy();
  t.deepEqual(await ended(), ["not recovered"]);
  t.is(target.sessions.length, 0);
  const next = await join(client, 0);
  t.is(next.status, 0x020a, `no session that task ${itt} could go on in`);
});

test("below level 2 nothing outlives its connection, and says so", async (t) => {
  const { client, join, target, ended } = await setUp(t, { ErrorRecoveryLevel: "1" });
  client.manage(reassign, { task: 3 });
  t.like(is(await client.next(), Opcode.TmfResponse), { response: 4 });
  client.logout(2, 0);
  t.like(is(await client.next(), Opcode.LogoutResponse), { response: 2 });
  client.command(write(0, 1), { write: true, edtl: 512 });
  is(await client.next(), Opcode.R2t);
  const again = await join(client, 0);
  t.is(again.status, 0, "its connection is reinstated (§6.3.4)");
  await client.closed();
  t.is(target.sessions[0]?.tasks, 0);
  const itt = again.command(tur);
  t.is(is(await again.next(), Opcode.ScsiResponse).itt, itt);
  again.socket.resetAndDestroy();
  t.deepEqual(await ended(), ["RST"]);
});

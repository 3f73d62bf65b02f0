import test, { type ExecutionContext } from "ava";
import { MemoryDevice } from "#block";
import { SeededRandom } from "#core";
import { encodeCdb } from "#scsi";
import { Target, type TargetLimits } from "#target";
import { Opcode, RESERVED_TAG } from "ts-iscsi-pdu";
import { iqn } from "./clients.ts";
import { RawClient, identity, is, type Received } from "./raw-client.ts";

const blocks = 4096;
const read = (lba: number, count: number) => encodeCdb("read10", { lba, blocks: count });
const write = (lba: number, count: number) => encodeCdb("write10", { lba, blocks: count });
const pattern = Buffer.from(new SeededRandom(7).bytes(blocks * 512));

async function setUp(
  t: ExecutionContext,
  keys: Readonly<Record<string, string>> = {},
  limits: Partial<TargetLimits> = {},
) {
  const device = new MemoryDevice(blocks * 512);
  await device.write(0, pattern);
  const target = await Target.listen({
    iqn,
    luns: [{ lun: 1, device }],
    keys: { ErrorRecoveryLevel: 2 },
    limits,
  });
  t.teardown(() => target[Symbol.asyncDispose]());
  const client = await RawClient.connect(target.address);
  t.teardown(() => client[Symbol.dispose]());
  const login = await client.login({ ...identity, ErrorRecoveryLevel: "1", ...keys });
  t.is(login.status, 0);
  const headerDigest = keys["HeaderDigest"] === "CRC32C";
  const dataDigest = keys["DataDigest"] === "CRC32C";
  client.useDigests({ headerDigest, dataDigest });
  return { device, target, client, login };
}

async function take(client: RawClient, count: number): Promise<readonly Received[]> {
  const list: Received[] = [];
  for (let i = 0; i < count; i++) {
    const received = await client.next();
    if (received === undefined) throw new Error(`only ${i} of ${count} PDUs`);
    list.push(received);
  }
  return list;
}

/** What must be the same when a PDU is sent again: all but the command window. */
const replica = ({ pdu, data }: Received) => ({
  ...pdu,
  expCmdSn: 0,
  maxCmdSn: 0,
  data: data.toString("hex"),
});

const dataOut = (
  client: RawClient,
  itt: number,
  ttt: number,
  bufferOffset: number,
  dataSn: number,
  final: boolean,
) =>
  ({
    opcode: Opcode.DataOut,
    itt,
    ttt,
    lun: ttt === RESERVED_TAG ? 0 : 1,
    final,
    expStatSn: client.expStatSn,
    dataSn,
    bufferOffset,
  }) as const;

const text = "rescued-".repeat(256);
const fresh = Buffer.from(text);

async function stored(device: MemoryDevice, length: number): Promise<Buffer> {
  const held = Buffer.alloc(length);
  await device.read(0, held);
  return held;
}

test("the level is the lower of both wishes, and 0 unless this side is told otherwise", async (t) => {
  const { login } = await setUp(t);
  t.is(login.keys.get("ErrorRecoveryLevel"), "1");
  const target = await Target.listen({ iqn, luns: [{ lun: 1, device: new MemoryDevice(512) }] });
  t.teardown(() => target[Symbol.asyncDispose]());
  using plain = await RawClient.connect(target.address);
  t.is((await plain.login({ ...identity, ErrorRecoveryLevel: "2" })).keys.get("ErrorRecoveryLevel"), "0");
  plain.snack(1);
  t.like(is(await plain.next(), Opcode.Reject), { reason: 3 });
});

for (const [name, lost] of [
  ["first", 0],
  ["middle", 1],
  ["last", 3],
] as const)
  test(`a solicited Data-Out with a wrong data digest, the ${name}, is asked for again (RFC 7143 §7.8)`, async (t) => {
    const { client, device } = await setUp(t, {
      DataDigest: "CRC32C",
      InitialR2T: "Yes",
      ImmediateData: "No",
    });
    const itt = client.command(write(0, 4), { write: true, edtl: 2048 });
    const r2t = is(await client.next(), Opcode.R2t);
    for (let i = 0; i < 4; i++) {
      const header = dataOut(client, itt, r2t.ttt, i * 512, i, i === 3);
      const piece = fresh.subarray(i * 512, (i + 1) * 512);
      if (i === lost) client.sendDamaged("data", header, piece);
      else client.send(header, piece);
    }
    const reject = await client.next();
    t.like(is(reject, Opcode.Reject), { reason: 2 });
    t.is(reject?.data.readUInt32BE(40), lost * 512, "the header of the PDU that was lost");
    const again = is(await client.next(), Opcode.R2t);
    t.like(again, { bufferOffset: lost * 512, desiredLength: 512, r2tSn: 1 });
    t.not(again.ttt, r2t.ttt);
    client.dataOut(itt, again.ttt, lost * 512, fresh.subarray(lost * 512, (lost + 1) * 512));
    t.like(is(await client.next(), Opcode.ScsiResponse), { itt, status: 0, expDataSn: 2 });
    t.true((await stored(device, 2048)).equals(fresh));
  });

test("unsolicited data that is lost is asked for by R2T, together with what was never sent", async (t) => {
  const { client, device } = await setUp(t, {
    DataDigest: "CRC32C",
    InitialR2T: "No",
    ImmediateData: "Yes",
    FirstBurstLength: "1536",
  });
  const itt = client.command(write(0, 4), {
    write: true,
    edtl: 2048,
    final: false,
    data: fresh.subarray(0, 512),
  });
  client.sendDamaged("data", dataOut(client, itt, RESERVED_TAG, 512, 0, false), fresh.subarray(512, 1024));
  client.send(dataOut(client, itt, RESERVED_TAG, 1024, 1, true), fresh.subarray(1024, 1536));
  is(await client.next(), Opcode.Reject);
  const lost = is(await client.next(), Opcode.R2t);
  t.like(lost, { bufferOffset: 512, desiredLength: 512, r2tSn: 0 });
  client.dataOut(itt, lost.ttt, 512, fresh.subarray(512, 1024));
  const rest = is(await client.next(), Opcode.R2t);
  t.like(rest, { bufferOffset: 1536, desiredLength: 512, r2tSn: 1 });
  client.dataOut(itt, rest.ttt, 1536, fresh.subarray(1536));
  t.like(is(await client.next(), Opcode.ScsiResponse), { itt, status: 0 });
  t.true((await stored(device, 2048)).equals(fresh));
});

test("a command whose immediate data is damaged is rejected, and done when it comes again (§7.8)", async (t) => {
  const { client, device } = await setUp(t, { DataDigest: "CRC32C" });
  const command = {
    opcode: Opcode.ScsiCommand,
    lun: 1,
    attribute: 1,
    itt: 77,
    cmdSn: client.cmdSn,
    expStatSn: client.expStatSn,
    cdb: write(0, 4),
    write: true,
    edtl: 2048,
    final: true,
  } as const;
  client.sendDamaged("data", command, fresh);
  t.like(is(await client.next(), Opcode.Reject), { reason: 2, expCmdSn: 1 });
  t.true((await stored(device, 2048)).equals(pattern.subarray(0, 2048)));
  client.send(command, fresh);
  t.like(is(await client.next(), Opcode.ScsiResponse), { itt: 77, status: 0, expCmdSn: 2 });
  client.send(command, fresh);
  client.cmdSn = 2;
  const next = client.command(encodeCdb("testUnitReady", {}));
  t.is(is(await client.next(), Opcode.ScsiResponse).itt, next, "a command that has come already is ignored");
  t.true((await stored(device, 2048)).equals(fresh));
});

test("a header that is damaged is dropped without a word, and the next PDU is found (§7.8)", async (t) => {
  const { client } = await setUp(t, { HeaderDigest: "CRC32C", DataDigest: "CRC32C" });
  const nop = (itt: number, immediate: boolean) =>
    ({ opcode: Opcode.NopOut, immediate, itt, lun: 0, cmdSn: 1, expStatSn: client.expStatSn }) as const;
  client.sendDamaged("header", nop(5, true), Buffer.from("a ping that is lost"));
  client.send(nop(6, true), Buffer.from("one that is not"));
  const echo = await client.next();
  t.is(is(echo, Opcode.NopIn).itt, 6);
  t.is(echo?.data.toString(), "one that is not");
});

test("a last Data-Out that is lost with its header is missed after a time of silence (§7.1.4.1)", async (t) => {
  const { client, device } = await setUp(
    t,
    { HeaderDigest: "CRC32C", InitialR2T: "Yes", ImmediateData: "No" },
    { dataOutTimeout: 400 },
  );
  const itt = client.command(write(0, 4), { write: true, edtl: 2048 });
  const r2t = is(await client.next(), Opcode.R2t);
  client.send(dataOut(client, itt, r2t.ttt, 0, 0, false), fresh.subarray(0, 1024));
  client.sendDamaged("header", dataOut(client, itt, r2t.ttt, 1024, 1, true), fresh.subarray(1024));
  // On a slow machine even the first half may count as late: whatever is asked for, is sent.
  for (let received = await client.next(); ; received = await client.next()) {
    if (received?.pdu.opcode === Opcode.ScsiResponse) {
      t.is(received.pdu.status, 0);
      break;
    }
    const { ttt, bufferOffset, desiredLength } = is(received, Opcode.R2t);
    client.dataOut(itt, ttt, bufferOffset, fresh.subarray(bufferOffset, bufferOffset + desiredLength));
  }
  t.true((await stored(device, 2048)).equals(fresh));
});

test("data that never comes ends the command with PROTOCOL SERVICE CRC ERROR", async (t) => {
  const { client, device } = await setUp(
    t,
    { InitialR2T: "Yes", ImmediateData: "No" },
    { dataOutTimeout: 10 },
  );
  client.command(write(0, 4), { write: true, edtl: 2048 });
  const received = await take(client, 9);
  t.deepEqual(
    received.map(({ pdu }) => pdu.opcode),
    [...Array.from({ length: 8 }, () => Opcode.R2t), Opcode.ScsiResponse],
  );
  t.is(received.at(-1)?.data.subarray(2).toString("hex").slice(0, 28), "70000b000000000a000000004705");
  t.true((await stored(device, 2048)).equals(pattern.subarray(0, 2048)));
});

test("responses are sent again under their StatSN, until they are acknowledged (§11.16)", async (t) => {
  const { client } = await setUp(t);
  client.acknowledges = false;
  const first = client.expStatSn;
  for (let i = 0; i < 3; i++) client.command(encodeCdb("testUnitReady", {}));
  const answers = await take(client, 3);
  client.snack(1, { begRun: first + 1, runLength: 1 });
  t.deepEqual(replica((await take(client, 1))[0]!), replica(answers[1]!));
  client.snack(1);
  t.deepEqual((await take(client, 3)).map(replica), answers.map(replica));
  client.snack(1, { begRun: first + 3, runLength: 1 });
  t.like(is(await client.next(), Opcode.Reject), { reason: 4 }, "never sent");
  client.expStatSn = first + 2;
  client.snack(1, { begRun: first + 1, runLength: 1 });
  t.like(is(await client.next(), Opcode.Reject), { reason: 4 }, "acknowledged");
  client.snack(1, { begRun: first + 2, runLength: 1 });
  t.deepEqual(replica((await take(client, 1))[0]!), replica(answers[2]!));
});

test("Data-In is sent again as it was, also the last with its status (§11.16)", async (t) => {
  const { client } = await setUp(t, { MaxRecvDataSegmentLength: "512" });
  client.acknowledges = false;
  const itt = client.command(read(8, 8), { read: true, edtl: 4096 });
  const sent = await take(client, 8);
  t.true(is(sent[7], Opcode.DataIn).hasStatus);
  client.snack(0, { itt, begRun: 2, runLength: 3 });
  t.deepEqual((await take(client, 3)).map(replica), sent.slice(2, 5).map(replica));
  client.snack(0, { itt, begRun: 6 });
  t.deepEqual((await take(client, 2)).map(replica), sent.slice(6).map(replica));
  client.snack(0, { itt });
  t.deepEqual((await take(client, 8)).map(replica), sent.map(replica));
  client.snack(1);
  t.deepEqual(
    (await take(client, 1)).map(replica),
    sent.slice(7).map(replica),
    "its status is asked for alone",
  );
  client.snack(0, { itt, begRun: 7, runLength: 2 });
  t.like(is(await client.next(), Opcode.Reject), { reason: 4 }, "never sent");
  client.expStatSn += 1;
  client.snack(0, { itt });
  t.like(is(await client.next(), Opcode.Reject), { reason: 4 }, "the whole task is acknowledged");
});

test("long reads ask to be acknowledged once a MaxBurstLength, and what was acknowledged is gone (§11.7.2)", async (t) => {
  const { client } = await setUp(t, { MaxRecvDataSegmentLength: "1024", MaxBurstLength: "2048" });
  client.acknowledges = false;
  const itt = client.command(read(0, 16), { read: true, edtl: 8192 });
  const sent = (await take(client, 8)).map((received) => is(received, Opcode.DataIn));
  t.deepEqual(
    sent.map(({ acknowledge, final, hasStatus }) => [acknowledge, final, hasStatus]),
    [0, 1, 2, 3, 4, 5, 6, 7].map((i) => [i % 2 === 1 && i < 7, i % 2 === 1, i === 7]),
  );
  const { ttt, lun } = sent[1]!;
  t.not(ttt, RESERVED_TAG);
  t.is(lun, 1);
  client.snack(2, { ttt, begRun: 4 });
  client.snack(0, { itt, begRun: 3, runLength: 1 });
  t.like(is(await client.next(), Opcode.Reject), { reason: 4 }, "acknowledged");
  client.snack(0, { itt });
  t.deepEqual(
    (await take(client, 4)).map((received) => is(received, Opcode.DataIn).dataSn),
    [4, 5, 6, 7],
  );
  client.snack(2, { ttt, begRun: 9 });
  t.like(is(await client.next(), Opcode.Reject), { reason: 8 }, "acknowledges what never came");
  client.snack(2, { ttt: ttt + 1000, begRun: 5 });
  t.like(is(await client.next(), Opcode.Reject), { reason: 8 }, "a tag that nobody gave");
});

test("after the segment length has changed, data comes in new sizes and its response carries the tag (§11.16.3)", async (t) => {
  const { client } = await setUp(t, { MaxRecvDataSegmentLength: "2048" });
  client.acknowledges = false;
  const itt = client.command(read(0, 8), { read: true, edtl: 4096 });
  const sent = await take(client, 2);
  const status = is(sent[1], Opcode.DataIn);
  client.send(
    { opcode: Opcode.TextRequest, itt: 900, lun: 0, cmdSn: client.cmdSn, expStatSn: client.expStatSn },
    Buffer.from("MaxRecvDataSegmentLength=1024\0"),
  );
  client.cmdSn += 1;
  is(await client.next(), Opcode.TextResponse);
  client.snack(3, { itt, ttt: 0xabc });
  const again = await take(client, 5);
  t.deepEqual(
    again.slice(0, 4).map((received) => {
      const { dataSn, dataLength, hasStatus } = is(received, Opcode.DataIn);
      return [dataSn, dataLength, hasStatus];
    }),
    [0, 1, 2, 3].map((dataSn) => [dataSn, 1024, false]),
  );
  t.true(Buffer.concat(again.map(({ data }) => data)).equals(pattern.subarray(0, 4096)));
  const response = is(again[4], Opcode.ScsiResponse);
  t.like(response, { snackTag: 0xabc, statSn: status.statSn, expDataSn: 4, status: 0 });
  client.snack(1, { begRun: status.statSn, runLength: 1 });
  t.like(is(await client.next(), Opcode.ScsiResponse), { snackTag: 0xabc, statSn: status.statSn });
});

test("an R2T that was lost is sent again with its tag while its data is open", async (t) => {
  const { client } = await setUp(t, { InitialR2T: "Yes", ImmediateData: "No" });
  const itt = client.command(write(0, 1), { write: true, edtl: 512 });
  const r2t = is(await client.next(), Opcode.R2t);
  client.snack(0, { itt });
  t.deepEqual(is(await client.next(), Opcode.R2t), r2t);
  client.snack(0, { itt, begRun: 1, runLength: 1 });
  t.like(is(await client.next(), Opcode.Reject), { reason: 4 });
  client.dataOut(itt, r2t.ttt, 0, fresh.subarray(0, 512));
  t.like(is(await client.next(), Opcode.ScsiResponse), { itt, status: 0 });
});

test("with recovery only one R2T is open at a time, as sequences come in order (§13.19)", async (t) => {
  const { client } = await setUp(t, {
    InitialR2T: "Yes",
    ImmediateData: "No",
    MaxBurstLength: "512",
    MaxOutstandingR2T: "4",
  });
  const itt = client.command(write(0, 2), { write: true, edtl: 1024 });
  const first = is(await client.next(), Opcode.R2t);
  client.send({
    opcode: Opcode.NopOut,
    immediate: true,
    itt: 99,
    lun: 0,
    cmdSn: client.cmdSn,
    expStatSn: client.expStatSn,
  });
  is(await client.next(), Opcode.NopIn);
  client.dataOut(itt, first.ttt, 0, fresh.subarray(0, 512));
  const second = is(await client.next(), Opcode.R2t);
  client.dataOut(itt, second.ttt, 512, fresh.subarray(512, 1024));
  t.is(is(await client.next(), Opcode.ScsiResponse).status, 0);
});

test("what is kept is bounded: of more than that only the newest can be had again", async (t) => {
  const { client } = await setUp(t, { MaxRecvDataSegmentLength: "4096" }, { retainBytes: 20_000 });
  client.acknowledges = false;
  const itt = client.command(read(0, 64), { read: true, edtl: 32_768 });
  const sent = await take(client, 8);
  client.snack(0, { itt });
  t.like(is(await client.next(), Opcode.Reject), { reason: 3 });
  client.snack(0, { itt, begRun: 5, runLength: 3 });
  t.deepEqual((await take(client, 3)).map(replica), sent.slice(5).map(replica));
  client.command(read(0, 64), { read: true, edtl: 32_768 });
  await take(client, 8);
  client.snack(1, { begRun: is(sent[7], Opcode.DataIn).statSn, runLength: 1 });
  t.like(is(await client.next(), Opcode.Reject), { reason: 3 }, "the status went with its data");
});

import { setImmediate } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { MemoryDevice } from "#block";
import { encodeCdb } from "#scsi";
import { Target, type TargetOptions } from "#target";
import { Opcode, RESERVED_TAG, type PduFields } from "ts-iscsi-pdu";
import { iqn } from "./clients.ts";
import { RawClient, identity, type Received } from "./raw-client.ts";

const mebibyte = 1024 * 1024;

interface Setup {
  readonly device: MemoryDevice;
  readonly target: Target;
  readonly events: { readonly kind: string; readonly data: Readonly<Record<string, unknown>> }[];
}

async function setUp(t: ExecutionContext, options: Partial<TargetOptions> = {}): Promise<Setup> {
  const device = new MemoryDevice(16 * mebibyte);
  const events: Setup["events"] = [];
  const report = (kind: string, data: Readonly<Record<string, unknown>>) => events.push({ kind, data });
  const target = await Target.listen({ iqn, luns: [{ lun: 1, device }], report, ...options });
  t.teardown(() => target[Symbol.asyncDispose]());
  return { device, target, events };
}

async function loggedIn(
  t: ExecutionContext,
  { target }: Setup,
  keys: Readonly<Record<string, string>> = {},
): Promise<RawClient> {
  const client = await RawClient.connect(target.address);
  t.teardown(() => client[Symbol.dispose]());
  const answer = await client.login({ ...identity, ...keys });
  t.is(answer.status, 0);
  return client;
}

function is<O extends PduFields["opcode"]>(
  received: Received | undefined,
  opcode: O,
): Extract<PduFields, { opcode: O }> {
  if (received?.pdu.opcode !== opcode)
    throw new Error(`expected opcode ${opcode}, got ${received?.pdu.opcode}`);
  return received.pdu as Extract<PduFields, { opcode: O }>;
}

const write = (lba: number, blocks: number) => encodeCdb("write10", { lba, blocks });
const read = (lba: number, blocks: number) => encodeCdb("read10", { lba, blocks });

test("keys are answered by their result functions, unknown and obsolete ones politely (RFC 7143 §6.2, §13)", async (t) => {
  const { target } = await setUp(t);
  using client = await RawClient.connect(target.address);
  const answer = await client.login({
    ...identity,
    HeaderDigest: "CRC32C,None",
    MaxBurstLength: "4096",
    FirstBurstLength: "2048",
    InitialR2T: "Yes",
    ImmediateData: "Yes",
    MaxOutstandingR2T: "100",
    DefaultTime2Wait: "5",
    ErrorRecoveryLevel: "0",
    "X-org.example.key": "1",
    IFMarker: "No",
    MaxConnections: "0",
  });
  t.deepEqual(Object.fromEntries(answer.keys), {
    TargetPortalGroupTag: "1",
    HeaderDigest: "CRC32C",
    MaxBurstLength: "4096",
    FirstBurstLength: "2048",
    InitialR2T: "Yes",
    ImmediateData: "Yes",
    MaxOutstandingR2T: "4",
    DefaultTime2Wait: "5",
    ErrorRecoveryLevel: "0",
    "X-org.example.key": "NotUnderstood",
    IFMarker: "No",
    MaxConnections: "Reject",
    MaxRecvDataSegmentLength: "262144",
  });
  t.true(answer.transit);
  t.not(answer.tsih, 0);
});

interface Refused {
  readonly keys: Readonly<Record<string, string>>;
  readonly status: number;
  readonly stage?: { readonly csg?: number; readonly tsih?: number };
  readonly options?: Partial<TargetOptions>;
}

const refused = test.macro(async (t, { keys, status, stage, options }: Refused) => {
  const setup = await setUp(t, options);
  using client = await RawClient.connect(setup.target.address);
  const answer = await client.login(keys, stage);
  t.is(answer.status, status);
  await client.closed();
  const told = setup.events.find(({ kind }) => kind === "login-refused")?.data;
  t.like(told, { class: status >> 8, detail: status & 0xff });
});
const name = { InitiatorName: identity.InitiatorName };
test("a login without a name", refused, { keys: { TargetName: iqn }, status: 0x0207 });
test("a login to nothing", refused, { keys: name, status: 0x0207 });
test("a login to an unknown target", refused, {
  keys: { ...name, TargetName: `${iqn}.none` },
  status: 0x0203,
});
test("an unknown session type", refused, { keys: { ...identity, SessionType: "Odd" }, status: 0x0209 });
test("a session that does not exist", refused, { keys: identity, status: 0x020a, stage: { tsih: 77 } });
test("a stage that does not exist", refused, { keys: identity, status: 0x020b, stage: { csg: 2 } });
test("an initiator that is not on the list", refused, {
  keys: identity,
  status: 0x0202,
  options: { initiators: ["iqn.2026-01.org.sanlab:other"] },
});
test("no authentication where it is demanded", refused, {
  keys: identity,
  status: 0x0201,
  options: { auth: { users: { me: "secret-of-sixteen" } } },
});
test("a target that has moved", refused, {
  keys: identity,
  status: 0x0102,
  options: { redirect: { address: "192.0.2.1:3260,1", permanent: true } },
});

test("a write gets R2Ts of at most MaxBurstLength, as many at a time as agreed, and lands (RFC 7143 §11.8)", async (t) => {
  const setup = await setUp(t);
  const client = await loggedIn(t, setup, {
    InitialR2T: "Yes",
    ImmediateData: "No",
    MaxBurstLength: "8192",
    MaxOutstandingR2T: "2",
  });
  const content = Buffer.alloc(32_768, "abcdefgh");
  const itt = client.command(write(10, 64), { write: true, edtl: content.length });
  for (let at = 0; at < content.length; at += 16_384) {
    const pair = [is(await client.next(), Opcode.R2t), is(await client.next(), Opcode.R2t)];
    t.deepEqual(
      pair.map((r2t) => [r2t.itt, r2t.bufferOffset, r2t.desiredLength, r2t.r2tSn]),
      [
        [itt, at, 8192, at / 8192],
        [itt, at + 8192, 8192, at / 8192 + 1],
      ],
    );
    for (const r2t of pair)
      client.dataOut(
        itt,
        r2t.ttt,
        r2t.bufferOffset,
        content.subarray(r2t.bufferOffset, r2t.bufferOffset + 8192),
      );
  }
  const response = is(await client.next(), Opcode.ScsiResponse);
  t.like(response, { itt, status: 0, residualCount: 0, expDataSn: 4 });
  const held = Buffer.alloc(content.length);
  await setup.device.read(10 * 512, held);
  t.true(held.equals(content));
});

test("immediate and unsolicited data need no R2T (RFC 7143 §11.7)", async (t) => {
  const setup = await setUp(t);
  const client = await loggedIn(t, setup, { InitialR2T: "No", FirstBurstLength: "4096" });
  const content = Buffer.alloc(4096, "unsolicited");
  const itt = client.command(write(0, 8), {
    write: true,
    final: false,
    edtl: 4096,
    data: content.subarray(0, 1024),
  });
  client.dataOut(itt, RESERVED_TAG, 1024, content.subarray(1024, 2048), { final: false });
  client.dataOut(itt, RESERVED_TAG, 2048, content.subarray(2048), { dataSn: 1 });
  t.like(is(await client.next(), Opcode.ScsiResponse), { itt, status: 0 });
  const held = Buffer.alloc(4096);
  await setup.device.read(0, held);
  t.true(held.equals(content));
});

test("a read is cut by MaxRecvDataSegmentLength and MaxBurstLength, its status comes with the last piece (RFC 7143 §11.7.3)", async (t) => {
  const setup = await setUp(t);
  const client = await loggedIn(t, setup, { MaxRecvDataSegmentLength: "1024", MaxBurstLength: "2048" });
  const itt = client.command(read(0, 8), { read: true, edtl: 4096 });
  const pieces = [];
  for (let i = 0; i < 4; i++) pieces.push(is(await client.next(), Opcode.DataIn));
  t.deepEqual(
    pieces.map(({ dataSn, bufferOffset, dataLength, final, hasStatus }) => [
      dataSn,
      bufferOffset,
      dataLength,
      final,
      hasStatus,
    ]),
    [
      [0, 0, 1024, false, false],
      [1, 1024, 1024, true, false],
      [2, 2048, 1024, false, false],
      [3, 3072, 1024, true, true],
    ],
  );
  t.is(pieces[3]!.itt, itt);
});

test("commands are carried out in the order of CmdSN, and none outside of the window (RFC 7143 §4.2.2.1)", async (t) => {
  const setup = await setUp(t, { limits: { queueDepth: 4 } });
  const client = await loggedIn(t, setup);
  const tur = encodeCdb("testUnitReady", {});
  client.command(tur, { itt: 12, cmdSn: 2 });
  client.command(tur, { itt: 19, cmdSn: 9 });
  client.command(tur, { itt: 11, cmdSn: 1 });
  client.cmdSn = 3;
  t.is(is(await client.next(), Opcode.ScsiResponse).itt, 11);
  t.is(is(await client.next(), Opcode.ScsiResponse).itt, 12);
  client.send(
    { opcode: Opcode.NopOut, immediate: true, itt: 99, lun: 0, cmdSn: 3, expStatSn: client.expStatSn },
    Buffer.from("ping"),
  );
  const echo = await client.next();
  t.like(is(echo, Opcode.NopIn), { itt: 99, expCmdSn: 3, maxCmdSn: 6 });
  t.is(echo?.data.toString(), "ping");
});

test("Data-Out out of sequence ends its command with DATA PHASE ERROR and nothing is written", async (t) => {
  const setup = await setUp(t);
  const client = await loggedIn(t, setup, { InitialR2T: "Yes", ImmediateData: "No" });
  const itt = client.command(write(0, 2), { write: true, edtl: 1024 });
  const r2t = is(await client.next(), Opcode.R2t);
  client.dataOut(itt, r2t.ttt, 512, Buffer.alloc(512, "x"));
  const response = await client.next();
  t.is(is(response, Opcode.ScsiResponse).status, 2);
  t.is(response?.data.subarray(2).toString("hex").slice(0, 28), "70000b000000000a000000004b00");
  const held = Buffer.alloc(1024);
  await setup.device.read(0, held);
  t.true(held.equals(Buffer.alloc(1024)));
});

for (const [name, blockSize, immediate, MaxBurstLength] of [
  ["immediate data that ends inside a block", 512, 135, "4096"],
  ["bursts that end inside a block", 512, 0, "1000"],
  ["bursts shorter than a block", 4096, 1000, "1024"],
] as const)
  test(`a write lands whole with ${name}`, async (t) => {
    const device = new MemoryDevice(64 * 1024, { blockSize });
    const setup = await setUp(t, { luns: [{ lun: 1, device }] });
    const client = await loggedIn(t, setup, { MaxBurstLength, FirstBurstLength: "512", InitialR2T: "Yes" });
    const data = Buffer.from(Array.from({ length: 8192 }, (_, at) => (at * 7) & 0xff));
    const first = Math.min(immediate, 512);
    const itt = client.command(write(0, 8192 / blockSize), {
      write: true,
      edtl: 8192,
      ...(first > 0 && { data: data.subarray(0, first) }),
    });
    for (;;) {
      const answer = await client.next();
      if (answer?.pdu.opcode === Opcode.ScsiResponse) {
        t.is(answer.pdu.status, 0);
        break;
      }
      const { ttt, bufferOffset, desiredLength } = is(answer, Opcode.R2t);
      t.true(desiredLength <= Number(MaxBurstLength));
      client.dataOut(itt, ttt, bufferOffset, data.subarray(bufferOffset, bufferOffset + desiredLength));
    }
    const held = Buffer.alloc(8192);
    await device.read(0, held);
    t.true(held.equals(data));
  });

test("a task is aborted before its data comes, and late data of it harms nothing (RFC 7143 §11.5)", async (t) => {
  const setup = await setUp(t);
  const client = await loggedIn(t, setup, { InitialR2T: "Yes", ImmediateData: "No" });
  const itt = client.command(write(0, 1), { write: true, edtl: 512 });
  const r2t = is(await client.next(), Opcode.R2t);
  client.send({
    opcode: Opcode.TmfRequest,
    immediate: true,
    itt: 500,
    function: 1,
    lun: 1,
    referencedTaskTag: itt,
    refCmdSn: 1,
    cmdSn: client.cmdSn,
    expStatSn: client.expStatSn,
  });
  t.like(is(await client.next(), Opcode.TmfResponse), { itt: 500, response: 0 });
  client.dataOut(itt, r2t.ttt, 0, Buffer.alloc(512, "late"));
  client.send({
    opcode: Opcode.TmfRequest,
    immediate: true,
    itt: 501,
    function: 1,
    lun: 1,
    referencedTaskTag: itt,
    refCmdSn: 1,
    cmdSn: client.cmdSn,
    expStatSn: client.expStatSn,
  });
  t.like(is(await client.next(), Opcode.TmfResponse), { itt: 501, response: 1 });
  const held = Buffer.alloc(512);
  await setup.device.read(0, held);
  t.true(held.equals(Buffer.alloc(512)));
});

test("the same initiator port again ends the old session (RFC 7143 §6.3.5)", async (t) => {
  const setup = await setUp(t);
  const first = await loggedIn(t, setup);
  await loggedIn(t, setup);
  await first.closed();
  t.deepEqual(
    setup.events.filter(({ kind }) => kind === "session-closed").map(({ data }) => data["how"]),
    ["reinstated"],
  );
  t.is(setup.target.sessions.length, 1);
});

test("two connections carry one session, in one order of CmdSN (RFC 7143 §4.2.2.1)", async (t) => {
  const setup = await setUp(t, { keys: { MaxConnections: 2 } });
  const leading = await RawClient.connect(setup.target.address);
  t.teardown(() => leading[Symbol.dispose]());
  const { tsih, keys } = await leading.login({ ...identity, MaxConnections: "8" });
  t.is(keys.get("MaxConnections"), "2");
  using second = await RawClient.connect(setup.target.address);
  second.cmdSn = 77;
  const negotiating = await second.login(identity, { tsih, cid: 1, transit: false, nsg: 0 });
  t.like(
    negotiating,
    { status: 0, expCmdSn: 1, maxCmdSn: 128 },
    "the session's numbers, not those of the request",
  );
  second.cmdSn = 1;
  t.is((await second.login({}, { tsih, cid: 1 })).status, 0);
  using third = await RawClient.connect(setup.target.address);
  t.is((await third.login(identity, { tsih, cid: 2 })).status, 0x0206);
  const tur = encodeCdb("testUnitReady", {});
  second.command(tur, { itt: 2, cmdSn: 2 });
  await setImmediate();
  leading.command(tur, { itt: 1, cmdSn: 1 });
  t.is(is(await leading.next(), Opcode.ScsiResponse).itt, 1);
  t.is(is(await second.next(), Opcode.ScsiResponse).itt, 2);
  second.socket.destroy();
  second.itt = 5;
  const nop = {
    opcode: Opcode.NopOut,
    immediate: true,
    itt: 9,
    lun: 0,
    cmdSn: 3,
    expStatSn: leading.expStatSn,
  } as const;
  leading.send(nop);
  t.is(is(await leading.next(), Opcode.NopIn).itt, 9);
  t.is(setup.target.sessions.length, 1);
});

test("SendTargets names every target and portal; a long answer comes in pieces (RFC 7143 §11.10, appendix C)", async (t) => {
  const device = new MemoryDevice(mebibyte);
  const others = Array.from({ length: 40 }, (_, i) => ({ iqn: `${iqn}.${i}`, luns: [{ lun: 0, device }] }));
  const setup = await setUp(t, { others, portals: [{}] });
  using client = await RawClient.connect(setup.target.address);
  t.is(
    (
      await client.login({
        InitiatorName: "iqn.2026-01.a:b",
        SessionType: "Discovery",
        MaxRecvDataSegmentLength: "512",
      })
    ).status,
    0,
  );
  let text = "";
  let ttt: number = RESERVED_TAG;
  for (;;) {
    client.send(
      { opcode: Opcode.TextRequest, itt: 7, lun: 0, ttt, cmdSn: client.cmdSn, expStatSn: client.expStatSn },
      ttt === RESERVED_TAG ? Buffer.from("SendTargets=All\0") : undefined,
    );
    client.cmdSn += 1;
    const answer = await client.next();
    const pdu = is(answer, Opcode.TextResponse);
    text += answer!.data.toString();
    t.true(answer!.data.length <= 512);
    if (pdu.final) break;
    ttt = pdu.ttt;
  }
  const [a, b] = setup.target.addresses;
  t.is(text.split("\0").filter((line) => line.startsWith("TargetName=")).length, 41);
  t.true(
    text.startsWith(
      `TargetName=${iqn}\0TargetAddress=127.0.0.1:${a!.port},1\0TargetAddress=127.0.0.1:${b!.port},1\0`,
    ),
  );
});

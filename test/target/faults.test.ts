import test, { type ExecutionContext } from "ava";
import { MemoryDevice } from "#block";
import { readFaultPlan } from "#faults";
import { encodeCdb } from "#scsi";
import { Target } from "#target";
import { Opcode, RESERVED_TAG } from "ts-iscsi-pdu";
import { client as run, iqn, url } from "./clients.ts";
import { RawClient, identity } from "./raw-client.ts";

const tur = encodeCdb("testUnitReady", {});
const read = encodeCdb("read10", { lba: 64, blocks: 1 });

async function setUp(
  t: ExecutionContext,
  on: string,
  action: string,
  keys: Readonly<Record<string, string>> = {},
) {
  const device = new MemoryDevice(1024 * 1024);
  const faults: Readonly<Record<string, unknown>>[] = [];
  const yaml = `seed: 7\nrules:\n  - { id: f, on: ${on}, when: { times: 1 }, do: ${action} }\n`;
  const target = await Target.listen({
    iqn,
    luns: [{ lun: 1, device }],
    faults: readFaultPlan(yaml, "faults.yaml"),
    report: (kind, data) => {
      if (kind === "fault") faults.push(data);
    },
  });
  t.teardown(() => target[Symbol.asyncDispose]());
  const client = await RawClient.connect(target.address);
  t.teardown(() => client[Symbol.dispose]());
  const login = client.login({ ...identity, ...keys });
  return { target, client, login, faults };
}

async function opcodes(client: RawClient, count: number): Promise<readonly (number | undefined)[]> {
  const list = [];
  for (let i = 0; i < count; i++) {
    const received = await client.next();
    list.push(
      received !== undefined && "itt" in received.pdu && received.pdu.itt !== RESERVED_TAG
        ? received.pdu.itt
        : received?.pdu.opcode,
    );
  }
  return list;
}

test("drop loses one PDU and leaves the rest", async (t) => {
  const { client, login, faults } = await setUp(t, "{ pdu: ScsiResponse }", "{ drop: true }");
  await login;
  client.command(tur, { itt: 1 });
  client.command(tur, { itt: 2 });
  t.deepEqual(await opcodes(client, 1), [2]);
  t.like(faults[0], { rule: "f", shot: 1, action: "drop", session: 1 });
});

test("a dropped command leaves a gap in CmdSN that holds back the next", async (t) => {
  const { client, login } = await setUp(t, "{ pdu: ScsiCommand }", "{ drop: true }");
  await login;
  client.command(tur, { itt: 1, cmdSn: 1 });
  client.command(tur, { itt: 2, cmdSn: 2 });
  client.command(tur, { itt: 3, cmdSn: 1 });
  t.deepEqual(await opcodes(client, 2), [3, 2]);
});

test("delay keeps the order", async (t) => {
  const { client, login } = await setUp(t, "{ pdu: ScsiResponse }", "{ delay: 60 }");
  await login;
  const begin = performance.now();
  client.command(tur, { itt: 1 });
  client.command(tur, { itt: 2 });
  t.deepEqual(await opcodes(client, 2), [1, 2]);
  t.true(performance.now() - begin >= 50);
});

test("stall holds back for ever, and other connections go on", async (t) => {
  const { target, client, login } = await setUp(t, "{ pdu: ScsiResponse }", "{ stall: true }");
  await login;
  client.command(tur, { itt: 1 });
  t.regex((await run("iscsi-inq", [url(target.address)])).stdout, /SANLAB/);
  // Another client's whole conversation has gone by: an answer would be here.
  const silent = await Promise.race([
    client.next(),
    new Promise((resolve) => setImmediate(resolve, "silent")),
  ]);
  t.is(silent, "silent");
});

for (const how of ["fin", "rst"])
  test(`close ends the connection with ${how.toUpperCase()}`, async (t) => {
    const { client, login } = await setUp(t, "{ scsi: READ }", `{ close: ${how} }`);
    await login;
    let reset = false;
    client.socket.on("error", (error: NodeJS.ErrnoException) => (reset = error.code === "ECONNRESET"));
    client.command(read, { read: true, edtl: 512 });
    await client.closed();
    t.is(reset, how === "rst");
  });

test("sense fails a command that touches the block, and only that", async (t) => {
  const { client, login } = await setUp(
    t,
    "{ scsi: READ, lba: [64, 64] }",
    "{ sense: { key: 3, asc: 0x11, ascq: 0 } }",
  );
  await login;
  client.command(encodeCdb("read10", { lba: 56, blocks: 8 }), { itt: 1, read: true, edtl: 8 * 512 });
  t.is((await client.next())?.pdu.opcode, Opcode.DataIn);
  client.command(read, { itt: 2, read: true, edtl: 512 });
  const failed = await client.next();
  t.is(failed?.data.subarray(2).toString("hex"), "700003000000000a00000000110000000000");
});

test("status needs no sense", async (t) => {
  const { client, login } = await setUp(t, '{ scsi: "TEST UNIT READY" }', "{ status: 8 }");
  await login;
  client.command(tur, { itt: 1 });
  t.like((await client.next())?.pdu, { itt: 1, status: 8, dataLength: 0 });
});

test("set changes a field under a right digest", async (t) => {
  const { client, login } = await setUp(t, "{ pdu: DataIn }", "{ set: { field: dataSn, value: 9 } }");
  await login;
  client.command(read, { itt: 1, read: true, edtl: 512 });
  t.like((await client.next())?.pdu, { dataSn: 9, itt: 1 });
});

test("flip turns over as many bits of the data as told", async (t) => {
  const { client, login } = await setUp(t, "{ pdu: DataIn }", "{ flip: { where: data, bits: 1 } }");
  await login;
  client.command(read, { itt: 1, read: true, edtl: 512 });
  const received = await client.next();
  t.is(
    received?.data.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0),
    1,
  );
});

test("reorder lets others overtake", async (t) => {
  const { client, login } = await setUp(t, "{ pdu: ScsiResponse }", "{ reorder: 2 }");
  await login;
  for (const itt of [1, 2, 3]) client.command(tur, { itt });
  t.deepEqual(await opcodes(client, 3), [2, 3, 1]);
});

test("truncate cuts a PDU short and ends", async (t) => {
  const { client, login } = await setUp(t, "{ pdu: DataIn }", "{ truncate: 100 }");
  await login;
  const before = client.socket.bytesRead;
  client.command(read, { itt: 1, read: true, edtl: 512 });
  await client.closed();
  t.is(client.socket.bytesRead - before, 100);
});

test("async sends a message first", async (t) => {
  const { client, login } = await setUp(t, "{ pdu: ScsiResponse }", "{ async: { event: 1, parameter3: 3 } }");
  await login;
  client.command(tur, { itt: 1 });
  t.like((await client.next())?.pdu, { opcode: Opcode.Async, event: 1, parameter3: 3 });
  t.like((await client.next())?.pdu, { itt: 1, status: 0 });
});

test("reject gives a PDU back by its header", async (t) => {
  const { client, login } = await setUp(t, "{ pdu: ScsiCommand }", "{ reject: 9 }");
  await login;
  client.command(tur, { itt: 77 });
  const received = await client.next();
  t.like(received?.pdu, { opcode: Opcode.Reject, reason: 9 });
  t.is(received?.data.readUInt32BE(16), 77);
});

test("window shrinks, but never below what was granted", async (t) => {
  const { client, login } = await setUp(t, '{ scsi: "TEST UNIT READY" }', "{ window: 1 }");
  await login;
  for (let i = 0; i < 128; i++) client.command(tur, {});
  let last;
  for (let i = 0; i < 128; i++) last = (await client.next())?.pdu;
  t.like(last, { expCmdSn: 129, maxCmdSn: 129 });
});

test("refuse and redirect end a login with their status", async (t) => {
  const refused = await setUp(t, "{ login: any }", "{ refuse: { class: 3, detail: 1 } }");
  t.is((await refused.login).status, 0x0301);
  const moved = await setUp(
    t,
    "{ login: any, key: InitiatorName }",
    '{ redirect: { address: "192.0.2.9:3260" } }',
  );
  const answer = await moved.login;
  t.is(answer.status, 0x0101);
  t.is(answer.keys.get("TargetAddress"), "192.0.2.9:3260");
});

test("a unit that is taken away is one that does not exist", async (t) => {
  const { client, login } = await setUp(t, "{ scsi: READ }", "{ remove-lun: true }");
  await login;
  client.command(read, { itt: 1, read: true, edtl: 512 });
  await client.next();
  client.command(tur, { itt: 2 });
  const gone = await client.next();
  t.is(gone?.data.subarray(2).toString("hex").slice(24, 28), "2500");
});

test("faults change while the target runs", async (t) => {
  const { target, client, login } = await setUp(t, '{ scsi: "TEST UNIT READY" }', "{ status: 8 }");
  await login;
  target.setFaults(undefined);
  client.command(tur, { itt: 1 });
  t.like((await client.next())?.pdu, { status: 0 });
  target.setFaults({
    seed: 1,
    rules: [{ id: "busy", on: { scsi: "TEST UNIT READY" }, do: { kind: "status", status: 8 } }],
  });
  client.command(tur, { itt: 2 });
  t.like((await client.next())?.pdu, { status: 8 });
});

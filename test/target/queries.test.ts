import test, { type ExecutionContext } from "ava";
import { MemoryDevice } from "#block";
import { encodeCdb } from "#scsi";
import { Target } from "#target";
import { Opcode, type PduFields } from "ts-iscsi-pdu";
import { iqn } from "./clients.ts";
import { RawClient, identity, type Received } from "./raw-client.ts";

/** Numbers of RFC 7144, section 6.1. */
const query = { task: 9, taskSet: 10, nexusReset: 11, event: 12 } as const;
const write = encodeCdb("write10", { lba: 0, blocks: 1 });
const tur = encodeCdb("testUnitReady", {});

async function setUp(t: ExecutionContext, level?: string) {
  const target = await Target.listen({
    iqn,
    luns: [
      { lun: 1, device: new MemoryDevice(1024 * 1024) },
      { lun: 2, device: new MemoryDevice(1024 * 1024) },
    ],
  });
  t.teardown(() => target[Symbol.asyncDispose]());
  const client = await RawClient.connect(target.address);
  t.teardown(() => client[Symbol.dispose]());
  const { keys } = await client.login({
    ...identity,
    InitialR2T: "Yes",
    ImmediateData: "No",
    ...(level !== undefined && { iSCSIProtocolLevel: level }),
  });
  return { target, client, level: keys.get("iSCSIProtocolLevel") };
}

function is<O extends PduFields["opcode"]>(
  received: Received | undefined,
  opcode: O,
): Extract<PduFields, { opcode: O }> {
  if (received?.pdu.opcode !== opcode) throw new Error(`opcode ${received?.pdu.opcode} instead of ${opcode}`);
  return received.pdu as Extract<PduFields, { opcode: O }>;
}

test("the queries need iSCSIProtocolLevel 2 (RFC 7144 §6)", async (t) => {
  const { client, level } = await setUp(t, "1");
  t.is(level, "1");
  for (const code of Object.values(query)) {
    client.manage(code);
    t.is(is(await client.next(), Opcode.TmfResponse).response, 5);
  }
});

test("QUERY TASK and QUERY TASK SET say whether there are tasks", async (t) => {
  const { client, level } = await setUp(t, "2");
  t.is(level, "2");
  const itt = client.command(write, { write: true, edtl: 512 });
  is(await client.next(), Opcode.R2t);
  const ask = async (code: number, lun: number, task?: number) => {
    client.manage(code, { lun, ...(task !== undefined && { task }) });
    return is(await client.next(), Opcode.TmfResponse).response;
  };
  t.is(await ask(query.task, 1, itt), 7, "function succeeded");
  t.is(await ask(query.task, 1, itt + 50), 0, "function complete");
  t.is(await ask(query.task, 2, itt), 0);
  t.is(await ask(query.taskSet, 1), 7);
  t.is(await ask(query.taskSet, 2), 0);
  t.is(await ask(query.taskSet, 3), 2, "no such LUN");
});

test("I_T NEXUS RESET ends the tasks of the nexus and tells so, QUERY ASYNCHRONOUS EVENT tells it before", async (t) => {
  const { client } = await setUp(t, "2");
  client.manage(query.event);
  t.like(is(await client.next(), Opcode.TmfResponse), { response: 0, additionalInformation: 0 });
  client.command(write, { write: true, edtl: 512 });
  is(await client.next(), Opcode.R2t);
  client.manage(query.nexusReset);
  t.is(is(await client.next(), Opcode.TmfResponse).response, 0);
  client.manage(query.taskSet);
  t.is(is(await client.next(), Opcode.TmfResponse).response, 0);
  client.manage(query.event);
  t.like(is(await client.next(), Opcode.TmfResponse), { response: 7, additionalInformation: 0x16_29_07 });
  client.command(tur);
  const attention = await client.next();
  t.is(attention?.data.subarray(2).toString("hex").slice(0, 28), "700006000000000a000000002907");
  client.command(tur);
  t.is(is(await client.next(), Opcode.ScsiResponse).status, 0);
});

test("a bidirectional command has both its lengths taken, and both residuals told (RFC 7143 §11.4.5)", async (t) => {
  const { client } = await setUp(t);
  client.command(encodeCdb("read10", { lba: 0, blocks: 2 }), {
    read: true,
    write: true,
    edtl: 512,
    bidirectionalReadLength: 2048,
  });
  const data = is(await client.next(), Opcode.DataIn);
  t.like(data, { dataLength: 1024, hasStatus: false, final: true });
  t.like(is(await client.next(), Opcode.ScsiResponse), {
    status: 0,
    underflow: true,
    residualCount: 512,
    bidirectionalUnderflow: true,
    bidirectionalResidualCount: 1024,
    expDataSn: 1,
  });
  const itt = client.command(write, { read: true, write: true, edtl: 512, bidirectionalReadLength: 100 });
  const { ttt } = is(await client.next(), Opcode.R2t);
  client.dataOut(itt, ttt, 0, Buffer.alloc(512, "x"));
  t.like(is(await client.next(), Opcode.ScsiResponse), {
    itt,
    status: 0,
    underflow: false,
    overflow: false,
    residualCount: 0,
    bidirectionalUnderflow: true,
    bidirectionalResidualCount: 100,
  });
});

test("a CDB that is longer than 16 bytes is read whole from its header segments (§11.2.2.3)", async (t) => {
  const { client } = await setUp(t);
  const cdb = Buffer.alloc(32);
  cdb.set([0x7f, 0, 0, 0, 0, 0, 0, 24, 0, 0x09]);
  client.command(cdb, { read: true, edtl: 512 });
  const refused = await client.next();
  t.like(is(refused, Opcode.ScsiResponse), { status: 2, underflow: true, residualCount: 512 });
  t.regex(refused!.data.subarray(2).toString("hex"), /^700005000000000a000000002(000|400)/);
  client.command(tur);
  t.is(is(await client.next(), Opcode.ScsiResponse).status, 0);
});

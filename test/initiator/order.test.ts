import { Session } from "#initiator";
import test from "ava";
import { dataIn, r2t, response } from "./peers/raw-pdu.ts";
import { ScriptedTarget, type RawPdu } from "./peers/scripted.ts";

/*
 * What no target in reach does: data in any order, both directions at once, long CDBs. The other side is bytes written
 * down by the layouts of RFC 7143 §11.3, §11.4, §11.7 and §11.8.
 */

const loginTo = (port: number, keys: Record<string, boolean>) =>
  Session.login({
    host: "127.0.0.1",
    port,
    target: "iqn.2001-04.com.example:scripted",
    initiator: "iqn.2001-04.com.example:initiator",
    recovery: { attempts: 0 },
    keys: { InitialR2T: true, ImmediateData: false, ...keys },
  });

const content = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i ^ (i >> 6)) & 0xff));
const read = (length = 4096) => ({
  lun: 0,
  cdb: Buffer.from("28000000000000000800", "hex"),
  readInto: Buffer.alloc(length),
});

for (const [inOrder, title] of [
  [false, "DataPDUInOrder=No: Data-In PDUs are taken in any order"],
  [true, "DataPDUInOrder=Yes: Data-In PDUs out of order are a breach"],
] as const) {
  test(title, async (t) => {
    await using target = await ScriptedTarget.start({}, (pdu, reply) => {
      if ((pdu.bhs[0] ?? 0) !== 0x01) return;
      for (const [dataSn, offset] of [2048, 0, 3072, 1024].entries())
        reply(
          dataIn(target, pdu, dataSn, offset, dataSn === 3 ? 0x81 : 0),
          content.subarray(offset, offset + 1024),
        );
    });
    const session = await loginTo(target.port, { DataPDUInOrder: inOrder });
    const command = read();
    const result = session.execute(command);
    if (inOrder)
      await t.throwsAsync(result, { code: "PROTOCOL_ERROR", message: /Buffer Offset .*§11\.7\.6/ });
    else {
      t.is((await result).read, 4096);
      t.deepEqual(command.readInto, content);
    }
    await session[Symbol.asyncDispose]();
  });
}

test("DataPDUInOrder=No: bytes that come twice under two numbers are a breach", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    if ((pdu.bhs[0] ?? 0) !== 0x01) return;
    reply(dataIn(target, pdu, 0, 1024), content.subarray(1024, 2048));
    reply(dataIn(target, pdu, 1, 1536), content.subarray(1536, 2560));
  });
  const session = await loginTo(target.port, { DataPDUInOrder: false });
  await t.throwsAsync(session.execute(read()), { code: "PROTOCOL_ERROR", message: /overlaps/ });
  await session[Symbol.asyncDispose]();
});

test("DataSequenceInOrder=No: R2Ts are served in any order, each from its own offset", async (t) => {
  const out: RawPdu[] = [];
  let command: RawPdu | undefined;
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    const opcode = pdu.bhs[0] ?? 0;
    if (opcode === 0x01) {
      command = pdu;
      reply(r2t(target, pdu, 0, 3072, 1024));
      reply(r2t(target, pdu, 1, 0, 3072));
    }
    if (opcode !== 0x05 || command === undefined) return;
    out.push(pdu);
    if (out.length === 2) reply(response(target, command, 2));
  });
  const session = await loginTo(target.port, { DataSequenceInOrder: false });
  const cdb = Buffer.from("2a000000000000000800", "hex");
  const { written } = await session.execute({ lun: 0, cdb, write: content });
  t.is(written, 4096);
  // F, TTT, DataSN and Buffer Offset of each Data-Out (RFC 7143 §11.7).
  t.deepEqual(
    out.map(({ bhs }) => [bhs[1], bhs.readUInt32BE(20), bhs.readUInt32BE(36), bhs.readUInt32BE(40)]),
    [
      [0x80, 0x1000, 0, 3072],
      [0x80, 0x1001, 0, 0],
    ],
  );
  t.deepEqual(out[0]?.data, content.subarray(3072));
  t.deepEqual(out[1]?.data, content.subarray(0, 3072));
  await session[Symbol.asyncDispose]();
});

test("DataSequenceInOrder=No: read sequences come in any order", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    if ((pdu.bhs[0] ?? 0) !== 0x01) return;
    reply(dataIn(target, pdu, 0, 2048), content.subarray(2048, 3072));
    reply(dataIn(target, pdu, 1, 3072, 0x80), content.subarray(3072));
    reply(dataIn(target, pdu, 2, 0), content.subarray(0, 1024));
    reply(dataIn(target, pdu, 3, 1024, 0x80), content.subarray(1024, 2048));
    reply(response(target, pdu, 4));
  });
  const session = await loginTo(target.port, { DataSequenceInOrder: false });
  const command = read();
  t.is((await session.execute(command)).read, 4096);
  t.deepEqual(command.readInto, content);
  await session[Symbol.asyncDispose]();
});

test("a bidirectional command: AHS with the read length, one numbering for R2T and Data-In, two residuals", async (t) => {
  let command: RawPdu | undefined;
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    const opcode = pdu.bhs[0] ?? 0;
    if (opcode === 0x01) {
      command = pdu;
      reply(r2t(target, pdu, 0, 0, 512));
      reply(dataIn(target, pdu, 1, 0, 0x80), content.subarray(0, 1000));
    }
    // o=0, u=1 for the read half: 24 of 1024 bytes did not come.
    if (opcode === 0x05 && command !== undefined) reply(response(target, command, 2, 0x88, [[40, 24]]));
  });
  const session = await loginTo(target.port, {});
  const readInto = Buffer.alloc(1024);
  const cdb = Buffer.from("53000000000000000100", "hex");
  const result = await session.execute({ lun: 0, cdb, write: content.subarray(0, 512), readInto });
  t.deepEqual([result.read, result.written], [1000, 512]);
  t.deepEqual(result.readResidual, { kind: "underflow", bytes: 24 });
  t.deepEqual(result.residual, { kind: "none", bytes: 0 });
  t.deepEqual(readInto.subarray(0, 1000), content.subarray(0, 1000));
  // F, R, W, simple; EDTL is the write's; AHSLength 5, type 2, the read length (RFC 7143 §11.2.2.4).
  t.is(command?.bhs[1], 0x80 | 0x40 | 0x20 | 0x01);
  t.is(command?.bhs.readUInt32BE(20), 512);
  t.is(command?.ahs.toString("hex"), "0005020000000400");
  await session[Symbol.asyncDispose]();
});

test("a CDB of 32 bytes: 16 in the header, 16 in an AHS", async (t) => {
  let command: RawPdu | undefined;
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    if ((pdu.bhs[0] ?? 0) !== 0x01) return;
    command = pdu;
    reply(response(target, pdu, 0));
  });
  const session = await loginTo(target.port, {});
  const cdb = Buffer.from(Array.from({ length: 32 }, (_, i) => (i === 0 ? 0x7f : i)));
  t.is((await session.execute({ lun: 0, cdb })).status, 0);
  t.deepEqual(command?.bhs.subarray(32), cdb.subarray(0, 16));
  // AHSLength 17, type 1, a reserved byte (RFC 7143 §11.2.2.3).
  t.is(command?.ahs.toString("hex"), `00110100${cdb.subarray(16).toString("hex")}`);
  await session[Symbol.asyncDispose]();
});

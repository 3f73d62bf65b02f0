import { randomBytes } from "node:crypto";
import test from "ava";
import { MemoryDevice } from "#block";
import { readFaultPlan } from "#faults";
import { Session } from "#initiator";
import { encodeCdb } from "#scsi";
import { Target } from "#target";
import { Capture } from "../initiator/peers/capture.ts";
import { iqn } from "./clients.ts";

for (const digest of ["None", "CRC32C"])
  test(`tshark finds nothing wrong with what the target sends, digests ${digest}`, async (t) => {
    const capture = new Capture();
    await using device = new MemoryDevice(8 * 1024 * 1024);
    await using target = await Target.listen({ iqn, luns: [{ lun: 1, device }] });
    {
      await using session = await Session.login({
        ...target.address,
        target: iqn,
        initiator: "iqn.2026-01.org.sanlab:client",
        trace: capture.trace,
        keys: {
          HeaderDigest: digest,
          DataDigest: digest,
          InitialR2T: false,
          MaxOutstandingR2T: 4,
          MaxBurstLength: 65_536,
        },
      });
      const content = randomBytes(400_000 - (400_000 % 512));
      const disk = await session.disk(1);
      await disk.write(4096, content);
      const back = Buffer.alloc(content.length);
      await disk.read(4096, back);
      t.true(back.equals(content));
      const failed = await session.execute({
        lun: 1,
        cdb: encodeCdb("read16", { lba: 2 ** 40, blocks: 1 }),
        readInto: Buffer.alloc(512),
      });
      t.is(failed.status, 2);
      const inquiry = Buffer.alloc(255);
      const short = await session.execute({
        lun: 1,
        cdb: encodeCdb("inquiry", { allocationLength: 255 }),
        readInto: inquiry,
      });
      t.is(short.residual.kind, "underflow");
    }
    const { complaints, frames } = await capture.judge();
    t.is(complaints, "");
    t.true(frames > 10);
  });

/** A PDU in forty is lost, and twice a connection: enough for every way of recovery. */
const losses = readFaultPlan(
  `seed: 9
rules:
  - { id: data-in, on: { pdu: DataIn, fields: { final: 0 } }, when: { after: 20, every: 40 }, do: { drop: true } }
  - { id: status, on: { pdu: ScsiResponse }, when: { after: 5, every: 20 }, do: { drop: true } }
  - { id: data-out, on: { pdu: DataOut }, when: { after: 10, every: 40 }, do: { drop: true } }
  - { id: cut, on: { scsi: READ, lba: [0, 2000] }, when: { after: 30, every: 40, times: 2 }, do: { close: rst } }
`,
  "losses.yaml",
);

test("tshark reads a conversation that recovers from losses: SNACKs, recovery R2Ts, TASK REASSIGN", async (t) => {
  t.timeout(60_000);
  const capture = new Capture();
  await using device = new MemoryDevice(8 * 1024 * 1024);
  const content = randomBytes(4 * 1024 * 1024);
  await using target = await Target.listen({
    iqn,
    luns: [{ lun: 1, device }],
    keys: { ErrorRecoveryLevel: 2, DefaultTime2Wait: 0, MaxBurstLength: 65_536 },
    limits: { dataOutTimeout: 50 },
    faults: losses,
  });
  let sessions = 0;
  {
    await using session = await Session.login({
      ...target.address,
      target: iqn,
      initiator: "iqn.2026-01.org.sanlab:client",
      trace: capture.trace,
      keys: {
        ErrorRecoveryLevel: 2,
        DefaultTime2Wait: 0,
        HeaderDigest: "CRC32C",
        DataDigest: "CRC32C",
        MaxRecvDataSegmentLength: 8192,
      },
    });
    const disk = await session.disk(1);
    const back = Buffer.alloc(content.length);
    const step = 65_536;
    for (let at = 0; at < content.length; at += step) await disk.write(at, content.subarray(at, at + step));
    for (let at = 0; at < content.length; at += step) await disk.read(at, back.subarray(at, at + step));
    for (let lba = 0; lba < 64; lba++) await disk.read(lba * 512, back.subarray(lba * 512, lba * 512 + 512));
    t.true(back.equals(content));
    sessions = target.sessions[0]?.session ?? 0;
  }
  t.is(sessions, 1, "one session all along");
  const { complaints } = await capture.judge();
  // tshark looks for a task's command on its own connection only, and does not know of reassignment.
  const told = complaints
    .split("\n")
    .filter((line) => !line.endsWith("Unknown SCSI exchange, can not decode SCSI data"));
  t.deepEqual(
    told.filter((line) => line !== ""),
    [],
  );
  const count = async (filter: string) =>
    (await capture.fields(filter, ["frame.number"])).split("\n").length - 1;
  t.true((await count("iscsi.opcode == 0x10")) > 0, "SNACK");
  t.true((await count("iscsi.opcode == 0x02 && iscsi.taskmanfun.function == 8")) > 0, "TASK REASSIGN");
  t.true((await count("iscsi.opcode == 0x06")) > 0, "Logout");
});

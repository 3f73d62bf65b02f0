import { TaskAttribute } from "ts-iscsi-pdu";
import test from "ava";
import { flags, itt, none, op, r2t, response, ttt, u32 } from "../peers/raw-pdu.ts";
import { ScriptedTarget, type RawPdu, type Reply } from "../peers/scripted.ts";
import { loginTo, pattern, testUnitReady, writing } from "./login-to.ts";

/* RFC 7143 §11.3, §11.7 and §11.8: the SCSI Command and the data that goes out behind it. */

const [dataSnAt, offsetAt] = [36, 40];
const isOut = ({ bhs }: RawPdu) => bhs[0] === op.dataOut;

/** A target that takes a write of `length` bytes: what comes unasked, then one R2T for the rest. */
async function taker(answers: Readonly<Record<string, string>>, length: number): Promise<ScriptedTarget> {
  let command: RawPdu | undefined;
  let came = 0;
  const settle = (pdu: RawPdu, reply: Reply) => {
    came += pdu.data.length;
    const final = (flags(pdu) & 0x80) !== 0;
    if (!final || command === undefined) return;
    if (came < length) reply(r2t(target, command, 0, came, length - came));
    else reply(response(target, command, isOut(pdu) && ttt(pdu) !== none ? 1 : 0));
  };
  const target = await ScriptedTarget.start(answers, (pdu, reply) => {
    if (!isOut(pdu)) command = pdu;
    settle(pdu, reply);
  });
  return target;
}

/** What RFC 7143 §11.3.1, §13.10, §13.11 and §13.14 say of 20,000 bytes with a first burst of 8,192 in PDUs of 4,096. */
const ways = [
  { immediate: "Yes", initialR2t: "Yes", inCommand: 4096, unasked: 0 },
  { immediate: "Yes", initialR2t: "No", inCommand: 4096, unasked: 4096 },
  { immediate: "No", initialR2t: "Yes", inCommand: 0, unasked: 0 },
  { immediate: "No", initialR2t: "No", inCommand: 0, unasked: 8192 },
] as const;
for (const { immediate, initialR2t, inCommand, unasked } of ways) {
  test(`ImmediateData=${immediate}, InitialR2T=${initialR2t}: what goes out unasked, its flags, numbers and offsets`, async (t) => {
    const content = pattern(20_000);
    await using target = await taker(
      {
        ImmediateData: immediate,
        InitialR2T: initialR2t,
        FirstBurstLength: "8192",
        MaxRecvDataSegmentLength: "4096",
      },
      content.length,
    );
    await using session = await loginTo(target, {
      keys: { ImmediateData: immediate === "Yes", InitialR2T: initialR2t === "Yes" },
    });
    const { written } = await session.execute({ lun: 5, cdb: writing(40), write: content });
    t.is(written, content.length);
    const command = await target.seen(op.command);
    t.is(command.data.length, inCommand);
    // F only where nothing unasked follows; W, not R; simple.
    t.is(flags(command), (unasked > 0 ? 0 : 0x80) | 0x20 | 0x01);
    t.is(u32(command, 20), content.length, "Expected Data Transfer Length");
    const out = target.received.filter(isOut);
    const free = out.filter((pdu) => ttt(pdu) === none);
    const asked = out.filter((pdu) => ttt(pdu) !== none);
    t.is(
      free.reduce((sum, { data }) => sum + data.length, 0),
      unasked,
    );
    for (const sequence of [free, asked]) {
      t.deepEqual(
        sequence.map((pdu) => u32(pdu, dataSnAt)),
        sequence.map((_, index) => index),
      );
      t.deepEqual(
        sequence.map((pdu) => flags(pdu)),
        sequence.map((_, index) => (index === sequence.length - 1 ? 0x80 : 0)),
      );
    }
    t.true(
      out.every(({ data }) => data.length <= 4096),
      "the target's MaxRecvDataSegmentLength",
    );
    t.true(out.every((pdu) => itt(pdu) === itt(command)));
    t.deepEqual(
      asked.map((pdu) => [ttt(pdu), pdu.bhs[9]]),
      asked.map(() => [0x1000, 5]),
      "tag and LUN of the R2T",
    );
    let next = inCommand;
    for (const pdu of out) {
      t.is(u32(pdu, offsetAt), next);
      next += pdu.data.length;
    }
    t.deepEqual(Buffer.concat([command.data, ...out.map(({ data }) => data)]), content);
  });
}

test("a write that fits into its command has F and nothing behind it", async (t) => {
  await using target = await taker({ InitialR2T: "No", ImmediateData: "Yes" }, 512);
  await using session = await loginTo(target, { keys: { InitialR2T: false } });
  await session.execute({ lun: 0, cdb: writing(1), write: pattern(512) });
  const command = await target.seen(op.command);
  t.is(flags(command), 0x80 | 0x20 | 0x01);
  t.is(command.data.length, 512);
  t.is(target.received.filter(isOut).length, 0);
});

test("data whose length is no multiple of four is padded with zeros that do not count", async (t) => {
  await using target = await taker({ ImmediateData: "Yes" }, 5);
  await using session = await loginTo(target);
  const { written } = await session.execute({ lun: 0, cdb: writing(1), write: Buffer.from("hello") });
  t.is(written, 5);
  const command = await target.seen(op.command);
  t.is(command.bhs.readUIntBE(5, 3), 5);
  t.is(command.data.toString(), "hello");
  t.is(command.padding.toString("hex"), "000000");
});

test("R2Ts are served in the order in which they came, also those of different commands", async (t) => {
  const commands: RawPdu[] = [];
  const asked: string[] = [];
  let left = 4;
  const target = await ScriptedTarget.start(
    { InitialR2T: "Yes", ImmediateData: "No", MaxOutstandingR2T: "2" },
    (pdu, reply) => {
      if (isOut(pdu)) {
        asked.push(`${commands.findIndex((each) => itt(each) === itt(pdu))} ${u32(pdu, offsetAt)}`);
        if (--left === 0) for (const command of commands) reply(response(target, command, 2));
        return;
      }
      commands.push(pdu);
      if (commands.length < 2) return;
      const [first, second] = commands as [RawPdu, RawPdu];
      reply(r2t(target, second, 0, 0, 512));
      reply(r2t(target, first, 0, 0, 512));
      reply(r2t(target, second, 1, 512, 512));
      reply(r2t(target, first, 1, 512, 512));
    },
  );
  await using _ = target;
  await using session = await loginTo(target, { keys: { MaxOutstandingR2T: 2 } });
  const write = () => session.execute({ lun: 0, cdb: writing(2), write: pattern(1024) });
  await Promise.all([write(), write()]);
  t.deepEqual(asked, ["1 0", "0 0", "1 512", "0 512"]);
});

const forbidden: readonly { title: string; ask: (target: ScriptedTarget, command: RawPdu) => Buffer }[] = [
  { title: "past the end of the data", ask: (target, pdu) => r2t(target, pdu, 0, 512, 1024) },
  { title: "for no bytes", ask: (target, pdu) => r2t(target, pdu, 0, 0, 0) },
  { title: "for more than MaxBurstLength", ask: (target, pdu) => r2t(target, pdu, 0, 0, 1024) },
  { title: "without a tag", ask: (target, pdu) => r2t(target, pdu, 0, 0, 512, [[20, none]]) },
  { title: "whose R2TSN leaves a gap", ask: (target, pdu) => r2t(target, pdu, 1, 0, 512) },
  { title: "that leaves a gap in the data", ask: (target, pdu) => r2t(target, pdu, 0, 512, 512) },
];
for (const { title, ask } of forbidden) {
  test(`an R2T ${title} is a breach, and no byte goes out for it`, async (t) => {
    await using target = await ScriptedTarget.start(
      { InitialR2T: "Yes", ImmediateData: "No", MaxBurstLength: "512" },
      (pdu, reply) => reply(ask(target, pdu)),
    );
    const session = await loginTo(target);
    const write = session.execute({ lun: 0, cdb: writing(2), write: pattern(1024) });
    await t.throwsAsync(write, { code: "PROTOCOL_ERROR", message: /§11\.8/ });
    await target.closed();
    t.is(target.received.filter(isOut).length, 0);
  });
}

test("an R2T for a command that writes nothing is a breach", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) => reply(r2t(target, pdu, 0, 0, 512)));
  const session = await loginTo(target);
  await t.throwsAsync(session.execute({ lun: 0, cdb: testUnitReady }), { code: "PROTOCOL_ERROR" });
});

test("attribute, LUN and CDB stand where they belong, and every reserved bit is zero", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) => reply(response(target, pdu)));
  await using session = await loginTo(target);
  const cdb = Buffer.from("000102030405", "hex");
  await session.execute({ lun: 3, cdb, attribute: TaskAttribute.Ordered });
  await session.execute({ lun: 300, cdb, attribute: TaskAttribute.HeadOfQueue });
  const [first, second] = target.received.filter(({ bhs }) => bhs[0] === op.command);
  t.is(flags(first!), 0x80 | 0x02);
  t.is(flags(second!), 0x80 | 0x03);
  t.is(first!.bhs.subarray(2, 8).toString("hex"), "000000000000");
  t.is(first!.bhs.subarray(8, 16).toString("hex"), "0003000000000000");
  t.is(second!.bhs.subarray(8, 16).toString("hex"), "412c000000000000", "flat space addressing");
  t.is(u32(first!, 20), 0);
  t.is(first!.bhs.subarray(32).toString("hex"), "00010203040500000000000000000000");
});

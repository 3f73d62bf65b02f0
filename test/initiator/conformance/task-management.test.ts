import { TmfFunction, TmfResponseCode } from "ts-iscsi-pdu";
import test from "ava";
import { cmdSn, flags, itt, none, op, r2t, response, tmfResponse, ttt, u32 } from "../peers/raw-pdu.ts";
import { ScriptedTarget, type RawPdu } from "../peers/scripted.ts";
import { blocks, isCommand, loginTo, pattern, testUnitReady, writing } from "./login-to.ts";

/* RFC 7143 §4.2.3, §11.5 and §11.6: task management. */

const isTmf = ({ bhs }: RawPdu) => bhs[0] === op.tmf;

test("a reset names its unit and no task, and uses up no CmdSN", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) =>
    reply(isTmf(pdu) ? tmfResponse(target, pdu) : response(target, pdu)),
  );
  await using session = await loginTo(target);
  await session.manage({ function: TmfFunction.LogicalUnitReset, lun: 6 });
  await session.execute({ lun: 0, cdb: testUnitReady });
  const tmf = await target.seen(op.tmf);
  t.is(flags(tmf), 0x80 | 5);
  t.is(tmf.bhs.subarray(8, 16).toString("hex"), "0006000000000000");
  t.is(ttt(tmf), none, "Referenced Task Tag");
  t.is(u32(tmf, 32), 0, "RefCmdSN");
  t.is(cmdSn(tmf), cmdSn(await target.seen(op.command)));
});

for (const [name, code] of [
  ["AbortTask", 1],
  ["AbortTaskSet", 2],
  ["ClearAca", 3],
  ["ClearTaskSet", 4],
  ["LogicalUnitReset", 5],
  ["TargetWarmReset", 6],
  ["TargetColdReset", 7],
  ["TaskReassign", 8],
] as const) {
  test(`${name} has the function code ${code}, and its response is a result`, async (t) => {
    await using target = await ScriptedTarget.start({}, (pdu, reply) =>
      reply(tmfResponse(target, pdu, TmfResponseCode.FunctionNotSupported)),
    );
    await using session = await loginTo(target);
    const { response: answer } = await session.manage({ function: TmfFunction[name] });
    t.is(answer, 5);
    t.is(flags(await target.seen(op.tmf)), 0x80 | code);
  });
}

test("an abort names the task by tag, unit and CmdSN, and the buffers are free when the target has answered", async (t) => {
  const aborting = Promise.withResolvers<RawPdu>();
  await using target = await ScriptedTarget.start({}, (pdu) => {
    if (isTmf(pdu)) aborting.resolve(pdu);
  });
  await using session = await loginTo(target);
  const controller = new AbortController();
  let settled = false;
  const read = session.execute({
    lun: 2,
    cdb: blocks(1),
    readInto: Buffer.alloc(512),
    signal: controller.signal,
  });
  const end = t.throwsAsync(
    read.finally(() => (settled = true)),
    { message: "enough" },
  );
  const command = await target.seen(op.command);
  controller.abort(new Error("enough"));
  const tmf = await aborting.promise;
  t.is(flags(tmf), 0x80 | 1);
  t.is(ttt(tmf), itt(command));
  t.is(u32(tmf, 32), cmdSn(command));
  t.is(tmf.bhs[9], 2);
  t.false(settled, "the target may still send data");
  target.send(tmfResponse(target, tmf));
  await end;
});

test("what the target asked for is sent also while the task is being aborted", async (t) => {
  let command: RawPdu | undefined;
  await using target = await ScriptedTarget.start(
    { InitialR2T: "Yes", ImmediateData: "No" },
    (pdu, reply) => {
      if (isCommand(pdu)) command = pdu;
      // The target acts on the request when it has all data that it has asked for.
      else if (isTmf(pdu)) reply(r2t(target, command!, 0, 0, 512));
      else if (pdu.bhs[0] === op.dataOut) reply(tmfResponse(target, target.received.find(isTmf)!));
    },
  );
  await using session = await loginTo(target);
  const controller = new AbortController();
  const write = session.execute({
    lun: 0,
    cdb: writing(1),
    write: pattern(512),
    signal: controller.signal,
  });
  await target.seen(op.command);
  controller.abort(new Error("enough"));
  await t.throwsAsync(write, { message: "enough" });
  t.deepEqual((await target.seen(op.dataOut)).data, pattern(512));
});

test("a response that comes behind an abort ends nothing and breaks nothing", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    if (isTmf(pdu)) {
      reply(tmfResponse(target, pdu));
      reply(response(target, target.received.find(isCommand)!));
    } else if (target.received.filter(isCommand).length > 1) reply(response(target, pdu));
  });
  await using session = await loginTo(target);
  const controller = new AbortController();
  const first = session.execute({ lun: 0, cdb: testUnitReady, signal: controller.signal });
  await target.seen(op.command);
  controller.abort(new Error("enough"));
  await t.throwsAsync(first, { message: "enough" });
  t.is((await session.execute({ lun: 0, cdb: testUnitReady })).status, 0);
});

for (const [name, ends] of [
  ["AbortTaskSet", [0]],
  ["ClearTaskSet", [0]],
  ["LogicalUnitReset", [0]],
  ["TargetWarmReset", [0, 1]],
] as const) {
  test(`a complete ${name} ends the commands sent before it, those of ${ends.length === 1 ? "its unit" : "all units"}`, async (t) => {
    await using target = await ScriptedTarget.start(
      { InitialR2T: "Yes", ImmediateData: "No" },
      (pdu, reply) => {
        if (isTmf(pdu)) {
          // A write of the unit goes on until the function is complete (RFC 7143 §4.2.3.3).
          reply(
            r2t(
              target,
              target.received.find(({ bhs }) => bhs[1] === 0xa1)!,
              0,
              0,
              512,
            ),
          );
        } else if (pdu.bhs[0] === op.dataOut) reply(tmfResponse(target, target.received.find(isTmf)!));
        else if (target.received.some(isTmf)) reply(response(target, pdu));
      },
    );
    await using session = await loginTo(target);
    const write = session.execute({ lun: 0, cdb: writing(1), write: pattern(512) });
    const others = [0, 1].map((lun) =>
      session.execute({ lun, cdb: testUnitReady }).then(
        () => "went on",
        (error: { code: string }) => error.code,
      ),
    );
    const [mine, theirs] = others;
    await target.seen(op.command, ({ bhs }) => bhs[9] === 1);
    const done = session.manage({ function: TmfFunction[name], lun: 0 });
    const behind = session.execute({ lun: 0, cdb: testUnitReady });
    t.is((await done).response, 0);
    await t.throwsAsync(write, { code: "TASK_ABORTED" });
    t.is(await mine, "TASK_ABORTED");
    t.is((await behind).status, 0, "what is sent behind the function is not of its tasks");
    if ((ends as readonly number[]).includes(1)) t.is(await theirs, "TASK_ABORTED");
    else {
      target.send(
        response(
          target,
          target.received.find(({ bhs }) => isCommand({ bhs } as RawPdu) && bhs[9] === 1)!,
        ),
      );
      t.is(await theirs, "went on");
    }
  });
}

test("a function that was not carried out ends nothing", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    if (!isTmf(pdu)) return;
    reply(tmfResponse(target, pdu, TmfResponseCode.FunctionRejected));
    reply(response(target, target.received.find(isCommand)!));
  });
  await using session = await loginTo(target);
  const command = session.execute({ lun: 0, cdb: testUnitReady });
  t.is((await session.manage({ function: TmfFunction.AbortTaskSet, lun: 0 })).response, 255);
  t.is((await command).status, 0);
});

import { discover } from "#initiator";
import test from "ava";
import { cmdSn, flags, itt, none, op, response, textResponse, ttt } from "../peers/raw-pdu.ts";
import { ScriptedTarget, type RawPdu } from "../peers/scripted.ts";
import { loginTo, testUnitReady } from "./login-to.ts";

/* RFC 7143 §11.10 and §11.11, §6.2 and §6.4: text in full feature phase. */

const isText = ({ bhs }: RawPdu) => bhs[0] === op.text;
const texts = (target: ScriptedTarget) => target.received.filter(isText);

test("a Text Request carries pairs with a NUL each, F, a tag of its own and none of the target's", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) =>
    reply(textResponse(target, pdu), Buffer.from("X-com.example.a=yes\0")),
  );
  await using session = await loginTo(target);
  t.deepEqual(await session.negotiate([["X-com.example.a", "1"]]), [["X-com.example.a", "yes"]]);
  await session.negotiate([["X-com.example.b", "2"]]);
  const [first, second] = texts(target);
  t.is(first!.data.toString(), "X-com.example.a=1\0");
  t.is(flags(first!), 0x80);
  t.is(ttt(first!), none);
  t.is(ttt(second!), none, "a new exchange begins");
  t.not(itt(first!), itt(second!));
  t.is(cmdSn(first!), cmdSn(second!), "immediate requests use up no CmdSN");
});

test("an exchange that the target goes on with keeps its tag and gives the target's back", async (t) => {
  const answers = ["X-com.example.a=", "long", "\0"];
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    const part = answers.shift() ?? "";
    const last = answers.length === 0;
    reply(
      textResponse(target, pdu, last ? none : 0x55 + answers.length, last ? 0x80 : 0x40),
      Buffer.from(part),
    );
  });
  await using session = await loginTo(target);
  t.deepEqual(await session.negotiate([["X-com.example.a", "1"]]), [["X-com.example.a", "long"]]);
  const sent = texts(target);
  t.deepEqual(
    sent.map((pdu) => [ttt(pdu), pdu.data.toString()]),
    [
      [none, "X-com.example.a=1\0"],
      [0x57, ""],
      [0x56, ""],
    ],
  );
  t.is(new Set(sent.map(itt)).size, 1);
});

test("a text that is too long for one PDU goes out in several, C on all but the last, each when it is asked for", async (t) => {
  await using target = await ScriptedTarget.start({ MaxRecvDataSegmentLength: "512" }, (pdu, reply) => {
    const goesOn = (flags(pdu) & 0x40) !== 0;
    reply(textResponse(target, pdu, goesOn ? 1 : none));
  });
  await using session = await loginTo(target);
  const value = "v".repeat(1200);
  await session.negotiate([["X-com.example.a", value]]);
  const sent = texts(target);
  t.deepEqual(
    sent.map((pdu) => flags(pdu)),
    [0x40, 0x40, 0x80],
  );
  t.is(Buffer.concat(sent.map(({ data }) => data)).toString(), `X-com.example.a=${value}\0`);
  t.true(sent.every(({ data }) => data.length <= 512));
});

test("one exchange at a time: a second one begins when the first has ended", async (t) => {
  const first = Promise.withResolvers<RawPdu>();
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    if (pdu.bhs[0] === op.command) reply(response(target, pdu));
    else if (texts(target).length === 1) first.resolve(pdu);
    else reply(textResponse(target, pdu), Buffer.from("X-com.example.b=2\0"));
  });
  await using session = await loginTo(target);
  const one = session.negotiate([["X-com.example.a", "1"]]);
  const two = session.negotiate([["X-com.example.b", "2"]]);
  const request = await first.promise;
  await session.execute({ lun: 0, cdb: testUnitReady });
  t.is(texts(target).length, 1);
  target.send(textResponse(target, request), Buffer.from("X-com.example.a=1\0"));
  t.deepEqual(await Promise.all([one, two]), [[["X-com.example.a", "1"]], [["X-com.example.b", "2"]]]);
});

test("an exchange that nobody waits for any more still has its turn before the next", async (t) => {
  const first = Promise.withResolvers<RawPdu>();
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    if (texts(target).length === 1) first.resolve(pdu);
    else reply(textResponse(target, pdu));
  });
  await using session = await loginTo(target);
  const controller = new AbortController();
  const one = session.negotiate([["X-com.example.a", "1"]], { signal: controller.signal });
  const request = await first.promise;
  controller.abort(new Error("never mind"));
  await t.throwsAsync(one, { message: "never mind" });
  const two = session.negotiate([["X-com.example.b", "2"]]);
  t.is(texts(target).length, 1);
  target.send(textResponse(target, request));
  t.deepEqual(await two, []);
});

test("what the target offers on its part is answered: unknown keys NotUnderstood, those of the login Reject", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) => {
    if (texts(target).length === 1)
      reply(
        textResponse(target, pdu, 3),
        Buffer.from("X-com.example.a=1\0X-com.example.else=5\0MaxBurstLength=512\0OFMarker=Yes\0"),
      );
    else reply(textResponse(target, pdu));
  });
  await using session = await loginTo(target);
  const before = session.values.MaxBurstLength;
  await session.negotiate([["X-com.example.a", "1"]]);
  t.is(
    texts(target)[1]?.data.toString(),
    "X-com.example.else=NotUnderstood\0MaxBurstLength=Reject\0OFMarker=No\0",
  );
  t.is(session.values.MaxBurstLength, before);
});

const breaches: readonly {
  title: string;
  answer: (target: ScriptedTarget, pdu: RawPdu) => [Buffer, Buffer?];
}[] = [
  { title: "C and F together", answer: (target, pdu) => [textResponse(target, pdu, none, 0xc0)] },
  { title: "F with a tag", answer: (target, pdu) => [textResponse(target, pdu, 5, 0x80)] },
  { title: "no F and no tag", answer: (target, pdu) => [textResponse(target, pdu, none, 0x00)] },
  {
    title: "a text without an equals sign",
    answer: (target, pdu) => [textResponse(target, pdu), Buffer.from("nonsense\0")],
  },
  {
    title: "the same key twice",
    answer: (target, pdu) => [
      textResponse(target, pdu, 4),
      Buffer.from("MaxBurstLength=512\0MaxBurstLength=1024\0"),
    ],
  },
];
for (const { title, answer } of breaches) {
  test(`a breach in a Text Response: ${title}`, async (t) => {
    await using target = await ScriptedTarget.start({}, (pdu, reply) => reply(...answer(target, pdu)));
    const session = await loginTo(target);
    await t.throwsAsync(session.negotiate([["X-com.example.a", "1"]]), { code: "PROTOCOL_ERROR" });
    await target.closed();
  });
}

test("discovery asks for All, takes several targets with several addresses each, and logs out", async (t) => {
  await using target = await ScriptedTarget.start({}, (pdu, reply) =>
    reply(
      textResponse(target, pdu),
      Buffer.from(
        [
          "TargetName=iqn.2001-04.com.example:one",
          "TargetAddress=10.0.0.1:3260,1",
          "TargetAddress=[fe80::1]:860,2",
          "TargetName=iqn.2001-04.com.example:two",
          "TargetName=iqn.2001-04.com.example:three",
          "TargetAddress=san.example.com,7",
        ]
          .map((pair) => `${pair}\0`)
          .join(""),
      ),
    ),
  );
  const found = await discover({
    host: "127.0.0.1",
    port: target.port,
    initiator: "iqn.2001-04.com.example:initiator",
  });
  t.deepEqual(
    found.map(({ name, portals }) => [name, portals.map(({ host, port }) => `${host} ${port}`)]),
    [
      ["iqn.2001-04.com.example:one", ["10.0.0.1 3260", "fe80::1 860"]],
      ["iqn.2001-04.com.example:two", [`127.0.0.1 ${target.port}`]],
      ["iqn.2001-04.com.example:three", ["san.example.com 3260"]],
    ],
  );
  t.is(texts(target)[0]?.data.toString(), "SendTargets=All\0");
  await target.seen(op.logout);
});

import test from "ava";
import { dataIn, failure, op, r2t, response } from "../peers/raw-pdu.ts";
import { ScriptedTarget, type RawPdu, type Reply } from "../peers/scripted.ts";
import { blocks, loginTo, pattern } from "./login-to.ts";

/* RFC 7143 §11.4 and §11.7: data that comes in, statuses, residuals and sense data. */

const content = pattern(1024);
const [F, S, O, U] = [0x80, 0x01, 0x04, 0x02];

const reading = async (
  script: (target: ScriptedTarget, command: RawPdu, reply: Reply) => void,
  answers: Readonly<Record<string, string>> = {},
) => {
  const target: ScriptedTarget = await ScriptedTarget.start(answers, (pdu, reply) =>
    script(target, pdu, reply),
  );
  const session = await loginTo(target);
  const readInto = Buffer.alloc(1024, 0xee);
  const result = session.execute({ lun: 0, cdb: blocks(2), readInto });
  // Whoever looks at the result later still sees how it ended.
  result.catch(() => undefined);
  return {
    target,
    readInto,
    result,
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]();
      await target[Symbol.asyncDispose]();
    },
  };
};

test("a read has R and not W, and its length as Expected Data Transfer Length", async (t) => {
  await using read = await reading((target, pdu, reply) => reply(dataIn(target, pdu, 0, 0, F | S), content));
  await read.result;
  const { bhs } = await read.target.seen(op.command);
  t.is(bhs[1], F | 0x40 | 0x01);
  t.is(bhs.readUInt32BE(20), 1024);
});

test("the status may come with the last Data-In", async (t) => {
  await using read = await reading((target, pdu, reply) => {
    reply(dataIn(target, pdu, 0, 0), content.subarray(0, 512));
    reply(dataIn(target, pdu, 1, 512, F | S), content.subarray(512));
  });
  t.is((await read.result).status, 0);
  t.deepEqual(read.readInto, content);
});

test("the status may come in a SCSI Response of its own", async (t) => {
  await using read = await reading((target, pdu, reply) => {
    reply(dataIn(target, pdu, 0, 0, F), content);
    reply(response(target, pdu, 1));
  });
  t.is((await read.result).read, 1024);
  t.deepEqual(read.readInto, content);
});

test("a Data-In without data is taken", async (t) => {
  await using read = await reading((target, pdu, reply) => {
    reply(dataIn(target, pdu, 0, 0));
    reply(dataIn(target, pdu, 1, 0, F), content);
    reply(dataIn(target, pdu, 2, 1024, F | S));
  });
  t.is((await read.result).read, 1024);
});

test("data that ends inside a word is taken without its padding", async (t) => {
  await using read = await reading((target, pdu, reply) => {
    reply(dataIn(target, pdu, 0, 0), content.subarray(0, 5));
    reply(dataIn(target, pdu, 1, 5, F | S), content.subarray(5));
  });
  await read.result;
  t.deepEqual(read.readInto, content);
});

test("an underflow is told with its bytes, and nothing is written behind what came", async (t) => {
  await using read = await reading((target, pdu, reply) =>
    reply(dataIn(target, pdu, 0, 0, F | S | U, [[44, 512]]), content.subarray(0, 512)),
  );
  const result = await read.result;
  t.deepEqual([result.read, result.residual], [512, { kind: "underflow", bytes: 512 }]);
  t.deepEqual(read.readInto, Buffer.concat([content.subarray(0, 512), Buffer.alloc(512, 0xee)]));
});

test("an overflow is told with its bytes", async (t) => {
  await using read = await reading((target, pdu, reply) => {
    reply(dataIn(target, pdu, 0, 0, F), content);
    reply(response(target, pdu, 1, F | O, [[44, 4096]]));
  });
  t.deepEqual((await read.result).residual, { kind: "overflow", bytes: 4096 });
});

for (const [title, status, sense, key] of [
  ["ABORTED COMMAND with a CRC error", 0x02, [0x0b, 0x47, 0x05], 0x0b],
  ["unexpected unsolicited data", 0x02, [0x0b, 0x0c, 0x0c], 0x0b],
  ["not enough unsolicited data", 0x02, [0x0b, 0x0c, 0x0d], 0x0b],
  ["BUSY", 0x08, undefined, undefined],
  ["RESERVATION CONFLICT", 0x18, undefined, undefined],
  ["TASK SET FULL", 0x28, undefined, undefined],
] as const) {
  test(`a status is a result: ${title}`, async (t) => {
    await using read = await reading((target, pdu, reply) => reply(...failure(target, pdu, status, sense)));
    const result = await read.result;
    t.is(result.status, status);
    t.is(result.sense?.key, key);
    if (sense !== undefined) t.deepEqual([result.sense?.asc, result.sense?.ascq], [sense[1], sense[2]]);
  });
}

test("a response that is not about the command's execution is no status, whatever the field says", async (t) => {
  await using read = await reading((target, pdu, reply) => {
    const bhs = response(target, pdu);
    bhs[2] = 0x01;
    reply(bhs);
  });
  await t.throwsAsync(read.result, { code: "TARGET_FAILURE" });
});

const breaches: readonly {
  title: string;
  section: string;
  script: (target: ScriptedTarget, command: RawPdu, reply: Reply) => void;
}[] = [
  {
    title: "data that passes the end of the buffer",
    section: "11.7.6",
    script: (target, pdu, reply) => reply(dataIn(target, pdu, 0, 512, F | S), content),
  },
  {
    title: "a gap in the data",
    section: "11.7.6",
    script: (target, pdu, reply) => reply(dataIn(target, pdu, 0, 512), content.subarray(512)),
  },
  {
    title: "a DataSN that is not the next",
    section: "11.7.5",
    script: (target, pdu, reply) => reply(dataIn(target, pdu, 1, 0), content.subarray(0, 512)),
  },
  {
    title: "CHECK CONDITION in a Data-In",
    section: "11.7.3",
    script: (target, pdu, reply) => {
      const bhs = dataIn(target, pdu, 0, 0, F | S);
      bhs[3] = 0x02;
      reply(bhs, content);
    },
  },
  {
    title: "a status before the end of its sequence",
    section: "11.7.1",
    script: (target, pdu, reply) => reply(dataIn(target, pdu, 0, 0, S), content),
  },
  {
    title: "both residual flags",
    section: "11.4.5",
    script: (target, pdu, reply) => reply(dataIn(target, pdu, 0, 0, F | S | O | U, [[44, 1]]), content),
  },
  {
    title: "a residual of more than was expected",
    section: "11.4.5",
    script: (target, pdu, reply) => reply(response(target, pdu, 0, F | U, [[44, 2048]])),
  },
  {
    title: "GOOD for less than came, with no residual",
    section: "11.4.5",
    script: (target, pdu, reply) => reply(dataIn(target, pdu, 0, 0, F | S), content.subarray(0, 512)),
  },
  {
    title: "a status that counts more Data-In than came",
    section: "11.4.8",
    script: (target, pdu, reply) => {
      reply(dataIn(target, pdu, 0, 0, F), content);
      reply(response(target, pdu, 2));
    },
  },
  {
    title: "an R2T for a read",
    section: "11.8",
    script: (target, pdu, reply) => reply(r2t(target, pdu, 0, 0, 512)),
  },
  {
    title: "a tag that no command has",
    section: "11.2.1.8",
    script: (target, pdu, reply) => reply(response(target, pdu, 0, F, [[16, 0x7777]])),
  },
];
for (const { title, section, script } of breaches) {
  test(`a breach that ends the connection: ${title}`, async (t) => {
    await using read = await reading(script);
    const error = await t.throwsAsync(read.result, { code: "PROTOCOL_ERROR" });
    t.true(error?.message.includes(`§${section}`), error?.message);
    await read.target.closed();
  });
}

import test, { type ExecutionContext } from "ava";
import { MemoryDevice } from "#block";
import { encodeCdb } from "#scsi";
import { Target, type TargetLimits } from "#target";
import { Opcode } from "ts-iscsi-pdu";
import { client as run, iqn, url } from "./clients.ts";
import { RawClient, identity } from "./raw-client.ts";

const mebibyte = 1024 * 1024;

async function setUp(t: ExecutionContext, limits: Partial<TargetLimits> = {}) {
  const device = new MemoryDevice(64 * mebibyte);
  const events: { readonly kind: string; readonly data: Readonly<Record<string, unknown>> }[] = [];
  let tell: (() => void) | undefined;
  const target = await Target.listen({
    iqn,
    luns: [{ lun: 1, device }],
    limits,
    report: (kind, data) => {
      events.push({ kind, data });
      tell?.();
    },
  });
  t.teardown(() => target[Symbol.asyncDispose]());
  const event = async (kind: string, how?: string) => {
    const found = () =>
      events.some((entry) => entry.kind === kind && (how === undefined || entry.data["how"] === how));
    while (!found())
      await new Promise<void>((resolve) => {
        tell = resolve;
      });
  };
  return { device, target, events, event };
}

test("a peer that never finishes its login is let go", async (t) => {
  const { target, event } = await setUp(t, { loginTimeout: 50 });
  using silent = await RawClient.connect(target.address);
  await silent.closed();
  await event("connection-closed", "login timeout");
  t.is(target.sessions.length, 0);
});

test("a peer that sends byte after byte is understood, and does not hold up others", async (t) => {
  const { target } = await setUp(t);
  using slow = await RawClient.connect(target.address);
  const whole: Buffer[] = [];
  const write = slow.socket.write.bind(slow.socket);
  slow.socket.write = (chunk: Uint8Array) => (whole.push(Buffer.from(chunk)), true);
  const answer = slow.login(identity);
  slow.socket.write = write;
  const bytes = Buffer.concat(whole);
  for (const [at, byte] of bytes.entries()) {
    if (at === 20) t.regex((await run("iscsi-inq", [url(target.address)])).stdout, /SANLAB/);
    await new Promise<void>((resolve) => slow.socket.write(Uint8Array.of(byte), () => resolve()));
  }
  t.is((await answer).status, 0);
});

test("a peer that reads nothing makes its own reads wait, and memory stays bounded", async (t) => {
  const { target, event, events } = await setUp(t, { outputHighWater: mebibyte });
  using deaf = await RawClient.connect(target.address);
  await deaf.login({ ...identity, MaxRecvDataSegmentLength: "262144" });
  deaf.socket.pause();
  const before = process.memoryUsage().arrayBuffers;
  const cdb = encodeCdb("read10", { lba: 0, blocks: 65_535 });
  for (let i = 0; i < 64; i++) deaf.command(cdb, { read: true, edtl: 65_535 * 512 });
  // Another session works meanwhile, which also gives the target all the time it needs.
  using other = await RawClient.connect(target.address);
  other.isid = Buffer.from("800000020000", "hex");
  await other.login(identity);
  for (let i = 0; i < 50; i++) {
    other.command(encodeCdb("read10", { lba: 8 * i, blocks: 8 }), { read: true, edtl: 4096 });
    t.is((await other.next())?.pdu.opcode, Opcode.DataIn);
  }
  const grown = process.memoryUsage().arrayBuffers - before;
  t.true(grown < 96 * mebibyte, `${Math.round(grown / mebibyte)} MiB for 2 GiB asked for`);
  t.true(events.some(({ kind }) => kind === "session-open"));
  deaf.socket.destroy();
  await event("session-closed");
});

test("a peer that takes nothing of its answers for the stall time-out is cut off, though it was only silent before", async (t) => {
  const { target, event } = await setUp(t, { stallTimeout: 50, loginTimeout: 2000 });
  using deaf = await RawClient.connect(target.address);
  await deaf.login({ ...identity, MaxRecvDataSegmentLength: "262144" });
  // Many time-outs of silence, in which nothing waits for it.
  using silent = await RawClient.connect(target.address);
  await silent.closed();
  t.is(target.sessions.length, 1);
  deaf.socket.pause();
  deaf.command(encodeCdb("read10", { lba: 0, blocks: 65_535 }), { read: true, edtl: 65_535 * 512 });
  await event("session-closed", "timeout");
  t.is(target.sessions.length, 0);
});

test("a ping that stays unanswered ends the session; one that is answered does not", async (t) => {
  const { target, event } = await setUp(t, { pingInterval: 50, pingTimeout: 1000 });
  using client = await RawClient.connect(target.address);
  await client.login(identity);
  const ping = (await client.next())?.pdu;
  if (ping?.opcode !== Opcode.NopIn) throw new Error("no ping");
  t.is(ping.itt, 0xffff_ffff);
  t.not(ping.ttt, 0xffff_ffff);
  client.send({
    opcode: Opcode.NopOut,
    immediate: true,
    lun: 0,
    itt: 0xffff_ffff,
    ttt: ping.ttt,
    cmdSn: client.cmdSn,
    expStatSn: client.expStatSn,
  });
  t.is((await client.next())?.pdu.opcode, Opcode.NopIn, "the next ping");
  t.is(target.sessions.length, 1);
  await client.closed();
  await event("session-closed", "timeout");
});

test("connections and sessions beyond the limits are refused, the others stay", async (t) => {
  const { target } = await setUp(t, { maxConnections: 3, maxSessions: 1 });
  using first = await RawClient.connect(target.address);
  t.is((await first.login(identity)).status, 0);
  using second = await RawClient.connect(target.address);
  second.isid = Buffer.from("800000020000", "hex");
  t.is((await second.login(identity)).status, 0x0302);
  await second.closed();
  using third = await RawClient.connect(target.address);
  using fourth = await RawClient.connect(target.address);
  // The reset may come before the client has noticed that it was connected.
  await RawClient.connect(target.address).then(
    (fifth) => fifth.closed(),
    (error: NodeJS.ErrnoException) => t.is(error.code, "ECONNRESET"),
  );
  t.is(target.sessions.length, 1);
  third.socket.destroy();
  fourth.socket.destroy();
});

test("before the login a data segment has at most 8192 bytes and a text 32 KiB", async (t) => {
  const { target, event } = await setUp(t);
  using big = await RawClient.connect(target.address);
  const header = Buffer.alloc(48);
  header.set([0x43, 0x87], 0);
  header.writeUIntBE(0xff_ffff, 5, 3);
  big.socket.write(header);
  await big.closed();
  await event("protocol-error");
  using endless = await RawClient.connect(target.address);
  const part = Buffer.alloc(8192, "a");
  for (let i = 0; i < 5; i++)
    endless.send(
      {
        opcode: Opcode.LoginRequest,
        itt: 1,
        csg: 1,
        nsg: 0,
        transit: false,
        continues: true,
        isid: endless.isid,
        cmdSn: 1,
        expStatSn: 0,
      },
      part,
    );
  const statuses: number[] = [];
  for (let answer = await endless.next(); answer !== undefined; answer = await endless.next())
    if (answer.pdu.opcode === Opcode.LoginResponse) statuses.push(answer.pdu.statusClass);
  t.deepEqual(statuses, [0, 0, 0, 0, 2]);
});

test("64 sessions at once, each with its own reads", async (t) => {
  const { target } = await setUp(t);
  const clients = await Promise.all(Array.from({ length: 64 }, () => RawClient.connect(target.address)));
  t.teardown(() => clients.forEach((client) => client[Symbol.dispose]()));
  await Promise.all(
    clients.map(async (client, index) => {
      client.isid = Buffer.from([0x80, 0, 0, index, 0, 0]);
      t.is((await client.login(identity)).status, 0);
      for (let i = 0; i < 20; i++)
        client.command(encodeCdb("read10", { lba: i, blocks: 1 }), { read: true, edtl: 512 });
      for (let i = 0; i < 20; i++) t.is((await client.next())?.pdu.opcode, Opcode.DataIn);
    }),
  );
  t.is(target.sessions.length, 64);
});

test("1,000 logins, eight at a time, while another session reads and does not notice", async (t) => {
  t.timeout(120_000);
  const { target, events } = await setUp(t);
  using reader = await RawClient.connect(target.address);
  await reader.login(identity);
  let left = 1000;
  const busy = new AbortController();
  const lane = async (number: number) => {
    for (let i = 0; left > 0; i++) {
      left -= 1;
      using client = await RawClient.connect(target.address);
      client.isid = Buffer.from([0x80, 0, 1, number, i >> 8, i & 0xff]);
      if ((await client.login(identity)).status !== 0) t.fail("a login was refused");
      client.logout(0);
      if ((await client.next())?.pdu.opcode !== Opcode.LogoutResponse) t.fail("a logout stayed unanswered");
    }
  };
  const reading = (async () => {
    let reads = 0;
    for (; !busy.signal.aborted; reads++) {
      const itt = reader.command(encodeCdb("read10", { lba: reads % 1000, blocks: 8 }), {
        read: true,
        edtl: 4096,
      });
      const answer = (await reader.next())?.pdu;
      if (answer?.opcode !== Opcode.DataIn || answer.itt !== itt) t.fail("a read went wrong");
    }
    return reads;
  })();
  const begin = performance.now();
  await Promise.all(Array.from({ length: 8 }, (_, number) => lane(number)));
  const seconds = (performance.now() - begin) / 1000;
  busy.abort();
  const reads = await reading;
  t.log(
    `${Math.round(60_000 / seconds)} logins a minute, ${Math.round(reads / seconds)} reads a second beside them`,
  );
  t.true(reads > 100);
  t.is(events.filter(({ kind }) => kind === "login-done").length, 1001);
  t.is(target.sessions.length, 1);
});

import { createServer, type Socket } from "node:net";
import { MemoryDevice } from "#block";
import { discover, Session, type SessionOptions } from "#initiator";
import { encodeCdb, ScsiStatus } from "#scsi";
import { Target } from "#target";
import {
  Framer,
  Opcode,
  TmfFunction,
  TmfResponseCode,
  writeLoginResponse,
  writeTextKeys,
  type TextKey,
} from "ts-iscsi-pdu";
import test from "ava";
import { Relay } from "./peers/relay.ts";

const iqn = "iqn.2001-04.com.example:session";
const initiator = "iqn.2001-04.com.example:initiator";

const listen = (options: Partial<Parameters<typeof Target.listen>[0]> = {}) =>
  Target.listen({ iqn, luns: [{ lun: 0, device: new MemoryDevice(1024 * 1024) }], ...options });
const loginTo = (port: number, options: Partial<SessionOptions> = {}) =>
  Session.login({ host: "127.0.0.1", port, target: iqn, initiator, ...options });

for (const permanent of [false, true]) {
  test(`a ${permanent ? "permanent" : "temporary"} redirection is followed`, async (t) => {
    await using real = await listen();
    const address = `127.0.0.1:${real.address.port},1`;
    await using signpost = await listen({ redirect: { address, permanent } });
    await using session = await loginTo(signpost.address.port);
    t.is(session.portal.port, real.address.port);
    t.is((await session.disk(0)).size, 1024 * 1024);
  });
}

test("portals that point at each other are not followed for ever", async (t) => {
  const ports: number[] = [];
  await using first = await redirecting(() => ports[1] ?? 0);
  await using second = await redirecting(() => ports[0] ?? 0);
  ports.push(first.port, second.port);
  await t.throwsAsync(loginTo(first.port), { code: "REDIRECTION_LOOP" });
});

test("a text longer than one PDU is split inside a key, both ways", async (t) => {
  const luns = Array.from({ length: 1 }, () => ({ lun: 0, device: new MemoryDevice(4096) }));
  const others = Array.from({ length: 300 }, (_, i) => ({
    iqn: `iqn.2001-04.com.example:${"x".repeat(100)}${i}`,
    luns,
  }));
  await using target = await listen({ others });
  const { port } = target.address;
  const found = await discover({
    host: "127.0.0.1",
    port,
    initiator,
    keys: { MaxRecvDataSegmentLength: 512 },
  });
  t.is(found.length, 301);
  await using session = await loginTo(port, {
    initiatorAlias: "a".repeat(255),
    keys: { MaxRecvDataSegmentLength: 512 },
  });
  t.is(session.state, "full-feature");
});

test("an aborted command is aborted at the target and leaves its buffer alone", async (t) => {
  const device = new MemoryDevice(1024 * 1024);
  const { promise: reading, resolve: read } = Promise.withResolvers<void>();
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  device.read = async () => {
    read();
    await held;
  };
  await using target = await listen({ luns: [{ lun: 0, device }] });
  await using session = await loginTo(target.address.port);
  await session.unit(0).testUnitReady();
  const controller = new AbortController();
  const command = session.execute({
    lun: 0,
    cdb: encodeCdb("read10", { lba: 0, blocks: 8 }),
    readInto: Buffer.alloc(4096),
    signal: controller.signal,
  });
  await reading;
  controller.abort(new Error("changed my mind"));
  setImmediate(release);
  await t.throwsAsync(command, { message: "changed my mind" });
  t.true((await session.ping()) > 0);
});

test("task management answers are results", async (t) => {
  await using target = await listen();
  await using session = await loginTo(target.address.port);
  t.is((await session.manage({ function: TmfFunction.LogicalUnitReset, lun: 0 })).response, 0);
  t.is((await session.manage({ function: TmfFunction.LogicalUnitReset, lun: 9 })).response, 2);
  const { status, sense } = await session.execute({ lun: 0, cdb: encodeCdb("testUnitReady", {}) });
  t.is(status, ScsiStatus.CheckCondition);
  t.is(sense?.key, 6);
});

test("the task management functions of RFC 7144 go out at level 2, and not below", async (t) => {
  const device = new MemoryDevice(1024 * 1024);
  const reading = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  device.read = async () => {
    reading.resolve();
    await held.promise;
  };
  await using target = await listen({ luns: [{ lun: 0, device }] });
  await using old = await loginTo(target.address.port, { keys: { iSCSIProtocolLevel: 1 } });
  await t.throwsAsync(old.manage({ function: TmfFunction.QueryTaskSet, lun: 0 }), { code: "PROTOCOL_LEVEL" });
  await using session = await loginTo(target.address.port, { keys: { iSCSIProtocolLevel: 2 } });
  t.is(session.values.iSCSIProtocolLevel, 2);
  await session.unit(0).testUnitReady();
  const ask = async (name: keyof typeof TmfFunction) =>
    (
      await session.manage({
        function: TmfFunction[name],
        lun: 0,
        ...(name === "QueryTask" && { referencedTaskTag: 0xffff }),
      })
    ).response;
  t.is(await ask("QueryTaskSet"), TmfResponseCode.FunctionComplete);
  const cdb = encodeCdb("read10", { lba: 0, blocks: 8 });
  const read = session.execute({ lun: 0, cdb, readInto: Buffer.alloc(4096) });
  await reading.promise;
  t.is(await ask("QueryTaskSet"), TmfResponseCode.FunctionSucceeded);
  t.is(await ask("QueryTask"), TmfResponseCode.FunctionComplete);
  t.is(await ask("QueryAsynchronousEvent"), TmfResponseCode.FunctionComplete);
  held.resolve();
  await read;
  t.is(await ask("ItNexusReset"), TmfResponseCode.FunctionComplete);
});

test("residuals are told, and a disk's read that comes short is an error", async (t) => {
  await using target = await listen();
  await using session = await loginTo(target.address.port);
  await session.unit(0).testUnitReady();
  const over = await session.execute({
    lun: 0,
    cdb: encodeCdb("inquiry", { allocationLength: 36 }),
    readInto: Buffer.alloc(100),
  });
  t.deepEqual([over.status, over.read, over.residual], [0, 36, { kind: "underflow", bytes: 64 }]);
  const under = await session.execute({
    lun: 0,
    cdb: encodeCdb("read10", { lba: 0, blocks: 2 }),
    readInto: Buffer.alloc(512),
  });
  t.is(under.residual.kind, "overflow");
});

test("a session that was logged out takes no commands, and says so", async (t) => {
  await using target = await listen();
  const session = await loginTo(target.address.port);
  await session.logout();
  t.is(session.state, "closed");
  await t.throwsAsync(session.execute({ lun: 0, cdb: encodeCdb("testUnitReady", {}) }), {
    code: "SESSION_CLOSED",
  });
  t.is(await session.logout(), undefined);
});

test("a session comes back under its own ISID after the target was away", async (t) => {
  const device = new MemoryDevice(1024 * 1024);
  const keys = { DefaultTime2Wait: 0 };
  let target = await listen({ luns: [{ lun: 0, device }], keys });
  await using relay = await Relay.start(target.address.port);
  const { promise: lost, resolve } = Promise.withResolvers<void>();
  await using session = await loginTo(relay.port, {
    recovery: { attempts: 100, firstDelayMs: 10, longestDelayMs: 50 },
    report: (kind) => kind === "connection-lost" && resolve(),
  });
  const disk = await session.disk(0);
  const isid = target.sessions[0]?.isid;
  await target[Symbol.asyncDispose]();
  await lost;
  const write = disk.write(0, Buffer.alloc(512, 7));
  target = await listen({ luns: [{ lun: 0, device }], keys });
  relay.targetPort = target.address.port;
  await write;
  t.is(target.sessions[0]?.isid, isid);
  await session.logout();
  await target[Symbol.asyncDispose]();
});

/** A portal that sends every login to the port that `to` gives. */
async function redirecting(to: () => number): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    const framer = new Framer({
      header: () => null,
      error: () => socket.destroy(),
      pdu: (pdu) => {
        if (pdu.opcode !== Opcode.LoginRequest) return;
        const keys: TextKey[] = [["TargetAddress", `127.0.0.1:${to()},1`]];
        const text = writeTextKeys(keys);
        const answer = Buffer.alloc(48 + ((text.length + 3) & ~3));
        writeLoginResponse(answer, 0, {
          itt: pdu.itt,
          csg: 0,
          isid: pdu.isid,
          statSn: 0,
          expCmdSn: pdu.cmdSn,
          maxCmdSn: pdu.cmdSn,
          statusClass: 1,
          statusDetail: 1,
          dataLength: text.length,
        });
        answer.set(text, 48);
        socket.write(answer);
      },
    });
    socket.on("data", (bytes) => framer.push(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

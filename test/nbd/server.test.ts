import { chmod, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { MemoryDevice } from "#block";
import { serveNbd } from "#nbd";
import { execa } from "execa";
import test from "ava";
import { RawClient, counted, hex, optionBytes, requestBytes } from "./raw-client.ts";
import { contentOf, inFolder, miB, serving } from "./serving.ts";

test("the greeting and the oldest way to an export are byte for byte as the protocol has them", (t) =>
  serving(async ({ socket }) => {
    using client = await RawClient.connect(socket);
    t.is((await client.read(18)).toString("hex"), bare("4e42444d41474943 49484156454f5054 0003"));
    client.send(hex("00000000"), optionBytes(1, Buffer.from("disk")));
    // u64 size, u16 flags: everything but rotational, resize and fast zero; 124 zeroes.
    t.is((await client.read(134)).toString("hex"), bare("0000000000800000 05ed") + "00".repeat(124));
    client.send(requestBytes({ type: 0, cookie: 0x0102030405060708n, length: 512 }));
    t.is((await client.read(16)).toString("hex"), bare("67446698 00000000 0102030405060708"));
    t.deepEqual(await client.read(512), Buffer.alloc(512));
    client.send(requestBytes({ type: 7 }));
    t.is((await client.read(16)).toString("hex"), bare("67446698 00000016 0000000000000001"));
  }));

test("structured replies are byte for byte as the protocol has them", (t) =>
  serving(async ({ socket, device }) => {
    await device.write(1024, Buffer.alloc(512, 0xab));
    using client = await RawClient.ready(socket);
    client.send(requestBytes({ cookie: 7n, offset: 1024n }));
    t.is(
      (await client.read(20 + 8 + 512)).toString("hex"),
      bare("668e33ef 0001 0001 0000000000000007 00000208 0000000000000400") + "ab".repeat(512),
    );
    client.send(requestBytes({ type: 7, cookie: 8n, length: 128 * 1024 }));
    t.is(
      (await client.read(20 + 4 + 16)).toString("hex"),
      bare("668e33ef 0001 0005 0000000000000008 00000014 00000001 0001000000000000 0001000000000003"),
    );
    client.send(requestBytes({ type: 3, cookie: 9n, length: 0 }));
    t.is((await client.read(20)).toString("hex"), bare("668e33ef 0001 0000 0000000000000009 00000000"));
  }));

/** Fields apart for the eye. */
function bare(text: string): string {
  return text.replaceAll(" ", "");
}

interface Refusal {
  readonly title: string;
  readonly type: number;
  readonly flags?: number;
  readonly offset?: bigint;
  readonly length?: number;
  readonly error: number;
}

const end = BigInt(8 * miB);
const refusals: readonly Refusal[] = [
  { title: "a read past the end", type: 0, offset: end, error: 22 },
  { title: "a read far past the end", type: 0, offset: 2n ** 64n - 512n, error: 22 },
  { title: "a read of nothing", type: 0, length: 0, error: 22 },
  { title: "a read of too much", type: 0, length: 33 * miB, error: 22 },
  { title: "a read of half a block", type: 0, offset: 256n, error: 22 },
  { title: "a read with a flag of other commands", type: 0, flags: 8, error: 22 },
  { title: "a flag that nobody knows", type: 3, flags: 0x8000, error: 22 },
  { title: "zeroes past the end", type: 6, offset: end - 512n, length: 1024, error: 28 },
  { title: "a trim past the end", type: 4, offset: end, error: 22 },
  { title: "a block status past the end", type: 7, offset: end, error: 22 },
  { title: "an unknown command", type: 42, error: 22 },
];

for (const { title, error, ...fields } of refusals) {
  test(`refused, and the connection lives on: ${title}`, (t) =>
    serving(async ({ socket }) => {
      using client = await RawClient.ready(socket);
      const { type, data } = await client.request(fields);
      t.is(type, 0x8001);
      t.is(data.readUInt32BE(0), error);
      t.is(data.readUInt16BE(4), data.length - 6);
      t.is((await client.request({})).type, 1);
    }));
}

test("a write past the end is refused after its payload, and the next request is understood", (t) =>
  serving(async ({ socket }) => {
    using client = await RawClient.ready(socket);
    const { data } = await client.request({ type: 1, offset: end, length: 512 }, Buffer.alloc(512));
    t.is(data.readUInt32BE(0), 28);
    t.is((await client.request({})).type, 1);
  }));

test("REQ_ONE tells one extent", (t) =>
  serving(async ({ socket, device }) => {
    await device.write(miB, Buffer.alloc(512, 1));
    using client = await RawClient.ready(socket);
    const { data } = await client.request({ type: 7, flags: 8, length: 4 * miB });
    t.is(data.toString("hex"), bare("00000001 00100000 00000003"));
  }));

test("block status without its context is an error", (t) =>
  serving(async ({ socket }) => {
    using client = await RawClient.greeted(socket);
    await client.ask(8, Buffer.alloc(0));
    await client.ask(7, Buffer.concat([counted("disk"), hex("0000")]));
    t.is((await client.request({ type: 7 })).data.readUInt32BE(0), 22);
  }));

test("a client that has to know of blocks of 4096 bytes is told, and refused until it asks", (t) =>
  inFolder(async (folder) => {
    const socket = path.join(folder, "nbd.sock");
    await using _server = await serveNbd({
      listen: { path: socket },
      exports: [{ name: "disk", device: new MemoryDevice(miB, { blockSize: 4096 }) }],
    });
    using client = await RawClient.greeted(socket);
    const refused = await client.ask(7, Buffer.concat([counted("disk"), hex("0000")]));
    t.is(refused.at(-1)!.type, 0x8000_0008);
    t.is(refused[0]!.data.toString("hex"), bare("0003 00001000 00001000 02000000"));
    t.is((await client.ask(7, Buffer.concat([counted("disk"), hex("00010003")]))).at(-1)!.type, 1);
  }));

test("a flush covers what another connection wrote, and DISCONNECT waits for what is open", (t) =>
  serving(async ({ socket, device, events }) => {
    using one = await RawClient.ready(socket);
    using two = await RawClient.ready(socket);
    t.is((await one.request({ type: 1, length: 4096 }, Buffer.alloc(4096, 9))).type, 0);
    t.is((await two.request({ type: 3, length: 0 })).type, 0);
    for (let i = 0; i < 20; i++) one.send(requestBytes({ cookie: BigInt(i), length: 64 * 1024 }));
    one.send(requestBytes({ type: 2 }));
    t.is((await one.closed()).length, 20 * (28 + 64 * 1024));
    t.is((await contentOf(device))[4095], 9);
    t.like(
      events.find(({ kind }) => kind === "disconnected"),
      { connection: 1, how: "closed" },
    );
  }));

/** Reads wait until they are let go. */
class SlowDevice extends MemoryDevice {
  readonly gate = Promise.withResolvers<void>();
  readonly waiting = Promise.withResolvers<void>();

  override async read(...args: Parameters<MemoryDevice["read"]>): Promise<void> {
    this.waiting.resolve();
    await this.gate.promise;
    await super.read(...args);
  }
}

test("a fence lets open commands end, then answers everything with ESHUTDOWN and tells of it", async (t) => {
  const device = new SlowDevice(8 * miB);
  await serving(
    async ({ server, socket, events }) => {
      using client = await RawClient.ready(socket);
      client.send(requestBytes({ cookie: 1n }));
      await device.waiting.promise;
      let fenced = false;
      const fence = server.fence("disk").then(() => (fenced = true));
      for (const type of [0, 1, 3, 4, 5, 6, 7]) {
        const length = type === 3 ? 0 : 512;
        const payload = type === 1 ? Buffer.alloc(512, 0xff) : undefined;
        const { data } = await client.request({ type, length }, payload);
        t.is(data.readUInt32BE(0), 108, `command ${type}`);
      }
      t.false(fenced);
      device.gate.resolve();
      t.is((await client.chunk()).cookie, 1n);
      await fence;
      t.is(device.size, (await contentOf(device)).filter((byte) => byte === 0).length);
      t.deepEqual(
        events.filter(({ kind }) => kind === "command").map(({ command, fenced }) => [command, fenced]),
        [
          ["read", false],
          ...["read", "write", "flush", "trim", "cache", "write-zeroes", "block-status"].map((command) => [
            command,
            true,
          ]),
        ],
      );
      t.is(events.filter(({ kind }) => kind === "fenced").length, 1);
      using late = await RawClient.greeted(socket);
      t.is((await late.ask(7, Buffer.concat([counted("disk"), hex("0000")]))).at(-1)!.type, 0x8000_0007);
    },
    { device },
  );
});

test("a fence that waits ends with its signal, and an export that is not there is told", async (t) => {
  const device = new SlowDevice(8 * miB);
  await serving(
    async ({ server, socket }) => {
      using client = await RawClient.ready(socket);
      client.send(requestBytes({}));
      await device.waiting.promise;
      const controller = new AbortController();
      const fence = server.fence("disk", { signal: controller.signal });
      controller.abort(new Error("enough"));
      await t.throwsAsync(fence, { message: "enough" });
      await t.throwsAsync(server.fence("no"), { code: "NO_EXPORT" });
      device.gate.resolve();
    },
    { device },
  );
});

test("QEMU's own disk gets errors after the fence", (t) =>
  serving(async ({ url, server, events }) => {
    const child = execa("qemu-io", ["-f", "raw", url], { stdin: "pipe", reject: false });
    child.stdin.write("write -P 5 0 4k\n");
    while (!events.some(({ command }) => command === "write")) await setImmediate();
    await server.fence("disk");
    child.stdin.end("read 0 4k\nquit\n");
    const { stdout, stderr } = await child;
    t.regex(stdout + stderr, /read failed: Cannot send after transport endpoint shutdown/);
    t.true(events.some(({ command, fenced }) => command === "read" && fenced === true));
  }));

test("a closing server takes its socket away; one that was killed leaves one that is taken over", (t) =>
  inFolder(async (folder) => {
    const socket = path.join(folder, "nbd.sock");
    const options = { listen: { path: socket }, exports: [{ name: "", device: new MemoryDevice(miB) }] };
    {
      await using _first = await serveNbd(options);
      t.is((await stat(socket)).mode & 0o777, 0o600);
      await t.throwsAsync(serveNbd(options), { code: "SOCKET_IN_USE", message: /nbd\.sock exists already/ });
    }
    await t.throwsAsync(stat(socket), { code: "ENOENT" });
    await execa(process.execPath, [
      "-e",
      `require("node:net").createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, "SIGKILL"))`,
    ]).catch(() => undefined);
    t.true((await stat(socket)).isSocket());
    await using second = await serveNbd(options);
    t.is((await execa("nbdinfo", ["--size", second.url("")])).stdout, String(miB));
  }));

test("what cannot be listened on is told with its cure", (t) =>
  inFolder(async (folder) => {
    const exports = [{ name: "", device: new MemoryDevice(miB) }];
    const file = path.join(folder, "file");
    await writeFile(file, "precious");
    await chmod(file, 0o600);
    await t.throwsAsync(serveNbd({ listen: { path: file }, exports }), { code: "SOCKET_IN_USE" });
    await t.throwsAsync(serveNbd({ listen: { path: path.join(folder, "no/x") }, exports }), {
      code: "NO_SUCH_FOLDER",
    });
    await t.throwsAsync(serveNbd({ listen: { path: path.join(folder, "x".repeat(100)) }, exports }), {
      code: "BAD_SOCKET",
    });
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const address = taken.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    await t.throwsAsync(serveNbd({ listen: { host: "127.0.0.1", port }, exports }), { code: "PORT_IN_USE" });
    taken.close();
    await t.throwsAsync(serveNbd({ listen: { path: file }, exports: [...exports, ...exports] }), {
      code: "BAD_EXPORT",
    });
  }));

test("a closing server answers what is open, and starts nothing more", async (t) => {
  const device = new SlowDevice(8 * miB);
  await serving(
    async ({ server, socket, events }) => {
      using client = await RawClient.ready(socket);
      client.send(requestBytes({ cookie: 1n }));
      await device.waiting.promise;
      const closed = server[Symbol.asyncDispose]();
      client.send(requestBytes({ cookie: 2n }));
      device.gate.resolve();
      t.is((await client.chunk()).cookie, 1n);
      t.is((await client.closed()).length, 0);
      await closed;
      t.is(events.filter(({ kind }) => kind === "command").length, 1);
    },
    { device },
  );
});

test("a closing server does not wait for ever for a device that hangs", async (t) => {
  const device = new SlowDevice(8 * miB);
  await serving(
    async ({ server, socket }) => {
      using client = await RawClient.ready(socket);
      client.send(requestBytes({}));
      await device.waiting.promise;
      const closed = server[Symbol.asyncDispose]();
      t.is((await client.closed()).length, 0);
      device.gate.resolve();
      await closed;
    },
    { device },
  );
});

test("a server that its signal ends hangs up", (t) => {
  const controller = new AbortController();
  return serving(
    async ({ socket }) => {
      using client = await RawClient.ready(socket);
      controller.abort();
      t.is((await client.closed()).length, 0);
    },
    { signal: controller.signal },
  );
});

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { SeededRandom } from "#core";
import { BootFiles } from "../../src/netboot/files/boot-files.ts";
import { decodeTftp } from "../../src/netboot/tftp/tftp-packet.ts";
import { negotiate } from "../../src/netboot/tftp/tftp-options.ts";
import { TftpServer, type TftpConfig } from "../../src/netboot/tftp/tftp-server.ts";
import { toWire } from "../../src/netboot/wire.ts";
import { run } from "./run.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");
const random = new SeededRandom(69);
const contents = {
  empty: Buffer.alloc(0),
  short: Buffer.from("short"),
  "one-block": Buffer.from(random.bytes(512)),
  big: Buffer.from(random.bytes(1_000_003)),
  /** 65,536 blocks of 8 bytes and some: the block number wraps. */
  wraps: Buffer.from(random.bytes(8 * 65_540 + 3)),
  "dir/file": Buffer.from("in a folder"),
} as const;
const folder = mkdtempSync(path.join(tmpdir(), "sanlab-tftp-"));
test.after.always(() => rmSync(folder, { recursive: true }));

interface Event {
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
}

async function serve(config: TftpConfig = {}) {
  const events: Event[] = [];
  const waiting: { kind: string; resolve: (event: Event) => void }[] = [];
  const wire = toWire({ name: "lo", address: "127.0.0.1", prefixLength: 8 });
  const server = await TftpServer.start(
    wire,
    await BootFiles.open({ entries: contents }),
    { port: 0, ...config },
    (kind, data) => {
      events.push({ kind, data });
      for (const waiter of waiting) if (waiter.kind === kind) waiter.resolve({ kind, data });
    },
  );
  /** The next, or an earlier, report of that kind. */
  const reported = (kind: string): Promise<Event> => {
    const earlier = events.find((event) => event.kind === kind);
    if (earlier) return Promise.resolve(earlier);
    const { promise, resolve } = Promise.withResolvers<Event>();
    waiting.push({ kind, resolve });
    return promise;
  };
  return { server, events, reported, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** A client that says only what a test makes it say. */
class Client implements AsyncDisposable {
  readonly socket: Socket = createSocket("udp4");
  readonly #queue: { bytes: Buffer; from: RemoteInfo }[] = [];
  #wake: (() => void) | undefined;
  peer = 0;

  constructor() {
    this.socket.on("message", (bytes, from) => {
      this.#queue.push({ bytes, from });
      this.#wake?.();
    });
  }

  ask(
    port: number,
    file: string,
    options: Readonly<Record<string, string | number>> = {},
    mode = "octet",
    op = 1,
  ) {
    const texts = [file, mode, ...Object.entries(options).flat()];
    this.socket.send(
      Buffer.concat([Uint8Array.of(0, op), Buffer.from(texts.map((text) => `${text}\0`).join(""))]),
      port,
      "127.0.0.1",
    );
  }

  say(bytes: Buffer, port = this.peer) {
    this.socket.send(bytes, port, "127.0.0.1");
  }

  ack(block: number) {
    this.say(Buffer.from([0, 4, (block >> 8) & 0xff, block & 0xff]));
  }

  async hear(): Promise<Buffer> {
    while (this.#queue.length === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    const { bytes, from } = this.#queue.shift()!;
    this.peer = from.port;
    return bytes;
  }

  async [Symbol.asyncDispose]() {
    const closed = once(this.socket, "close");
    this.socket.close();
    await closed;
  }
}

const block = (bytes: Buffer) => {
  if (bytes[1] !== 3) throw new Error(`no data but ${bytes.toString("latin1")}`);
  return bytes.readUInt16BE(2);
};

test("requests are decoded as RFC 1350 and 2347 lay them out", (t) => {
  const request = hex("0001 612f62 00 4f63746574 00 424c4b53495a45 00 31343638 00");
  t.deepEqual(decodeTftp(request), {
    kind: "read",
    file: "a/b",
    mode: "octet",
    options: new Map([["blksize", "1468"]]),
  });
  t.deepEqual(decodeTftp(hex("0004 fffe")), { kind: "ack", block: 0xfffe });
  t.deepEqual(decodeTftp(hex("0005 0003 66756c6c 00")), { kind: "error", code: 3, message: "full" });
  for (const noise of ["", "00", "0001", "0001 00 00", "0001 6161", "0003 0001 61", "0009 0001"]) {
    t.is(decodeTftp(hex(noise)), undefined);
  }
});

const limits = { maxBlockSize: 1468, maxWindowSize: 16 };
const negotiations = [
  [{}, { blockSize: 512, windowSize: 1, timeoutMs: 1000, backOff: true }, {}],
  [
    { blksize: "1024", tsize: "0" },
    { blockSize: 1024, windowSize: 1 },
    { blksize: "1024", tsize: "77" },
  ],
  [{ blksize: "65464" }, { blockSize: 1468 }, { blksize: "1468" }],
  [{ blksize: "7" }, { blockSize: 512 }, {}],
  [{ blksize: "65465" }, { blockSize: 512 }, {}],
  [{ blksize: "1e3" }, { blockSize: 512 }, {}],
  [{ windowsize: "4" }, { windowSize: 4 }, { windowsize: "4" }],
  [{ windowsize: "64" }, { windowSize: 16 }, { windowsize: "16" }],
  [{ windowsize: "0" }, { windowSize: 1 }, {}],
  [{ timeout: "3" }, { timeoutMs: 3000, backOff: false }, { timeout: "3" }],
  [{ timeout: "256" }, { timeoutMs: 1000, backOff: true }, {}],
  [{ multicast: "" }, { windowSize: 1 }, {}],
] as const;
for (const [asked, settings, acknowledged] of negotiations) {
  test(`negotiation of ${JSON.stringify(asked)}`, (t) => {
    const result = negotiate(new Map(Object.entries(asked)), 77, limits);
    t.like(result.settings, settings);
    t.deepEqual(result.acknowledged, new Map(Object.entries(acknowledged)));
  });
}

for (const blockSize of [8, 512, 1024, 1468]) {
  test(`curl reads files whole with blocks of ${blockSize}`, async (t) => {
    await using tftp = await serve();
    const files = ["short", "one-block", ...(blockSize === 8 ? [] : (["big"] as const))] as const;
    for (const name of files) {
      const url = `tftp://127.0.0.1:${tftp.server.port}/${name}`;
      const { status, stdout, stderr } = await run("curl", ["-sS", "--tftp-blksize", String(blockSize), url]);
      t.is(status, 0, stderr);
      t.true(stdout.equals(contents[name]));
    }
    t.is(tftp.events.filter(({ kind }) => kind === "tftp-read").length, files.length);
  });
}

test("an empty file is one empty block", async (t) => {
  await using tftp = await serve();
  await using client = new Client();
  client.ask(tftp.server.port, "empty", { tsize: 0 });
  t.is((await client.hear()).toString("latin1"), "\0\x06tsize\x000\0");
  client.ack(0);
  t.deepEqual(await client.hear(), hex("0003 0001"));
  client.ack(1);
  t.is((await tftp.reported("tftp-done")).data["bytes"], 0);
});

test("busybox reads a file with large blocks", async (t) => {
  await using tftp = await serve();
  const local = path.join(folder, "big");
  const port = String(tftp.server.port);
  const { status, stderr } = await run("busybox", [
    "tftp",
    "-g",
    "-b",
    "1400",
    "-l",
    local,
    "-r",
    "big",
    "127.0.0.1",
    port,
  ]);
  t.is(status, 0, stderr);
  t.true(readFileSync(local).equals(contents.big));
  t.like((await tftp.reported("tftp-done")).data, {
    file: "big",
    bytes: contents.big.length,
    ip: "127.0.0.1",
  });
});

test("curl without options gets plain RFC 1350", async (t) => {
  await using tftp = await serve();
  const url = `tftp://127.0.0.1:${tftp.server.port}/dir/file`;
  const { stdout } = await run("curl", ["-sS", "--tftp-no-options", url]);
  t.is(stdout.toString(), "in a folder");
});

test("curl is told that a file is missing, and that nothing is taken", async (t) => {
  await using tftp = await serve();
  const url = `tftp://127.0.0.1:${tftp.server.port}/missing`;
  t.is((await run("curl", ["-sS", url])).status, 68);
  t.is((await run("curl", ["-sS", "-T", import.meta.filename, url])).status, 69);
});

test("block numbers go from 65535 to 0, in windows of 32", async (t) => {
  await using tftp = await serve();
  await using client = new Client();
  client.ask(tftp.server.port, "wraps", { blksize: 8, windowsize: 32, tsize: 0 });
  t.is(
    (await client.hear()).toString("latin1"),
    `\0\x06blksize\x008\0tsize\x00${contents.wraps.length}\0windowsize\x0032\0`,
  );
  client.ack(0);
  const parts: Buffer[] = [];
  for (let expected = 1; ; expected++) {
    const data = await client.hear();
    if (block(data) !== (expected & 0xffff)) continue;
    parts.push(data.subarray(4));
    const last = data.length < 12;
    if (last || expected % 32 === 0) client.ack(expected & 0xffff);
    if (last) break;
  }
  t.true(Buffer.concat(parts).equals(contents.wraps));
  t.like((await tftp.reported("tftp-done")).data, { bytes: contents.wraps.length });
});

test("a window is sent as a whole, and goes on after the last block in order", async (t) => {
  await using tftp = await serve();
  await using client = new Client();
  client.ask(tftp.server.port, "big", { windowsize: 4 });
  await client.hear();
  client.ack(0);
  const window = async () => [
    block(await client.hear()),
    block(await client.hear()),
    block(await client.hear()),
    block(await client.hear()),
  ];
  t.deepEqual(await window(), [1, 2, 3, 4]);
  client.ack(2);
  t.deepEqual(await window(), [3, 4, 5, 6]);
  // RFC 1123 section 4.2.3.1: an old acknowledgement again must not send anything again.
  client.ack(1);
  client.ack(2);
  client.ack(6);
  t.deepEqual(await window(), [7, 8, 9, 10]);
});

test("what is lost is sent again after the client's time-out", async (t) => {
  await using tftp = await serve();
  await using client = new Client();
  client.ask(tftp.server.port, "short", { timeout: 1 });
  t.is((await client.hear())[1], 6);
  t.is((await client.hear())[1], 6);
  client.ack(0);
  t.is(block(await client.hear()), 1);
  t.is(block(await client.hear()), 1);
  client.ack(1);
  const { data } = await tftp.reported("tftp-done");
  t.true(Number(data["retransmissions"]) >= 2);
});

test("a stranger's packet is refused and does not disturb the transfer", async (t) => {
  await using tftp = await serve();
  await using client = new Client();
  await using stranger = new Client();
  client.ask(tftp.server.port, "one-block");
  t.is(block(await client.hear()), 1);
  stranger.say(Buffer.from([0, 4, 0, 1]), client.peer);
  t.deepEqual((await stranger.hear()).subarray(0, 4), hex("00050005"));
  client.ack(1);
  const last = await client.hear();
  t.is(block(last), 2);
  t.is(last.length, 4);
  client.ack(2);
  await tftp.reported("tftp-done");
  t.pass();
});

test("a client that gives up ends its transfer", async (t) => {
  await using tftp = await serve();
  await using client = new Client();
  client.ask(tftp.server.port, "big");
  await client.hear();
  client.say(hex("0005 0003 66756c6c 00"));
  t.like((await tftp.reported("tftp-error")).data, { file: "big", reason: "the client gave up: full" });
});

const refusals = [
  ["netascii", "short", "netascii", 1, "00050004"],
  ["writing", "short", "octet", 2, "00050002"],
  ["a file outside", "../../etc/passwd", "octet", 1, "00050001"],
  ["an absolute path", "/etc/passwd", "octet", 1, "00050001"],
] as const;
for (const [what, file, mode, op, error] of refusals) {
  test(`refused: ${what}`, async (t) => {
    await using tftp = await serve();
    await using client = new Client();
    client.ask(tftp.server.port, file, {}, mode, op);
    t.deepEqual((await client.hear()).subarray(0, 4), hex(error));
    t.is((await tftp.reported("tftp-error")).data["file"], file);
  });
}

test("Windows' backslashes are slashes", async (t) => {
  await using tftp = await serve();
  await using client = new Client();
  client.ask(tftp.server.port, "\\dir\\file");
  t.is((await client.hear()).toString("latin1", 4), "in a folder");
});

test("transfers are bounded, and a repeated request is no new one", async (t) => {
  await using tftp = await serve({ maxTransfers: 1 });
  await using client = new Client();
  await using other = new Client();
  client.ask(tftp.server.port, "big");
  await client.hear();
  client.ask(tftp.server.port, "big");
  other.ask(tftp.server.port, "big");
  t.deepEqual((await other.hear()).subarray(0, 4), hex("00050000"));
  t.is(tftp.events.filter(({ kind }) => kind === "tftp-read").length, 1);
});

test("closing the server ends transfers, and their clients hear of it", async (t) => {
  const tftp = await serve();
  await using client = new Client();
  client.ask(tftp.server.port, "big");
  await client.hear();
  await tftp[Symbol.asyncDispose]();
  t.deepEqual((await client.hear()).subarray(0, 4), hex("00050000"));
});

test("fuzz: 3,000 damaged packets leave the server serving", async (t) => {
  await using tftp = await serve();
  await using client = new Client();
  const samples = [
    Buffer.from("\0\x01big\0octet\0blksize\x001468\0windowsize\x008\0"),
    hex("0002 61 00 6f63746574 00"),
    hex("0004 0001"),
    hex("0005 0001 61 00"),
  ];
  for (let i = 0; i < 3000; i++) {
    const bytes = Buffer.from(random.pick(samples));
    for (let n = random.below(4); n >= 0; n--) bytes[random.below(bytes.length)] = random.below(256);
    client.say(bytes.subarray(0, 1 + random.below(bytes.length)), tftp.server.port);
    if (i % 50 !== 0) continue;
    // Also keeps the socket's buffer from overflowing, which would lose this request too.
    await using sane = new Client();
    sane.ask(tftp.server.port, "short");
    const answer = await sane.hear();
    sane.ack(1);
    t.is(answer.toString("latin1", 4), "short");
  }
});

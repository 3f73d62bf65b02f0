import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import path from "node:path";
import { SeededRandom } from "#core";
import { NbdDevice } from "#nbd";
import { MemoryDevice } from "#block";
import test from "ava";
import { RawClient, counted, hex, optionBytes, requestBytes } from "./raw-client.ts";
import { contentOf, inFolder, miB, serving, type Event } from "./serving.ts";

const untilEvent = async (events: readonly Event[], kind: string) => {
  while (!events.some((event) => event.kind === kind)) await new Promise((resolve) => setImmediate(resolve));
  return events.find((event) => event.kind === kind);
};

const cutOff: readonly (readonly [title: string, message: RegExp, attack: (client: RawClient) => void])[] = [
  ["a flag nobody knows in the greeting", /client flags 0x10/, (client) => client.send(hex("00000010"))],
  [
    "an option without its magic number",
    /without its magic/,
    (client) => client.send(hex("00000003"), Buffer.alloc(16)),
  ],
  [
    "an option of 4 GiB",
    /4294967295 bytes/,
    (client) => client.send(hex("00000003"), optionBytes(7, Buffer.alloc(0), 2 ** 32 - 1)),
  ],
  [
    "an export that is not there, by the old way",
    /no export/,
    (client) => client.send(hex("00000003"), optionBytes(1, Buffer.from("nowhere"))),
  ],
  [
    "a newer option from an old client",
    /older/,
    (client) => client.send(hex("00000000"), optionBytes(7, Buffer.alloc(0))),
  ],
  [
    "a request without its magic number",
    /request without/,
    (client) => client.send(hex("00000003"), optionBytes(1, Buffer.from("disk")), Buffer.alloc(28, 1)),
  ],
  [
    "a write of 4 GiB",
    /write of 4294967295/,
    (client) =>
      client.send(
        hex("00000003"),
        optionBytes(1, Buffer.from("disk")),
        requestBytes({ type: 1, length: 2 ** 32 - 1 }),
      ),
  ],
];

for (const [title, message, attack] of cutOff) {
  test(`cut off: ${title}`, (t) =>
    serving(async ({ socket, events }) => {
      using client = await RawClient.connect(socket);
      attack(client);
      await client.closed();
      const event = await untilEvent(events, "protocol-error");
      t.regex(String(event?.["message"]), message);
      using next = await RawClient.ready(socket);
      t.is((await next.request({})).type, 1);
    }));
}

const malformed: readonly (readonly [title: string, option: number, data: Buffer, type: number])[] = [
  ["a name longer than the option", 7, hex("00000100 61".replaceAll(" ", "")), 0x8000_0003],
  ["a name of 4 GiB", 6, hex("ffffffff"), 0x8000_0003],
  ["a name longer than names are", 6, Buffer.concat([counted("x".repeat(5000)), hex("0000")]), 0x8000_0003],
  [
    "more information requests than there are",
    7,
    Buffer.concat([counted("disk"), hex("ffff0003")]),
    0x8000_0003,
  ],
  ["something behind the end", 7, Buffer.concat([counted("disk"), hex("0000ff")]), 0x8000_0003],
  ["no data at all", 7, Buffer.alloc(0), 0x8000_0003],
  ["a list with data", 3, hex("00"), 0x8000_0003],
  ["four billion contexts", 10, Buffer.concat([counted("disk"), hex("ffffffff")]), 0x8000_0003],
  ["contexts before structured replies", 10, Buffer.concat([counted("disk"), hex("00000000")]), 0x8000_0003],
  ["TLS", 5, Buffer.alloc(0), 0x8000_0001],
  ["an option nobody knows", 99, Buffer.alloc(100), 0x8000_0001],
  ["an option of 100 KiB", 7, Buffer.alloc(100 * 1024), 0x8000_0009],
];

for (const [title, option, data, type] of malformed) {
  test(`refused in negotiation, which goes on: ${title}`, (t) =>
    serving(async ({ socket }) => {
      using client = await RawClient.greeted(socket);
      t.is((await client.ask(option, data)).at(-1)!.type, type);
      t.is((await client.ask(3, Buffer.alloc(0))).at(-1)!.type, 1);
    }));
}

test("a client that never finishes negotiation is cut off in time, one that did is not", (t) =>
  serving(
    async ({ socket, events }) => {
      using quick = await RawClient.ready(socket);
      using slow = await RawClient.greeted(socket);
      slow.send(optionBytes(7, Buffer.alloc(3), 100));
      await slow.closed();
      const event = await untilEvent(events, "disconnected");
      t.regex(String(event?.["how"]), /negotiation was not over in 3 s/);
      t.is((await quick.request({})).type, 1);
    },
    { handshakeTimeoutMs: 3000 },
  ));

test("clients beyond the limit are turned away, and may come when others are gone", (t) =>
  serving(
    async ({ socket, events }) => {
      {
        using one = await RawClient.ready(socket);
        using two = await RawClient.ready(socket);
        using three = await RawClient.connect(socket);
        t.is((await three.closed()).length, 0);
        t.is(events.filter(({ kind }) => kind === "turned-away").length, 1);
        t.is((await one.request({})).type, (await two.request({})).type);
      }
      await untilEvent(events, "disconnected");
      using four = await RawClient.ready(socket);
      t.is((await four.request({})).type, 1);
    },
    { maxConnections: 2 },
  ));

/** Counts what is open at once. */
class CountingDevice extends MemoryDevice {
  reads = 0;

  override async read(offset: number, into: Uint8Array): Promise<void> {
    this.reads++;
    await super.read(offset, into);
  }
}

test("a client that asks for 256 MiB and reads nothing holds 64 MiB, and disturbs nobody", async (t) => {
  const device = new CountingDevice(8 * miB);
  await serving(
    async ({ socket }) => {
      using greedy = await RawClient.ready(socket);
      greedy.socket.pause();
      for (let i = 0; i < 256; i++) greedy.send(requestBytes({ cookie: BigInt(i), length: miB }));
      using other = await RawClient.ready(socket);
      for (let i = 0; i < 50; i++) t.is((await other.request({})).type, 1);
      t.true(device.reads - 50 < 80, `${device.reads - 50} reads of 1 MiB`);
      greedy.socket.resume();
      for (let i = 0; i < 256; i++) t.is((await greedy.chunk()).data.length, miB + 8);
    },
    { device },
  );
});

test("seeded rubbish of every kind: the server lives, and the disk holds nothing that was not asked for", async (t) => {
  const rounds = Number(process.env["SANLAB_ROUNDS"] ?? 300);
  const seed = Number(process.env["SANLAB_SEED"] ?? 5);
  t.log(`seed ${seed}, ${rounds} connections`);
  const random = new SeededRandom(seed);
  await serving(async ({ socket, device, server }) => {
    const before = await contentOf(device);
    for (let round = 0; round < rounds; round++) {
      using client = await RawClient.connect(socket);
      const stage = random.below(4);
      if (stage === 0) client.send(random.bytes(random.below(200)));
      else {
        client.send(hex("00000003"));
        for (let i = random.below(6); i > 0; i--) client.send(optionOf(random));
        if (stage > 1) {
          client.send(optionBytes(8, Buffer.alloc(0)), optionBytes(1, Buffer.from("disk")));
          for (let i = random.below(20); i > 0; i--) client.send(requestOf(random));
        }
      }
      if (random.below(2) === 0) client.socket.destroy();
      else {
        client.socket.end();
        await client.closed();
      }
    }
    using last = await RawClient.ready(socket);
    t.is((await last.request({})).type, 1);
    t.true((await contentOf(device)).equals(before));
    while (server.connections > 1) await new Promise((resolve) => setImmediate(resolve));
  });
});

/** An option, true or with a byte or its length changed. */
function optionOf(random: SeededRandom): Buffer {
  const option = [2, 3, 5, 6, 8, 9, 10, 11, random.below(2 ** 31)][random.below(9)] ?? 0;
  const data = [
    Buffer.alloc(0),
    Buffer.concat([counted("disk"), hex("00010003")]),
    Buffer.concat([counted("disk"), hex("00000001"), counted("base:allocation")]),
    Buffer.from(random.bytes(random.below(64))),
  ][random.below(4)]!;
  if (data.length > 0 && random.below(2) === 0) data[random.below(data.length)] = random.below(256);
  return optionBytes(option, data, random.below(8) === 0 ? random.below(2 ** 31) : data.length);
}

/** A request that changes nothing on the disk, true or not: reads, flushes, statuses, and writes that cannot be. */
function requestOf(random: SeededRandom): Buffer {
  const type = [0, 3, 5, 7, 8 + random.below(60_000)][random.below(5)] ?? 0;
  const fields = {
    type,
    flags: random.below(4) === 0 ? random.below(2 ** 16) : 0,
    cookie: BigInt(random.below(1000)),
    offset:
      random.below(4) === 0 ? BigInt(random.below(2 ** 31)) * 2n ** 33n : BigInt(random.below(16_384) * 512),
    length: random.below(4) === 0 ? random.below(2 ** 31) * 2 : random.below(64) * 512,
  };
  if (random.below(10) > 0) return requestBytes(fields);
  const bad = requestBytes(fields);
  bad[random.below(4)] = random.below(256);
  return bad;
}

/** A server that says what it is told, as raw bytes, after each thing that a client sends. */
async function lying(answers: (heard: Buffer, socket: Socket) => void, work: (url: string) => Promise<void>) {
  await inFolder(async (folder) => {
    const socket = path.join(folder, "liar.sock");
    const open = new Set<Socket>();
    const server = createServer((peer) => {
      open.add(peer);
      peer.on("error", () => undefined);
      peer.on("data", (heard) => answers(heard, peer));
      peer.write(hex("4e42444d4147494349484156454f50540003"));
    }).listen(socket);
    await once(server, "listening");
    try {
      await work(`nbd+unix:///x?socket=${socket}`);
    } finally {
      for (const peer of open) peer.destroy();
      server.close();
    }
  });
}

const answer = (option: number, type: number, data = Buffer.alloc(0)) => {
  const head = hex("0003e889045565a9".padEnd(40, "0"));
  head.writeUInt32BE(option, 8);
  head.writeUInt32BE(type, 12);
  head.writeUInt32BE(data.length, 16);
  return Buffer.concat([head, data]);
};

/** Negotiates a disk of 1 MiB with structured replies and base:allocation as context 1; then `reply` has its way. */
const honestUntilRequests =
  (reply: (request: Buffer, socket: Socket) => void) => (heard: Buffer, socket: Socket) => {
    let rest = heard;
    if (rest.length % 16 === 4 || (rest.length > 4 && rest.readUInt32BE(0) === 3)) rest = rest.subarray(4);
    while (rest.length >= 16 && rest.readUInt32BE(0) === 0x49484156) {
      const option = rest.readUInt32BE(8);
      rest = rest.subarray(16 + rest.readUInt32BE(12));
      if (option === 10)
        socket.write(answer(10, 4, Buffer.concat([hex("00000001"), Buffer.from("base:allocation")])));
      if (option === 7) socket.write(answer(7, 3, hex("0000000000000010000005ed".padStart(24, "0"))));
      socket.write(answer(option, 1));
    }
    if (rest.length >= 28 && rest.readUInt32BE(0) === 0x25609513) reply(rest, socket);
  };

const chunkOf = (request: Buffer, type: number, data: Buffer, done = true) => {
  const head = hex("668e33ef".padEnd(40, "0"));
  head.writeUInt16BE(done ? 1 : 0, 4);
  head.writeUInt16BE(type, 6);
  request.copy(head, 8, 8, 16);
  head.writeUInt32BE(data.length, 16);
  return Buffer.concat([head, data]);
};

const lies: readonly (readonly [title: string, message: RegExp, reply: (request: Buffer) => Buffer])[] = [
  ["a reply without its magic number", /magic/, () => Buffer.alloc(20, 7)],
  [
    "a reply to nothing",
    /reply to nothing/,
    (request) => chunkOf(Buffer.alloc(28, request[0]), 0, Buffer.alloc(0)),
  ],
  ["data outside what was asked for", /outside/, (request) => chunkOf(request, 1, Buffer.alloc(520, 255))],
  [
    "more data than was asked for",
    /outside/,
    (request) => chunkOf(request, 1, Buffer.concat([Buffer.alloc(8), Buffer.alloc(1024)])),
  ],
  ["less data than was asked for", /with 256 bytes/, (request) => chunkOf(request, 1, Buffer.alloc(264))],
  ["no data", /with 0 bytes/, (request) => chunkOf(request, 0, Buffer.alloc(0))],
  ["data of no length", /reply chunk of type 1/, (request) => chunkOf(request, 1, Buffer.alloc(8))],
  ["a hole of 4 GiB", /outside/, (request) => chunkOf(request, 2, hex("0000000000000000ffffffff"))],
  [
    "a status that nobody asked for",
    /nobody asked/,
    (request) => chunkOf(request, 5, hex("000000010000020000000000")),
  ],
  ["a chunk of a type nobody knows", /type 99/, (request) => chunkOf(request, 99, Buffer.alloc(0))],
  [
    "an error without words",
    /type 32769 and 2 bytes/,
    (request) => chunkOf(request, 0x8001, Buffer.alloc(2)),
  ],
  [
    "a simple reply to a structured read",
    /simple reply/,
    (request) => Buffer.concat([hex("6744669800000000"), request.subarray(8, 16), Buffer.alloc(512)]),
  ],
];

for (const [title, message, reply] of lies) {
  test(`a server that lies is left: ${title}`, (t) =>
    lying(
      honestUntilRequests((request, socket) => socket.write(reply(request))),
      async (url) => {
        const device = await NbdDevice.connect(url);
        t.is(device.size, miB);
        await t.throwsAsync(device.read(0, Buffer.alloc(512)), { code: "NBD_LOST", message });
        await t.throwsAsync(device.flush(), { code: "NBD_LOST" });
        await device[Symbol.asyncDispose]();
      },
    ));
}

test("a block status that tells nothing ends the question", (t) =>
  lying(
    honestUntilRequests((request, socket) =>
      socket.write(chunkOf(request, 5, hex("000000010000000000000000"))),
    ),
    async (url) => {
      await using device = await NbdDevice.connect(url);
      await t.throwsAsync(
        async () => {
          for await (const _ of device.extents(0, miB)) t.fail();
        },
        { code: "NBD_PROTOCOL", message: /tells nothing/ },
      );
    },
  ));

const liesInNegotiation: readonly (readonly [
  title: string,
  message: RegExp,
  answers: (heard: Buffer, socket: Socket) => void,
])[] = [
  [
    "a gigabyte in answer to an option",
    /answer of 1073741824 bytes/,
    (_, socket) => socket.write(hex("0003e889045565a9000000080000000140000000")),
  ],
  ["an answer to another option", /another option/, (_, socket) => socket.write(answer(77, 1))],
  [
    "answers without end",
    /no end/,
    (_, socket) => void socket.write(Buffer.concat(Array.from({ length: 100 }, () => answer(8, 3)))),
  ],
  ["nothing but the end", /closed/, (_, socket) => void socket.end()],
];
for (const [title, message, answers] of liesInNegotiation) {
  test(`a server that lies in negotiation is left: ${title}`, (t) =>
    lying(answers, async (url) => {
      const error = await t.throwsAsync(NbdDevice.connect(url), { message });
      t.regex(error.message, /^nbd\+unix:\/\/\/x/);
    }));
}

test("a server that says nothing is given up", (t) =>
  lying(
    () => undefined,
    async (url) => {
      await t.throwsAsync(NbdDevice.connect(url, { timeoutMs: 200 }), {
        code: "TIMEOUT",
        message: /an answer of the NBD server/,
      });
      await t.throwsAsync(NbdDevice.connect(url, { signal: AbortSignal.abort(new Error("enough")) }), {
        message: "enough",
      });
    },
  ));

test("a server of another protocol is told as that", (t) =>
  inFolder(async (folder) => {
    const socket = path.join(folder, "http.sock");
    const server = createServer((peer) =>
      peer.on("error", () => undefined).end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    ).listen(socket);
    await once(server, "listening");
    await t.throwsAsync(NbdDevice.connect(`nbd+unix:///?socket=${socket}`), {
      code: "NBD_PROTOCOL",
      message: /no NBD server/,
    });
    server.close();
  }));

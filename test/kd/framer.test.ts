import test from "ava";
import { Framer } from "../../src/kd/framer.ts";
import { ack, data, moduleBody, print, printBody, reset, resend } from "./frames.ts";

/** What comes out of the bytes, as one word an item; text is joined. */
function read(chunks: readonly Uint8Array[], options: { readonly flush?: boolean } = {}): readonly string[] {
  const items: string[] = [];
  let text = "";
  const item = (word: string) => {
    if (text !== "") items.push(`text ${text}`);
    text = "";
    items.push(word);
  };
  const framer = new Framer({
    data: ({ type, id, body }) => item(`data ${type} ${id.toString(16)} ${body.toString("latin1", 16)}`),
    control: ({ type, id }) => item(`control ${type} ${id.toString(16)}`),
    text: (bytes) => (text += bytes.toString("latin1")),
    damaged: (reason) => item(`damaged ${reason}`),
  });
  for (const chunk of chunks) framer.push(chunk);
  if (options.flush) framer.flush();
  if (text !== "") items.push(`text ${text}`);
  return items;
}

const latin = (text: string) => Buffer.from(text, "latin1");
const hello = print(0x8080_0000, "hello");
const world = print(0x8080_0001, "world");

const cases: readonly (readonly [
  title: string,
  bytes: readonly Uint8Array[],
  expected: readonly string[],
])[] = [
  ["text before a leader", [latin("SeaBIOS\r\n"), hello], ["text SeaBIOS\r\n", "data 3 80800000 hello"]],
  [
    "several packets in one read",
    [Buffer.concat([hello, ack(0x8080_0000), world])],
    ["data 3 80800000 hello", "control 4 80800000", "data 3 80800001 world"],
  ],
  [
    "leaders inside text",
    [latin("at 00000000 and iiii is 30303030, 0000"), latin("\n"), hello],
    ["text at 00000000 and iiii is 30303030, 0000\n", "data 3 80800000 hello"],
  ],
  [
    "more zeros right before a leader",
    [latin("0"), hello, latin("000"), world, latin("i"), ack(0x8080_0001)],
    ["text 0", "data 3 80800000 hello", "text 000", "data 3 80800001 world", "text i", "control 4 80800001"],
  ],
  [
    "a wrong trailer, and the next packet",
    [changed(hello, hello.length - 1, 0xab), world],
    ["damaged trailer", "data 3 80800001 world"],
  ],
  [
    "a wrong checksum, and the next packet",
    [changed(hello, 33, 0x00), world],
    ["damaged checksum", "data 3 80800001 world"],
  ],
  [
    "a lost byte, which makes a packet reach into the next",
    [hello.subarray(0, 30), hello.subarray(31), world],
    ["damaged trailer", "data 3 80800001 world"],
  ],
  [
    "a doubled byte",
    [hello.subarray(0, 30), hello.subarray(29), world],
    ["damaged trailer", "data 3 80800001 world"],
  ],
  [
    "a byte count that is too large swallows no repeats",
    [changed(hello, 7, 0x0d), hello, hello],
    ["damaged overrun", "data 3 80800000 hello", "data 3 80800000 hello"],
  ],
  [
    "a count above 4000 is garbage at once",
    [changed(hello, 7, 0x10), world],
    [`text ${changed(hello, 7, 0x10).toString("latin1")}`, "data 3 80800001 world"],
  ],
  [
    "a count below the message's fixed part is garbage",
    [data(7, 0x8080_0000, Buffer.alloc(100)), world],
    [`text ${data(7, 0x8080_0000, Buffer.alloc(100)).toString("latin1")}`, "data 3 80800001 world"],
  ],
  [
    "a data packet without a body",
    [data(3, 0x8080_0000, Buffer.alloc(0)), world],
    ["damaged empty", "data 3 80800001 world"],
  ],
  [
    "a data packet without a body or trailer",
    [data(3, 0x8080_0000, Buffer.alloc(0)).subarray(0, 16), world],
    ["damaged empty", "data 3 80800001 world"],
  ],
  [
    "a number that no packet has",
    [print(0x1234_5678, "no"), world],
    [`text ${print(0x1234_5678, "no").toString("latin1")}`, "data 3 80800001 world"],
  ],
  ["control packets", [resend, reset], ["control 5 0", "control 6 0"]],
  [
    "a RESET answered with a strange number",
    [Buffer.concat([reset.subarray(0, 8), latin("\xef\xbe\xad\xde"), reset.subarray(12)])],
    ["control 6 deadbeef"],
  ],
  [
    "a packet inside a memory reply stays there",
    [data(2, 0x8080_0000, Buffer.concat([Buffer.alloc(56), hello]))],
    [`data 2 80800000 ${Buffer.concat([Buffer.alloc(40), hello]).toString("latin1")}`],
  ],
  [
    "text and packets of a shared port in any order",
    [latin("<name>"), hello, latin("SAC>"), world, latin("\r\n")],
    ["text <name>", "data 3 80800000 hello", "text SAC>", "data 3 80800001 world", "text \r\n"],
  ],
];

function changed(frame: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(frame);
  copy[at] = value;
  return copy;
}

const reads = test.macro((t, bytes: readonly Uint8Array[], expected: readonly string[]) => {
  t.deepEqual(read(bytes), expected);
  const all = Buffer.concat(bytes);
  t.deepEqual(read([all]), expected);
  t.deepEqual(read(Array.from(all, (byte) => Buffer.of(byte))), expected);
  for (let at = 1; at < all.length; at++)
    t.deepEqual(read([all.subarray(0, at), all.subarray(at)]), expected);
});
for (const [title, bytes, expected] of cases) test(title, reads, bytes, expected);

test("the longest body is taken, and a module's change", (t) => {
  const long = printBody("x".repeat(4000 - 16));
  t.deepEqual(read([data(3, 0x8080_0000, long)]), [`data 3 80800000 ${"x".repeat(3984)}`]);
  t.is(read([data(7, 0x8080_0800, moduleBody({ path: "a.sys" }))]).length, 1);
});

test("what is cut off is text once nothing more comes", (t) => {
  for (let length = 1; length < hello.length; length++) {
    const cut = hello.subarray(0, length);
    const expected = length < 16 ? [] : ["damaged cut"];
    t.deepEqual(read([cut]), []);
    t.deepEqual(read([cut], { flush: true }), [...expected, `text ${cut.toString("latin1")}`]);
  }
});

test("what comes after a packet that was cut off and given up is read", (t) => {
  const items: string[] = [];
  const framer = new Framer({
    data: ({ body }) => items.push(body.toString("latin1", 16)),
    control: ({ type }) => items.push(`control ${type}`),
    text: () => {},
    damaged: (reason) => items.push(reason),
  });
  framer.push(Buffer.concat([hello.subarray(0, 20), resend]));
  t.true(framer.holding);
  framer.flush();
  t.false(framer.holding);
  framer.push(world);
  t.deepEqual(items, ["cut", "control 5", "world"]);
});

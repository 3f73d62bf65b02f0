import test from "ava";
import { SeededRandom } from "#core";
import { TcpDirection } from "../../src/capture/tcp-direction.ts";

/** What a direction hands on: bytes as hexadecimal, holes by their length. */
function direction() {
  const seen: (string | number)[] = [];
  const tcp = new TcpDirection({
    data: (bytes) => seen.push(bytes.toString("latin1")),
    gap: (length) => seen.push(length),
  });
  const send = (sequence: number, text: string, length = text.length) =>
    tcp.segment(sequence >>> 0, Buffer.from(text, "latin1"), length);
  return { tcp, seen, send };
}

type Step = readonly [sequence: number, text: string, length?: number] | { readonly ack: number };

for (const [title, steps, expected] of [
  [
    "in order",
    [
      [1, "ab"],
      [3, "cd"],
    ],
    ["ab", "cd"],
  ],
  [
    "out of order",
    [
      [3, "cd"],
      [5, "ef"],
      [1, "ab"],
    ],
    ["ab", "cd", "ef"],
  ],
  [
    "sent again",
    [
      [1, "ab"],
      [1, "ab"],
      [3, "cd"],
      [1, "abcd"],
    ],
    ["ab", "cd"],
  ],
  [
    "overlapping at the front",
    [
      [1, "abc"],
      [2, "bcde"],
    ],
    ["abc", "de"],
  ],
  [
    "overlapping while waiting",
    [
      [3, "cdef"],
      [4, "defg"],
      [1, "ab"],
    ],
    ["ab", "cdef", "g"],
  ],
  [
    "keep-alive of a byte already seen",
    [
      [1, "ab"],
      [2, "b"],
      [3, "c"],
    ],
    ["ab", "c"],
  ],
  ["a hole that the receiver acknowledges", [[1, "ab"], [5, "ef"], { ack: 7 }], ["ab", 2, "ef"]],
  ["a hole with nothing behind it", [[1, "ab"], { ack: 9 }, [9, "x"]], ["ab", 6, "x"]],
  ["two holes at once", [[1, "a"], [3, "c"], [5, "e"], { ack: 6 }], ["a", 1, "c", 1, "e"]],
  ["an acknowledgement of less", [[1, "ab"], [5, "ef"], { ack: 3 }, [3, "cd"]], ["ab", "cd", "ef"]],
  ["the acknowledgement of a FIN", [[1, "ab"], { ack: 4 }], ["ab"]],
  [
    "cut short by the capture",
    [
      [1, "ab", 5],
      [6, "fg"],
    ],
    ["ab", 3, "fg"],
  ],
  [
    "sent again and cut short",
    [
      [1, "abcd"],
      [3, "c", 4],
      [7, "g"],
    ],
    ["abcd", 2, "g"],
  ],
  [
    "with no captured byte",
    [
      [1, "", 4],
      [5, "e"],
    ],
    [4, "e"],
  ],
] as readonly (readonly [string, readonly Step[], readonly (string | number)[]])[]) {
  test(`segments ${title}`, (t) => {
    for (const start of [0, 0xffff_fffd, 0x7fff_fffe]) {
      const { tcp, seen, send } = direction();
      tcp.begin(start);
      for (const step of steps) {
        if ("ack" in step) tcp.acknowledged((start + step.ack) >>> 0);
        else send(start + step[0], step[1], step[2]);
      }
      t.deepEqual(seen, [...expected]);
    }
  });
}

test("without a SYN the stream begins at the first segment", (t) => {
  const { seen, send } = direction();
  send(77, "ab");
  send(79, "cd");
  t.deepEqual(seen, ["ab", "cd"]);
});

test("a jump beyond any window starts over behind a hole", (t) => {
  const { tcp, seen, send } = direction();
  tcp.begin(0);
  send(1, "ab");
  send(0x5000_0000, "xy");
  send(0x5000_0002, "z");
  t.deepEqual(seen, ["ab", 1 << 30, "xy", "z"]);
});

test("a hole is given up when too much waits behind it, and memory stays bounded", (t) => {
  const { tcp, seen, send } = direction();
  tcp.begin(0);
  const block = "x".repeat(10_000);
  for (let i = 0; i < 300; i++) send(11 + i * block.length, block);
  t.is(seen[0], 10);
  t.is(seen.slice(1).join("").length, 3_000_000);
  const many = direction();
  many.tcp.begin(0);
  for (let i = 0; i < 1100; i++) many.send(3 + i * 2, "x");
  t.is(many.seen[0], 2);
});

test("any order, repetition and overlap of segments gives the same bytes", (t) => {
  const random = new SeededRandom(3);
  for (let round = 0; round < 200; round++) {
    const text = Array.from({ length: 400 }, () => String.fromCharCode(97 + random.below(26))).join("");
    const start = random.pick([0, 0xffff_ff00, random.uint32()]);
    const pieces: [number, number][] = [];
    for (let at = 0; at < text.length;) {
      const size = 1 + random.below(40);
      pieces.push([Math.max(0, at - random.below(20)), at + size]);
      at += size;
    }
    for (let i = pieces.length; i < 60; i++) pieces.push([random.below(380), random.below(420)]);
    const shuffled = pieces
      .map((piece) => ({ piece, key: random.float() }))
      .sort((a, b) => a.key - b.key)
      .map(({ piece }) => piece);
    const { tcp, seen, send } = direction();
    tcp.begin(start);
    for (const [from, to] of shuffled) send(start + 1 + from, text.slice(from, Math.max(from, to)));
    t.is(seen.join(""), text);
  }
});

import test from "ava";
import { KdLink } from "../../src/kd/link.ts";
import { ack, data, fileCreateBody, print, printBody, reset, resend, stopBody } from "./frames.ts";

const [first, second] = [0x8080_0000, 0x8080_0001];
const sync = 0x8080_0800;
const [getContext, continue2] = [0x3132, 0x313c];

/** A STATE_MANIPULATE body of 56 bytes, all zero but its first word. */
function request(api: number): Buffer {
  const body = Buffer.alloc(56);
  body.writeUInt32LE(api, 0);
  return body;
}

/** A link whose sent frames, deliveries and timers are at hand. */
function open() {
  const sent: Buffer[] = [];
  const seen: string[] = [];
  const timers = new Set<() => void>();
  const link = new KdLink(
    {
      packet: ({ type, body }) => seen.push(`${type} ${body.toString("latin1", 16)}`),
      text: (bytes) => seen.push(`text ${bytes.toString("latin1")}`),
      session: () => seen.push("session"),
      reset: () => seen.push("reset"),
    },
    {
      write: (bytes) => sent.push(bytes),
      schedule: (_, call) => {
        timers.add(call);
        return () => timers.delete(call);
      },
      tries: 4,
    },
  );
  return {
    link,
    seen,
    timers,
    receive: (...frames: readonly Buffer[]) => link.receive(Buffer.concat(frames)),
    /** What was sent since the last call. */
    sent: () => sent.splice(0),
    fire: () => {
      const due = Array.from(timers);
      timers.clear();
      for (const call of due) call();
    },
  };
}

test("a packet is acknowledged before it is delivered, and delivered once", (t) => {
  const order: string[] = [];
  const link = new KdLink(
    { packet: () => order.push("delivered"), text: () => {} },
    { write: () => order.push("acknowledged"), schedule: () => () => {} },
  );
  link.receive(print(first, "a"));
  t.deepEqual(order, ["acknowledged", "delivered"]);
});

test("a repeat is acknowledged again and not delivered", (t) => {
  const line = open();
  line.receive(print(first, "a"), print(first, "a"), print(second, "b"), print(first, "b"));
  t.deepEqual(line.seen, ["3 a", "3 b", "3 b"], "equal text with the next number is new");
  t.deepEqual(line.sent(), [ack(first), ack(first), ack(second), ack(first)]);
  t.like(line.link.counts, { packets: 4, repeats: 1, damaged: 0 });
});

test("a SYNC packet is acknowledged without its SYNC bit; the next one has the other number", (t) => {
  const line = open();
  line.receive(print(sync, "a"), print(second, "b"), print(first, "c"));
  t.deepEqual(line.seen, ["session", "3 a", "3 b", "3 c"]);
  t.deepEqual(line.sent(), [ack(first), ack(second), ack(first)]);
});

test("repeats of a SYNC packet are told by their body", (t) => {
  const line = open();
  line.receive(print(sync, "a"), print(sync, "a"), print(sync, "b"), print(sync, "b"));
  t.deepEqual(line.seen, ["session", "3 a", "session", "3 b"]);
  t.is(line.link.counts.repeats, 2);
});

test("the same first packet after a whole session is a new session", (t) => {
  const line = open();
  line.receive(print(sync, "a"), print(second, "b"), print(sync, "a"));
  t.deepEqual(line.seen, ["session", "3 a", "3 b", "session", "3 a"]);
});

test("a line joined in the middle is taken as it comes", (t) => {
  const line = open();
  line.receive(print(second, "a"), print(first, "b"));
  t.deepEqual(line.seen, ["3 a", "3 b"]);
});

test("a damaged packet is asked for again, never acknowledged", (t) => {
  const line = open();
  const damaged = print(first, "a");
  damaged[20]! ^= 0xff;
  line.receive(damaged);
  t.deepEqual(line.sent(), [resend]);
  line.receive(print(first, "a"));
  t.deepEqual(line.seen, ["3 a"]);
  t.deepEqual(line.sent(), [ack(first)]);
});

test("a damaged type is noticed by the message", (t) => {
  const line = open();
  line.receive(data(9, first, printBody("a")), data(3, first, fileCreateBody("a")));
  t.deepEqual(line.sent(), [resend, resend]);
  t.deepEqual(line.seen, []);
});

const isAcknowledged = test.macro((t, type: number) => {
  const line = open();
  line.receive(data(type, first, Buffer.alloc(20, 0x21)));
  t.deepEqual(line.sent(), [ack(first)]);
  t.is(line.seen.length, 1);
});
for (const type of [1, 8, 9, 10])
  test(`a packet of type ${type} is acknowledged and delivered as it is`, isAcknowledged, type);

test("our packet goes out once, with the initial number, and the next with the other", (t) => {
  const line = open();
  const fates: string[] = [];
  line.link.send(3, Buffer.from("one"), (fate) => fates.push(fate));
  line.link.send(3, Buffer.from("two"), (fate) => fates.push(fate));
  t.deepEqual(line.sent(), [data(3, first, Buffer.from("one"))]);
  line.receive(ack(first));
  t.deepEqual(line.sent(), [data(3, second, Buffer.from("two"))]);
  line.receive(ack(second));
  t.deepEqual(fates, ["acknowledged", "acknowledged"]);
  t.is(line.timers.size, 0);
});

test("an ACK with another number is ignored", (t) => {
  const line = open();
  line.link.send(3, Buffer.from("one"));
  line.sent();
  line.receive(ack(second));
  line.fire();
  t.deepEqual(line.sent(), [data(3, first, Buffer.from("one"))]);
});

test("a new packet instead of the ACK says that ours has arrived; a repeat does not", (t) => {
  const line = open();
  const fates: string[] = [];
  line.receive(print(first, "a"));
  line.link.send(2, request(continue2), (fate) => fates.push(fate));
  line.receive(print(first, "a"));
  t.deepEqual(fates, []);
  line.receive(print(second, "b"));
  t.deepEqual(fates, ["acknowledged"]);
  line.sent();
  line.link.send(3, Buffer.from("two"));
  t.deepEqual(line.sent(), [data(3, second, Buffer.from("two"))]);
});

test("a stop that crosses with a request does not say so: the request goes out again, the reply to it does", (t) => {
  const line = open();
  const fates: string[] = [];
  const asked = data(2, first, request(getContext));
  line.link.send(2, request(getContext), (fate) => fates.push(fate));
  line.receive(data(7, first, stopBody()), resend);
  t.deepEqual(line.sent(), [asked, ack(first), asked]);
  t.deepEqual(fates, []);
  line.receive(data(2, second, request(getContext)));
  t.deepEqual(fates, ["acknowledged"]);
  line.sent();
  line.link.send(2, request(continue2));
  t.deepEqual(line.sent(), [data(2, second, request(continue2))]);
});

test("RESEND brings the same packet with the same number, a bounded number of times", (t) => {
  const line = open();
  const fates: string[] = [];
  line.link.send(3, Buffer.from("one"), (fate) => fates.push(fate));
  line.receive(resend, resend, resend, resend, resend);
  t.deepEqual(
    line.sent(),
    Array.from({ length: 4 }, () => data(3, first, Buffer.from("one"))),
  );
  t.deepEqual(fates, ["unanswered"]);
});

test("RESEND without anything on the way is ignored", (t) => {
  const line = open();
  line.receive(resend);
  t.deepEqual(line.sent(), []);
});

test("a packet without an answer is sent again by time, and given up", (t) => {
  const line = open();
  const fates: string[] = [];
  line.link.send(3, Buffer.from("one"), (fate) => fates.push(fate));
  for (let i = 0; i < 6; i++) line.fire();
  t.is(line.sent().length, 4);
  t.deepEqual(fates, ["unanswered"]);
  t.is(line.timers.size, 0);
});

test("a packet that was given up and then followed from by a new one counts as arrived", (t) => {
  const line = open();
  line.link.send(3, Buffer.from("one"));
  for (let i = 0; i < 6; i++) line.fire();
  line.receive(print(first, "a"));
  line.sent();
  line.link.send(3, Buffer.from("two"));
  t.deepEqual(line.sent(), [data(3, second, Buffer.from("two"))]);
});

test("a RESET from the kernel drops what is on the way, begins at the initial number and is answered once", (t) => {
  const line = open();
  const fates: string[] = [];
  line.receive(print(first, "a"));
  line.link.send(2, Buffer.alloc(56), (fate) => fates.push(fate));
  line.receive(ack(first));
  line.link.send(2, Buffer.alloc(57), (fate) => fates.push(fate));
  line.sent();
  line.receive(reset);
  t.deepEqual(fates, ["acknowledged", "reset"]);
  t.deepEqual(line.sent(), [reset]);
  line.receive(reset);
  t.deepEqual(line.sent(), []);
  line.receive(print(first, "a"));
  t.deepEqual(line.seen, ["3 a", "reset", "reset", "3 a"]);
  line.sent();
  line.link.send(3, Buffer.from("two"));
  t.deepEqual(line.sent(), [data(3, first, Buffer.from("two"))]);
});

test("our RESET is not answered with another when the kernel's comes", (t) => {
  const line = open();
  line.link.reset();
  t.deepEqual(line.sent(), [reset]);
  line.receive(reset, data(7, first, stopBody()));
  t.deepEqual(line.sent(), [ack(first)]);
  line.receive(reset);
  t.deepEqual(line.sent(), [reset]);
});

test("a SYNC in mid-session drops what is on the way", (t) => {
  const line = open();
  const fates: string[] = [];
  line.receive(print(sync, "a"));
  line.link.send(2, Buffer.alloc(56), (fate) => fates.push(fate));
  line.receive(print(sync, "other"));
  t.deepEqual(fates, ["reset"]);
  t.is(line.timers.size, 0);
});

test("a break-in is one byte", (t) => {
  const line = open();
  line.link.breakIn();
  t.deepEqual(line.sent(), [Buffer.of(0x62)]);
});

test("what is left of a cut packet is text, and nothing is sent for it", (t) => {
  const line = open();
  line.receive(print(first, "abc").subarray(0, 34));
  t.true(line.link.holding);
  line.link.flush();
  t.deepEqual(line.sent(), []);
  t.is(line.link.counts.damaged, 1);
  t.true(line.seen.join("").endsWith("ab"));
});

import test from "ava";
import { bugcheckName, KdDecoder, KdTranscript, LineJoiner, statusName, type KdEvent } from "#kd";
import { data, moduleBody, printBody, stopBody } from "./frames.ts";

/** What the decoder makes of bodies that arrive as sound packets, one after the other. */
function told(...bodies: readonly (readonly [type: number, body: Buffer])[]): readonly KdEvent[] {
  const events: KdEvent[] = [];
  const decoder = new KdDecoder((event) => events.push(event));
  for (const [index, [type, body]] of bodies.entries())
    decoder.push(data(type, 0x8080_0000 + (index % 2), body));
  decoder.end();
  return events;
}

test("a print whose length reaches beyond its body is cut to it", (t) => {
  t.like(told([3, printBody("abc", 5000)]), [{ kind: "print", text: "abc" }]);
  t.like(told([3, printBody("abcdef", 3)]), [{ kind: "print", text: "abc" }]);
});

test("a module's path is the body's end, whatever its length says, without NUL and in Latin-1", (t) => {
  const path = "\\\u00e4.sys";
  t.like(told([7, moduleBody({ path, pathLength: 0xffff_ffff })])[0], { kind: "module" });
  const body = moduleBody({ path });
  t.like(told([7, body]), [{ kind: "module", path }]);
  const bare = moduleBody({ path, pathLength: path.length }).subarray(0, body.length - 1);
  t.like(told([7, bare]), [{ kind: "module", path }]);
  const longer = Buffer.concat([body.subarray(0, 240), Buffer.alloc(16), body.subarray(240)]);
  t.like(told([7, longer]), [{ kind: "module", path }], "a longer fixed part");
});

test("a module without a path at address -1 is the end of the session, of 32 bits and of 64", (t) => {
  for (const base of [0xffff_ffff_ffff_ffffn, 0x0000_0000_ffff_ffffn])
    t.like(told([7, moduleBody({ path: "", base, unload: true })]), [
      { kind: "module", path: "", unload: true },
      { kind: "shutdown" },
    ]);
});

test("an exception's parameters are as many as it says, fifteen at most", (t) => {
  const body = stopBody({ code: 0xc000_0005, parameters: [1n, 0xffff_ffff_8000_0000n] });
  t.like(told([7, body])[0], {
    kind: "stop",
    code: "0xc0000005",
    name: "STATUS_ACCESS_VIOLATION",
    parameters: ["0x00000001", "0xffffffff80000000"],
  });
  body.writeUInt32LE(99, 56);
  t.is((told([7, body])[0] as { parameters: readonly string[] }).parameters.length, 15);
});

test("messages that are not known are told by type and length", (t) => {
  t.like(
    told(
      [9, Buffer.alloc(8, 1)],
      [1, Buffer.alloc(9, 1)],
      [10, Buffer.alloc(10, 1)],
      [8, Buffer.alloc(4, 1)],
    ),
    [
      { kind: "unknown", type: 9, length: 8 },
      { kind: "unknown", type: 1, length: 9 },
      { kind: "unknown", type: 10, length: 10 },
      { kind: "unknown", type: 8, length: 4 },
    ],
  );
});

test("prints are joined to lines: cut anywhere, with NULs, CRs and no end", (t) => {
  const lines: string[] = [];
  const joiner = new LineJoiner((line) => lines.push(line));
  for (const text of ["a", "b\r", "\nc\0d\n\n", "no end"]) joiner.push(text);
  joiner.flush();
  joiner.flush();
  t.deepEqual(lines, ["ab", "cd", "", "no end"]);
});

test("a line without an end is cut, not collected", (t) => {
  const lines: string[] = [];
  const joiner = new LineJoiner((line) => lines.push(line));
  for (let i = 0; i < 100; i++) joiner.push("x".repeat(512));
  t.is(lines.length, 12);
  t.true(lines.every((line) => line.length === 4096));
});

test("the transcript flushes an unfinished line at a stop, and writes 64-bit addresses with their mark", (t) => {
  const lines: string[] = [];
  const transcript = new KdTranscript((line) => lines.push(line));
  transcript.add({ kind: "print", text: "working" });
  transcript.add({
    kind: "stop",
    code: "0xc0000005",
    name: "STATUS_ACCESS_VIOLATION",
    address: "0xfffff80012345678",
    firstChance: false,
    processor: 1,
    parameters: [],
  });
  t.deepEqual(lines, [
    "working",
    "STATUS_ACCESS_VIOLATION - code c0000005 (!!! second chance !!!)",
    "at fffff800`12345678, processor 1",
  ]);
});

test("bugchecks and statuses of boots have their names", (t) => {
  t.is(bugcheckName(0x7b), "INACCESSIBLE_BOOT_DEVICE");
  t.is(bugcheckName(0xffff_fff0), undefined);
  t.is(statusName(0xc000_0034), "STATUS_OBJECT_NAME_NOT_FOUND");
  t.is(statusName(-1_073_741_772), "STATUS_OBJECT_NAME_NOT_FOUND");
});

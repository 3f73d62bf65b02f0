import test from "ava";
import { Backlog } from "../../src/initiator/backlog.ts";
import { Moderation } from "../../src/initiator/moderation.ts";
import type { Pending } from "../../src/initiator/pending.ts";
import { TaskTable } from "../../src/initiator/task-table.ts";

const request = (fields: Partial<Pending>): Pending => ({
  itt: 0,
  cmdSn: 0,
  connection: undefined,
  immediate: false,
  title: "a request",
  begin: () => undefined,
  place: () => null,
  receive: () => true,
  fail: () => undefined,
  ...fields,
});

/** What `reads` reads bring, each told how many bytes it would bring after a rest and without one; how many rests. */
function rests(reads: number, brings: (rested: boolean) => number, outstanding: number): number {
  let count = 0;
  let rested = false;
  const moderation = new Moderation(() => {
    count++;
    rested = true;
  });
  for (let read = 0; read < reads; read++) {
    const bytes = brings(rested);
    rested = false;
    moderation.delivered(bytes, outstanding);
  }
  return count;
}

test("where answers come one at a time and gather in a rest, most reads rest", (t) => {
  const count = rests(1000, (rested) => (rested ? 4 : 1) * 4144, 32 * 4144);
  t.true(count > 800, `${count} rests`);
});

test("where a rest brings nothing more, hardly one read in thirty rests", (t) => {
  const count = rests(1000, () => 4144, 32 * 4144);
  t.true(count > 10 && count < 40, `${count} rests`);
});

test("reads that bring a good part of what is outstanding never rest", (t) => {
  t.is(
    rests(1000, () => 8 * 4144, 32 * 4144),
    0,
  );
});

test("when resting no longer pays it ends, and begins again when it does", (t) => {
  let pays = true;
  let count = 0;
  let rested = false;
  const moderation = new Moderation(() => {
    count++;
    rested = true;
  });
  const run = (reads: number) => {
    count = 0;
    for (let read = 0; read < reads; read++) {
      const bytes = rested && pays ? 400 : 100;
      rested = false;
      moderation.delivered(bytes, 10_000);
    }
    return count;
  };
  t.true(run(500) > 350);
  pays = false;
  run(100);
  t.true(run(500) < 40);
  pays = true;
  run(200);
  t.true(run(500) > 400);
});

test("a backlog counts answers and data, and only a deep one without solicited data can wait", (t) => {
  const backlog = new Backlog();
  const reading = request({ readLength: 4096 });
  const writing = request({ prompt: true });
  backlog.begun(reading);
  backlog.begun(reading);
  t.is(backlog.due, 2 * (48 + 4096));
  t.false(backlog.patient);
  backlog.begun(reading);
  t.true(backlog.patient);
  backlog.begun(writing);
  t.false(backlog.patient, "the target will wait for data");
  backlog.over(writing);
  t.true(backlog.patient);
  t.is(backlog.depth, 4);
  backlog.over(reading);
  backlog.over(reading);
  backlog.over(reading);
  t.is(backlog.due, 0);
  t.is(backlog.depth, 4, "it was as deep a moment ago");
  for (let read = 0; read < 8; read++) backlog.age();
  t.is(backlog.depth, 0);
});

test("long answers do not wait, unless they are few among many short ones", (t) => {
  const backlog = new Backlog();
  const long = request({ readLength: 65_536 });
  for (let begun = 0; begun < 8; begun++) backlog.begun(long);
  t.false(backlog.patient);
  for (let begun = 0; begun < 24; begun++) backlog.begun(request({ readLength: 4096 }));
  t.true(backlog.patient);
});

test("what is over and may still be answered is no longer waited for", (t) => {
  const table = new TaskTable();
  const tasks = [1, 2, 3].map(() => request({ readLength: 512 }));
  for (const task of tasks) table.add(task);
  const [first, second, third] = tasks;
  t.true(table.giveUp(second!));
  t.is(table.backlog.due, 2 * (48 + 512));
  const leftover = table.get(second!.itt)!;
  t.not(leftover, second);
  t.false(table.giveUp(second!), "another has taken its place");
  table.remove(second!);
  t.is(table.get(second!.itt), leftover);
  for (const task of [first!, third!, leftover, leftover]) table.remove(task);
  t.is(table.size, 0);
  t.is(table.backlog.due, 0);
});

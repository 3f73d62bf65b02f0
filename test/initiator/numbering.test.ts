import { SeededRandom } from "#core";
import test from "ava";
import { CommandWindow } from "../../src/initiator/command-window.ts";
import { Coverage } from "../../src/initiator/coverage.ts";
import { SequenceTracker } from "../../src/initiator/sequence-tracker.ts";
import { WorkQueue } from "../../src/initiator/work-queue.ts";

test("the window opens and closes by ExpCmdSN and MaxCmdSN, and wraps", (t) => {
  const window = new CommandWindow(0xffff_fffe);
  t.true(window.open);
  t.is(window.room, 1);
  t.is(window.take(), 0xffff_fffe);
  t.false(window.open);
  t.true(window.update(0xffff_ffff, 1));
  t.is(window.room, 3);
  t.deepEqual([window.take(), window.take(), window.take()], [0xffff_ffff, 0, 1]);
  t.false(window.open);
  t.is(window.cmdSn, 2);
});

test("a pair with MaxCmdSN below ExpCmdSN - 1 is ignored, and nothing ever goes back", (t) => {
  const window = new CommandWindow(10);
  t.true(window.update(10, 20));
  t.false(window.update(15, 13));
  t.is(window.expCmdSn, 10);
  t.true(window.update(5, 12));
  t.is(window.room, 11);
  t.true(window.update(21, 20), "the pair that closes the window is valid");
  t.is(window.expCmdSn, 21);
});

test("a sequence tells what is next, early and again across the wrap", (t) => {
  const tracker = new SequenceTracker(0xffff_ffff);
  t.is(tracker.judge(0xffff_ffff), "next");
  t.is(tracker.judge(1), "early");
  tracker.take(1);
  t.true(tracker.hasGap);
  t.is(tracker.judge(1), "again");
  t.is(tracker.judge(0xffff_fffe), "again");
  t.deepEqual(tracker.missing(2), { begRun: 0xffff_ffff, runLength: 2 });
  tracker.take(0xffff_ffff);
  t.deepEqual(tracker.missing(2), { begRun: 0, runLength: 1 });
  tracker.take(0);
  t.is(tracker.next, 2);
  t.is(tracker.missing(2), undefined);
  t.is(tracker.count(0xffff_ffff), 3);
});

test("a number that no loss explains is nonsense, and costs nothing", (t) => {
  const tracker = new SequenceTracker(5);
  t.is(tracker.judge(5 + 65_535), "early");
  t.is(tracker.judge(5 + 65_536), "nonsense");
  t.deepEqual(tracker.missing(0x7fff_ffff), { begRun: 5, runLength: 0x7fff_fffa });
});

test("coverage joins runs in any order and refuses overlaps", (t) => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new SeededRandom(seed);
    const coverage = new Coverage(8);
    const pieces = Array.from({ length: 30 }, (_, i) => 8 + i * 4);
    pieces.sort(() => random.float() - 0.5);
    for (const [index, offset] of pieces.entries()) {
      t.is(coverage.covers(128), false);
      t.true(coverage.add(offset, 4));
      t.false(coverage.add(offset + 2, 4), "an overlap");
      t.is(coverage.total, 8 + (index + 1) * 4);
    }
    t.true(coverage.covers(128));
    t.false(coverage.covers(129));
  }
});

test("the queue keeps its order through pushes, withdrawals and what is put back", (t) => {
  const queue = new WorkQueue<number>();
  for (let i = 0; i < 5000; i++) queue.push(i);
  for (let i = 0; i < 3000; i++) t.is(queue.shift(), i);
  queue.prepend([-2, -1]);
  t.true(queue.remove(3001));
  t.false(queue.remove(1));
  t.deepEqual([queue.shift(), queue.shift(), queue.shift(), queue.shift()], [-2, -1, 3000, 3002]);
  t.is(queue.length, 1997);
  t.is(queue.drain().length, 1997);
  t.is(queue.shift(), undefined);
});

import { array, assert, asyncProperty, constantFrom, integer, nat, record } from "fast-check";
import test from "ava";
import { MemoryDevice, type BlockDevice } from "#block";
import { ReadAhead } from "../../harness/scenario/read-ahead.ts";

const size = 2 << 20;

const content = Buffer.alloc(size);
for (let at = 0; at < size; at += 4) content.writeUInt32LE(at ^ 0x5a5a_5a5a, at);

async function filled(): Promise<MemoryDevice> {
  const device = new MemoryDevice(size);
  await device.write(0, content);
  return device;
}

/** Counts what reaches the disk. */
function counted(device: BlockDevice): { device: BlockDevice; reads: number[] } {
  const reads: number[] = [];
  const read: BlockDevice["read"] = async (offset, into, options) => {
    reads.push(into.length);
    await device.read(offset, into, options);
  };
  return {
    device: Object.assign(Object.create(device) as BlockDevice, { read, size, blockSize: 512 }),
    reads,
  };
}

test("pieces in a row come from few reads of the disk", async (t) => {
  const { device, reads } = counted(await filled());
  const ahead = new ReadAhead(device);
  const piece = Buffer.alloc(16_384);
  for (let offset = 0; offset < size; offset += piece.length) {
    await ahead.read(offset, piece);
    if (!piece.equals(content.subarray(offset, offset + piece.length))) t.fail(`at ${offset}`);
  }
  t.true(reads.length < 12, `${reads.length} reads`);
  t.is(Math.max(...reads), 1 << 20);
});

test("a read by itself fetches nothing else", async (t) => {
  const { device, reads } = counted(await filled());
  const ahead = new ReadAhead(device);
  for (const offset of [1 << 20, 0, 3 << 19]) await ahead.read(offset, Buffer.alloc(512));
  t.deepEqual(reads, [512, 512, 512]);
});

test("reads, writes and trims in any order, also at the end, see what the disk alone would show", async (t) => {
  const operation = record({
    kind: constantFrom("read", "read", "read", "on", "on", "write", "trim"),
    block: nat(size / 512 - 1),
    blocks: integer({ min: 1, max: 64 }),
    byte: nat(255),
  });
  await assert(
    asyncProperty(array(operation, { maxLength: 60 }), async (operations) => {
      const plain = await filled();
      const ahead = new ReadAhead(await filled());
      let next = 0;
      for (const { kind, block, blocks, byte } of operations) {
        const offset = kind === "on" && next < size ? next : block * 512;
        const length = Math.min(blocks * 512, size - offset);
        next = offset + length;
        if (kind === "write") {
          const bytes = Buffer.alloc(length, byte);
          await Promise.all([plain.write(offset, bytes), ahead.write(offset, bytes)]);
        } else if (kind === "trim")
          await Promise.all([plain.trim(offset, length), ahead.trim(offset, length)]);
        else {
          const [one, other] = [Buffer.alloc(length), Buffer.alloc(length)];
          await Promise.all([plain.read(offset, one), ahead.read(offset, other)]);
          if (!one.equals(other)) return false;
        }
      }
      return true;
    }),
    { numRuns: 30 },
  );
  t.pass();
});

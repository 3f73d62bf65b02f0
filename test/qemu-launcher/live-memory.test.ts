import test from "ava";
import { LiveMemory, ramOf } from "#harness/qemu-launcher";

/** What QEMU 7.2 prints for a machine of 5 GiB, shortened. */
const MTREE = `FlatView #0
 AS "I/O", root: io
 Root memory region: io
  0000000000000000-0000000000000007 (prio 0, i/o): dma-chan

FlatView #1
 AS "memory", root: system
 AS "cpu-memory-0", root: system
 Root memory region: system
  0000000000000000-000000000009ffff (prio 0, ram): pc.ram KVM
  00000000000a0000-00000000000affff (prio 1, ram): vga.vram
  00000000000b0000-00000000000bffff (prio 1, i/o): vga-lowmem @0000000000010000
  00000000000c0000-00000000000cffff (prio 0, rom): pc.ram @00000000000c0000
  0000000000100000-00000000bfffffff (prio 0, ram): pc.ram @0000000000100000
  00000000fffc0000-00000000ffffffff (prio 0, rom): pc.bios
  0000000100000000-00000001bfffffff (prio 0, ram): pc.ram @00000000c0000000

FlatView #2
 AS "virtio-net-pci", root: bus master container
 Root memory region: (none)
  No rendered FlatView
`;

test("RAM below 4 GiB is what QEMU's flat view of the system says", (t) => {
  t.deepEqual(ramOf(MTREE), [
    { from: 0, to: 0xa0000 },
    { from: 0xa0000, to: 0xb0000 },
    { from: 0x100000, to: 0xc0000000 },
  ]);
  t.deepEqual(ramOf("unknown command: 'info mtree -f'"), []);
});

test("a wait for a monitor can be ended", async (t) => {
  const reason = new Error("enough");
  await t.throwsAsync(LiveMemory.connect("/nonexistent/qmp", { signal: AbortSignal.abort(reason) }), {
    is: reason,
  });
});

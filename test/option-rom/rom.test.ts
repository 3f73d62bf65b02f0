import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import test from "ava";
import { findIbft, writeIbft } from "#ibft";
import { buildOptionRom } from "#option-rom";

const folder = mkdtempSync(path.join(tmpdir(), "sanlab-rom-"));
test.after.always(() => rmSync(folder, { recursive: true }));

const TABLE = writeIbft({
  initiator: { name: "iqn.2026-11.lab.san:vm0" },
  nics: [{ ip: "10.77.0.50", prefix: 24, mac: "52:54:00:77:00:50", pci: "00:02.0" }],
  targets: [{ ip: "10.77.0.1", name: "iqn.2026-11.lab.san:disk0" }],
});

const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);

for (const kind of ["static", "copy"] as const) {
  test(`a ${kind} ROM has signature, size, checksums and a PnP header`, (t) => {
    for (const table of [TABLE, Buffer.from("tiny"), new Uint8Array(5000).fill(0x5a)]) {
      const rom = Buffer.from(buildOptionRom(table, { kind, product: 'a "product"' }));
      t.is(rom.readUInt16BE(0), 0x55aa);
      t.is(rom.length, rom.readUInt8(2) * 512);
      t.is(sum(rom), 0);
      const pnp = rom.readUInt16LE(0x1a);
      t.is(pnp % 16, 0);
      t.is(rom.toString("latin1", pnp, pnp + 4), "$PnP");
      t.is(sum(rom.subarray(pnp, pnp + rom.readUInt8(pnp + 5) * 16)), 0);
      const product = rom.readUInt16LE(pnp + 16);
      t.is(rom.toString("latin1", product, rom.indexOf(0, product)), "a ?product?");
      const at = rom.indexOf(Buffer.from(table));
      t.is(at % 16 === 0, kind === "static");
    }
  });

  // The firmware as judge: SeaBIOS loads the ROM, runs it, and the table is where an operating system looks.
  test(`SeaBIOS runs a ${kind} ROM, and a scan of memory finds the one table`, async (t) => {
    const rom = path.join(folder, `${kind}.rom`);
    writeFileSync(rom, buildOptionRom(TABLE, { kind }));
    const memory = await memoryOfMachine(
      ["-option-rom", rom],
      ({ bytes }) => findIbft({ base: 0, bytes }).length > 0,
    );
    const found = findIbft({ base: 0, bytes: memory });
    t.is(found.length, 1);
    t.true(found[0]!.valid);
    t.deepEqual(Buffer.from(found[0]!.bytes), Buffer.from(TABLE));
    const baseKiB = memory.readUInt16LE(0x413);
    if (kind === "copy") {
      t.is(found[0]!.address, baseKiB * 1024);
      t.true(found[0]!.address >= 0x80000 && found[0]!.address < 0xa0000);
    } else t.true(found[0]!.address >= 0xc0000);
  });
}

test("SeaBIOS runs a ROM that copies to a given address, where no scan looks", async (t) => {
  const address = 0x70010;
  const rom = path.join(folder, "low.rom");
  writeFileSync(rom, buildOptionRom(TABLE, { address }));
  const lies = (bytes: Buffer) => bytes.subarray(address, address + TABLE.length).equals(Buffer.from(TABLE));
  const memory = await memoryOfMachine(["-option-rom", rom], ({ bytes }) => lies(bytes));
  t.true(lies(memory));
  t.is(memory.readUInt16LE(0x413), address >> 10);
  t.deepEqual(findIbft({ base: 0, bytes: memory }), []);
});

test("a ROM copies to base memory only", (t) => {
  for (const address of [0x400, 0x9ffff, 0xc0000])
    t.throws(() => buildOptionRom(TABLE, { address }), { instanceOf: RangeError });
});

test("a table that no ROM can hold is refused", (t) => {
  t.throws(() => buildOptionRom(new Uint8Array(200_000)), { instanceOf: RangeError });
});

/** The first MiB of a machine without a disk, as soon as it is as wanted. */
async function memoryOfMachine(
  args: readonly string[],
  wanted: (memory: { readonly bytes: Buffer }) => boolean,
): Promise<Buffer> {
  const file = path.join(folder, `memory-${process.hrtime.bigint()}`);
  const common = [
    "-accel",
    "tcg",
    "-m",
    "64",
    "-display",
    "none",
    "-nodefaults",
    "-boot",
    "menu=on,splash-time=60000",
  ];
  const qemu = spawn("qemu-system-x86_64", [...common, "-monitor", "stdio", ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    let output = "";
    qemu.stdout.on("data", (text: Buffer) => (output += text.toString()));
    for (;;) {
      const prompts = output.split("(qemu) ").length;
      qemu.stdin.write(`pmemsave 0 0x100000 "${file}"\n`);
      while (output.split("(qemu) ").length === prompts) await once(qemu.stdout, "data");
      const bytes = readFileSync(file, { flag: "a+" });
      if (bytes.length === 0x100000 && wanted({ bytes })) return bytes;
      await pause(50);
    }
  } finally {
    qemu.kill("SIGKILL");
    await once(qemu, "exit");
  }
}

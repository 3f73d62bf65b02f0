import test from "ava";
import { MemoryDevice, type WriteOptions } from "#block";
import { Target, type LogicalUnitOptions } from "#target";
import { client, iqn, url } from "./clients.ts";

const mebibyte = 1024 * 1024;
type Outcome = "passed" | "failed" | "skipped";

/** Runs one suite or test of libiscsi's conformance tests, with every destructive one allowed. */
async function conformance(target: Target, name: string, paths = 2): Promise<Map<string, Outcome>> {
  const unit = url(target.address);
  const args = ["-d", "-S", "-t", `ALL.${name}`, unit, ...(paths === 2 ? [unit] : [])];
  const { stdout, stderr } = await client("iscsi-test-cu", args, { timeout: 150_000 });
  const outcomes = new Map<string, Outcome>();
  const [suite = name] = name.split(".");
  for (const part of `${stdout}\n${stderr}`.split(/^ {2}Test: /m).slice(1)) {
    const title = `${suite}.${part.slice(0, part.indexOf(" "))}`;
    // The tool counts a test that it skips as passed.
    if (/\[SKIPPED\]/.test(part)) outcomes.set(title, "skipped");
    else outcomes.set(title, /^(?:.*\.\.\.)?passed/m.test(part) ? "passed" : "failed");
  }
  return outcomes;
}

async function suites(): Promise<readonly string[]> {
  const { stdout } = await client("iscsi-test-cu", ["-l"]);
  return [...stdout.matchAll(/^ALL\.(\w+)$/gm)].map((match) => match[1]!);
}

const serve = (device: MemoryDevice, lun: Partial<LogicalUnitOptions> = {}) =>
  Target.listen({ iqn, luns: [{ lun: 1, device, removable: true, ...lun }] });

const names = (outcomes: ReadonlyMap<string, Outcome>, wanted: Outcome) =>
  [...outcomes].filter(([, outcome]) => outcome === wanted).map(([name]) => name);

test("a thin disk with two paths passes every suite of libiscsi's conformance tests", async (t) => {
  t.timeout(300_000);
  await using device = new MemoryDevice(100 * mebibyte);
  await using target = await serve(device);
  const all = new Map<string, Outcome>();
  for (const suite of await suites()) {
    if (suite === "Sanitize") continue;
    for (const [name, outcome] of await conformance(target, suite)) all.set(name, outcome);
  }
  t.deepEqual(names(all, "failed"), []);
  t.deepEqual(names(all, "skipped"), [
    // These want physical blocks of several logical ones, where GetLBAStatus.UnmapSingle would ask for the impossible.
    "CompareAndWrite.InvalidDataOutSize",
    "ReadOnly.ReadOnlySBC",
    "WriteSame10.UnmapUnaligned",
    "WriteSame10.InvalidDataOutSize",
    "WriteSame16.UnmapUnaligned",
    "WriteSame16.InvalidDataOutSize",
  ]);
  t.is(names(all, "passed").length, 213);
});

/** Takes its time over big writes, as a real disk does when it is overwritten as a whole. */
class UnhurriedDevice extends MemoryDevice {
  override async write(offset: number, from: Uint8Array, options?: WriteOptions): Promise<void> {
    if (from.length >= mebibyte) await new Promise((resolve) => setTimeout(resolve, 55));
    await super.write(offset, from, options);
  }
}

// With two paths the tool's own Sanitize.Reservations leaves RESERVE(6) with the second session, and the test after it
// must fail on every target.
test("SANITIZE passes, and goes on through aborts, resets and a new login", async (t) => {
  t.timeout(180_000);
  await using device = new UnhurriedDevice(100 * mebibyte);
  await using target = await serve(device);
  const outcomes = await conformance(target, "Sanitize", 1);
  t.is(outcomes.size, 11);
  t.deepEqual([...new Set(outcomes.values())], ["passed"]);
});

test("a disk with physical blocks of 4096 bytes passes what needs them", async (t) => {
  await using device = new MemoryDevice(100 * mebibyte);
  await using target = await serve(device, { physicalBlockSize: 4096 });
  for (const name of [
    "CompareAndWrite.InvalidDataOutSize",
    "WriteSame10.UnmapUnaligned",
    "WriteSame10.InvalidDataOutSize",
    "WriteSame16.UnmapUnaligned",
    "WriteSame16.InvalidDataOutSize",
  ])
    t.deepEqual(await conformance(target, name), new Map([[name, "passed"]]));
});

test("a read-only disk passes the read-only suite", async (t) => {
  await using device = new MemoryDevice(100 * mebibyte);
  await using target = await serve(device, { readOnly: true });
  t.deepEqual(await conformance(target, "ReadOnly"), new Map([["ReadOnly.ReadOnlySBC", "passed"]]));
});

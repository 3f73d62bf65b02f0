import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
} from "node:fs";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { inflateSync } from "node:zlib";
import test from "ava";
import { execa } from "execa";
import { LabError } from "#core";
import { launchMachine, QmpError, type RunningMachine } from "#harness/qemu-launcher";
import {
  floodDisk,
  floodDone,
  floodLength,
  guestDisk,
  guestSpec,
  memoryMarker,
  memoryMarkerAddress,
  runFolder,
} from "./guest.ts";

const limit = { timeoutMs: 60_000 };
const console_ = (machine: RunningMachine) => machine.serial("console");

test.serial("a guest talks over its serial port, on its screen and through its memory", async (t) => {
  const runDir = runFolder(t);
  const seen: { kind: string; data: Readonly<Record<string, unknown>> }[] = [];
  const spec = guestSpec(runDir, guestDisk("hello world\r\nready>"));
  await using machine = await launchMachine(spec, {
    runDir,
    report: (kind, data) => seen.push({ kind, data }),
  });

  const { before } = await console_(machine).until("ready>", limit);
  t.is(before, "hello world\n");
  t.true(existsSync(`/proc/${machine.pid}`));

  const screen = await machine.screenText();
  t.is(screen?.length, 25);
  t.is(screen?.[0], "hello world");
  t.is(screen?.[1], "ready>");

  t.is((await machine.readMemory(memoryMarkerAddress, 16)).toString(), memoryMarker);
  // Across the border between RAM and VGA memory: the second half is the screen's first cells.
  const across = await machine.readMemory(0x9_fff0, 0x1_8000 + 32);
  t.is(across.subarray(0x1_8010, 0x1_8012).toString("latin1"), "h\x07");

  const dimensions = pngSize(await machine.screenshot());
  t.deepEqual(dimensions, { width: 720, height: 400, dataBytes: 400 * (720 * 3 + 1) });

  await machine.pressKeys("aB~<less>");
  await console_(machine).until("aB~<", limit);
  console_(machine).write("echo me");
  await console_(machine).until("echo me", limit);

  console_(machine).write("!");
  const exit = await machine.exited;
  t.is(exit.code, 0);
  t.is(exit.error, undefined);
  t.is(seen[0]?.kind, "qemu-start");
  t.true(
    seen.some(
      ({ kind, data }) => kind === "serial" && data["port"] === "console" && data["line"] === "hello world",
    ),
  );
  t.true(seen.some(({ kind, data }) => kind === "qmp-event" && data["event"] === "SHUTDOWN"));
  t.is(seen.at(-1)?.kind, "qemu-exit");

  t.deepEqual(readdirSync(runDir).toSorted(), ["guest.img", "qemu.log", "screen.png", "serial.log"]);
  for (const file of ["qemu.log", "screen.png", "serial.log"]) {
    t.is(statSync(path.join(runDir, file)).mode & 0o777, 0o600, file);
  }
  t.regex(readFileSync(path.join(runDir, "serial.log"), "latin1"), /^hello world\r\nready>/);
  t.regex(readFileSync(path.join(runDir, "qemu.log"), "utf8"), /^\S*qemu-system-x86_64 -name guest /);
  t.false(existsSync(`/proc/${machine.pid}`));
});

test.serial("what QEMU refuses is told in its own words", async (t) => {
  const runDir = runFolder(t);
  const spec = guestSpec(runDir, guestDisk(""), { extraArgs: ["-device", "warp-drive"] });
  const error = await t.throwsAsync(launchMachine(spec, { runDir }), { instanceOf: LabError });
  t.is(error.code, "QEMU_DIED");
  t.regex(
    error.message,
    /^guest: QEMU ended with status 1: .*'warp-drive' is not a valid device model name$/,
  );
});

test.serial("a killed QEMU is an unexpected exit, and whoever waits for it is told", async (t) => {
  const runDir = runFolder(t);
  await using machine = await launchMachine(guestSpec(runDir, guestDisk("up")), { runDir });
  await console_(machine).until("up", limit);
  const waits = [console_(machine).until("never", limit), machine.qmp.until("NEVER", limit)];
  process.kill(machine.pid, "SIGKILL");
  const exit = await machine.exited;
  t.like(exit, { code: undefined, signal: "SIGKILL" });
  t.is(exit.error?.message, "guest: QEMU ended with SIGKILL");
  const reasons = await Promise.allSettled(waits);
  t.deepEqual(
    reasons.map((one) => one.status === "rejected" && one.reason instanceof LabError && one.reason.code),
    ["SERIAL_CLOSED", "QEMU_DIED"],
  );
  await t.throwsAsync(machine.reset(), { code: "QEMU_DIED" });
  await t.throwsAsync(machine.readMemory(0, 16), { code: "QEMU_DIED" });
});

test.serial("a signal from outside is an unexpected exit though QEMU's status is 0", async (t) => {
  const runDir = runFolder(t);
  await using machine = await launchMachine(guestSpec(runDir, guestDisk("up")), { runDir });
  process.kill(machine.pid, "SIGTERM");
  const exit = await machine.exited;
  t.is(exit.code, 0);
  t.regex(exit.error?.message ?? "", /^guest: QEMU ended with status 0: .*terminating on signal 15/);
});

test.serial("the signal ends a machine, and a launch that has not begun", async (t) => {
  const runDir = runFolder(t);
  const controller = new AbortController();
  const machine = await launchMachine(guestSpec(runDir, guestDisk("up")), {
    runDir,
    signal: controller.signal,
  });
  const reason = new Error("enough");
  controller.abort(reason);
  const exit = await machine.exited;
  t.is(exit.error, undefined);
  const second = launchMachine(guestSpec(runDir, guestDisk("up")), { runDir, signal: controller.signal });
  t.is(await t.throwsAsync(second), reason);
});

test.serial(
  "disposing twice is one end; the guest that ignores the power button is ended after its grace",
  async (t) => {
    const runDir = runFolder(t);
    const machine = await launchMachine(guestSpec(runDir, guestDisk("up")), { runDir });
    await console_(machine).until("up", limit);
    const exit = await machine.powerOff({ graceMs: 50 });
    t.is(exit.error, undefined);
    await machine[Symbol.asyncDispose]();
    await machine[Symbol.asyncDispose]();
    t.false(existsSync(`/proc/${machine.pid}`));
  },
);

test.serial("reset boots again, and ends QEMU where the guest must not", async (t) => {
  const runDir = runFolder(t);
  await using machine = await launchMachine(guestSpec(runDir, guestDisk("up>")), { runDir });
  await console_(machine).until("up>", limit);
  await machine.reset();
  await console_(machine).until("up>", limit);
  await machine[Symbol.asyncDispose]();

  await using once = await launchMachine(guestSpec(runDir, guestDisk("up>"), { noReboot: true }), { runDir });
  await once.reset();
  const exit = await once.exited;
  t.is(exit.error, undefined);
});

test.serial("a binary port passes bytes on untouched, also those from before it was taken", async (t) => {
  const runDir = runFolder(t);
  const spec = guestSpec(runDir, guestDisk("\x1b[1mabc\xff"), { serials: [{ name: "kd", kind: "binary" }] });
  await using machine = await launchMachine(spec, { runDir });
  const port = machine.serial("kd").asDuplex();
  const wanted = "\x1b[1mabc\xff";
  let bytes = "";
  port.setEncoding("latin1");
  for await (const chunk of port) {
    bytes += String(chunk);
    if (bytes.length === wanted.length) port.write("xyz");
    if (bytes.length >= wanted.length + 3) break;
  }
  t.is(bytes, `${wanted}xyz`);
  t.is(readFileSync(path.join(runDir, "kd.raw"), "latin1"), bytes);
  t.throws(() => machine.serial("console"), { code: "SERIAL_PORT" });
});

test.serial("a reader that sleeps does not keep a dead machine from ending", async (t) => {
  const runDir = runFolder(t);
  const spec = guestSpec(runDir, guestDisk("x".repeat(200)), { serials: [{ name: "kd", kind: "binary" }] });
  await using machine = await launchMachine(spec, { runDir });
  const port = machine.serial("kd").asDuplex();
  port.pause();
  await machine.qmp.execute("query-status");
  process.kill(machine.pid, "SIGKILL");
  t.is((await machine.exited).signal, "SIGKILL");
});

test.serial("a flood from the guest loses nothing while this process sleeps", async (t) => {
  const runDir = runFolder(t);
  const spec = guestSpec(runDir, floodDisk(), { display: "none" });
  await using machine = await launchMachine(spec, { runDir });
  sleepUntilMemoryHas(machine.pid, memoryMarkerAddress, floodDone);
  await console_(machine).until("!", limit);
  const log = readFileSync(path.join(runDir, "serial.log"), "latin1");
  t.is(log.length, floodLength + 1);
  t.is(
    log,
    `${Array.from({ length: floodLength }, (_, i) => "@ABCDEFGHIJKLMNO"[(floodLength - i) % 16]).join("")}!`,
  );
});

test.serial("a cable is pulled by the NIC's place, and QEMU's refusal is typed", async (t) => {
  const runDir = runFolder(t);
  const spec = guestSpec(runDir, guestDisk("up"), {
    nics: [{ model: "e1000", mac: "52:54:00:00:00:01", netdev: { kind: "user" }, romFile: "" }],
  });
  await using machine = await launchMachine(spec, { runDir });
  await machine.setLink(0, false);
  await machine.setLink(0, true);
  const error = await t.throwsAsync(machine.setLink(1, false), { instanceOf: QmpError });
  t.is(error.errorClass, "DeviceNotFound");
});

test.serial("iPXE's banner on the screen, its frames in the capture, its ROM from QEMU", async (t) => {
  const runDir = runFolder(t);
  const capture = path.join(runDir, "net.pcap");
  const spec = guestSpec(runDir, guestDisk(""), {
    disks: [],
    nics: [
      {
        model: "e1000",
        mac: "52:54:00:12:34:56",
        netdev: { kind: "user", options: { restrict: "on" } },
        bootIndex: 0,
        pciAddress: "5",
        capture,
      },
    ],
  });
  await using machine = await launchMachine(spec, { runDir });
  const screen = await poll(
    () => machine.screenText(),
    (lines) => lines?.some((line) => line.includes("Configuring (net0")) === true,
  );
  t.true(screen?.some((line) => line.includes("net0: 52:54:00:12:34:56 using 82540em on 0000:00:05.0")));
  t.is(statSync(capture).mode & 0o777, 0o600);
  await poll(
    async () =>
      (
        await execa("tshark", ["-r", capture, "-Y", "dhcp.option.dhcp==1", "-T", "fields", "-e", "eth.src"], {
          reject: false,
        })
      ).stdout,
    (macs) => macs.startsWith("52:54:00:12:34:56"),
  );
});

test.serial("UEFI writes to a private copy of its variables and shows no text screen", async (t) => {
  const runDir = runFolder(t);
  const spec = guestSpec(runDir, guestDisk(""), { firmware: "uefi", disks: [], memoryMiB: 128 });
  await using machine = await launchMachine(spec, { runDir });
  t.is(statSync(path.join(runDir, "uefi-variables.fd")).mode & 0o777, 0o600);
  await console_(machine).until("BdsDxe", limit);
  t.is(await machine.screenText(), undefined);
  await machine[Symbol.asyncDispose]();
  t.false(existsSync(path.join(runDir, "uefi-variables.fd")));
});

/** Asks again until the answer is right; the guest's screen sends no event. */
async function poll<T>(ask: () => Promise<T>, right: (answer: T) => boolean): Promise<T> {
  const end = performance.now() + limit.timeoutMs;
  for (;;) {
    const answer = await ask();
    if (right(answer)) return answer;
    if (performance.now() > end) throw new Error(`still ${JSON.stringify(answer)}`);
    await setTimeout(50);
  }
}

/** Width and height as the header says, and how many bytes the pixel data really has. */
function pngSize(png: Buffer): { width: number; height: number; dataBytes: number } {
  const signature = png.subarray(0, 8).toString("hex");
  if (signature !== "89504e470d0a1a0a") throw new Error(`no PNG: ${signature}`);
  const data: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString("latin1", at + 4, at + 8) === "IDAT")
      data.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  return {
    width: png.readUInt32BE(16),
    height: png.readUInt32BE(20),
    dataBytes: inflateSync(Buffer.concat(data)).length,
  };
}

/** Blocks this thread, with everything that should be read meanwhile, until the guest has written `value` there. */
function sleepUntilMemoryHas(pid: number, address: number, value: number): void {
  const fd = readdirSync(`/proc/${pid}/fd`).find((one) =>
    readlinkSync(`/proc/${pid}/fd/${one}`).startsWith("/memfd:"),
  );
  const memory = openSync(`/proc/${pid}/fd/${fd}`, "r");
  const word = Buffer.alloc(2);
  const never = new Int32Array(new SharedArrayBuffer(4));
  const end = performance.now() + limit.timeoutMs;
  while (word.readUInt16LE() !== value && performance.now() < end) {
    Atomics.wait(never, 0, 0, 10);
    readSync(memory, word, 0, 2, address);
  }
  closeSync(memory);
}

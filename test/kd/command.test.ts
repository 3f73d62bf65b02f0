import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { bin, sanlab } from "../cli/sanlab.ts";
import { moduleBody, printBody, stopBody } from "./frames.ts";
import { KernelPeer } from "./kernel-peer.ts";
import { context32, memory32, version32 } from "./windows.ts";

const data = path.join(import.meta.dirname, "data");
const lines = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** A guest's serial port on a Unix socket; `guest` is what its kernel does once somebody is there. */
async function port(guest: (kernel: KernelPeer, socket: Socket) => Promise<void>) {
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-kd-"));
  const socketPath = path.join(folder, "com1.sock");
  const server = createServer((socket) => {
    const kernel = new KernelPeer(socket, {
      version: version32(),
      byteMs: 3000,
      context: context32(0x8059_ceba, 3),
      memory: memory32([0x7b, 1, 0xc000_0034, 0, 0]),
    });
    guest(kernel, socket).catch(() => socket.destroy());
  });
  server.listen(socketPath);
  await once(server, "listening");
  return {
    folder,
    socketPath,
    async [Symbol.asyncDispose]() {
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}

test("attach shows a boot until the guest ends, and writes its transcript", async (t) => {
  await using line = await port(async (kernel, socket) => {
    await kernel.print(printBody("Windows is "));
    await kernel.print(printBody("starting\n"));
    await kernel.stop(moduleBody({ path: "\\a.sys", size: 0x2000 }));
    await kernel.print(printBody("\u001b[31mred\n"));
    socket.end();
  });
  const transcript = path.join(line.folder, "boot.txt");
  const run = await sanlab(["kd", "attach", line.socketPath, "--transcript", transcript]);
  t.is(run.status, 0, run.stderr);
  const shown = run.stdout.split("\n");
  t.true(shown.includes("Windows is starting"));
  t.true(shown.includes("ModLoad: 80400000 80402000   \\a.sys"));
  t.true(shown.includes("Connected to Windows build 3790 x86 Checked"));
  t.true(shown.includes("\\x1b[31mred"));
  t.is(await readFile(transcript, "utf8"), run.stdout);
  t.regex(run.stderr, /3 prints, 1 modules, 0 stops/);
});

test("attach says 1 where the guest crashed, with the objects of the contract", async (t) => {
  await using line = await port(async (kernel) => {
    await kernel.print(
      printBody("*** Fatal System Error: 0x0000007b\n(0x00000001,0xC0000034,0x00000000,0x00000000)\n"),
    );
    for (;;) {
      await kernel.stop(stopBody(), { forever: true });
      kernel.context = context32(0x8059_ceba, 4);
    }
  });
  const run = await sanlab(["kd", "attach", line.socketPath, "--json"]);
  t.is(run.status, 1, run.stderr);
  const told = lines(run.stdout);
  t.true(told.slice(0, -1).every((event) => typeof event["t"] === "number"));
  t.like(
    told.find((event) => event["kind"] === "bugcheck"),
    { code: "0x0000007b", parameters: ["0x00000001", "0xc0000034", "0x00000000", "0x00000000"] },
  );
  t.like(told.at(-1), { kind: "summary", prints: 1, modules: 0, stops: 2, repeats: 0, damaged: 0 });
});

test("attach says 1 where no kernel speaks within the time-out", async (t) => {
  await using line = await port(async (_, socket) => {
    socket.write("BIOS\r\n");
    await once(socket, "close");
  });
  const run = await sanlab(["kd", "attach", line.socketPath, "--json", "--timeout", "1"]);
  t.is(run.status, 1);
  const told = lines(run.stdout).filter((event) => event["kind"] !== "text");
  t.like(told, [
    { kind: "lost", reason: "never-spoke" },
    { kind: "summary", packets: 0 },
  ]);
});

test("attach --break stops the guest, shows its lists and keeps it until it is interrupted", async (t) => {
  let continued = false;
  await using line = await port(async (kernel) => {
    kernel.context.writeUInt32LE(1, 0xb0);
    while (!kernel.breakInSeen) {
      await new Promise(setImmediate);
      kernel.poll();
    }
    await kernel.stop(stopBody(), { forever: true });
    continued = true;
  });
  const child = spawn(bin, ["kd", "attach", "--break", line.socketPath], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "close");
  let shown = "";
  await new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
      if (/Processes:.*\n/.test(shown)) resolve();
    });
  });
  child.kill("SIGINT");
  t.deepEqual(await ended, [130, null]);
  t.true(shown.includes("80400000 8060f000   ntoskrnl.exe\n"), shown);
  t.true(shown.includes("Processes: System smss.exe winlogon.exe\n"));
  t.false(continued);
});

test("decode shows a recording", async (t) => {
  const file = path.join(data, "7b.raw");
  const run = await sanlab(["kd", "decode", file]);
  t.is(run.status, 0);
  t.true(run.stdout.includes("BugCheck 7B, {f870aa04, c0000034, 0, 0}\n"));
  const told = lines((await sanlab(["kd", "decode", "--json", file])).stdout);
  t.deepEqual(told.at(-1), {
    kind: "summary",
    packets: 234,
    prints: 165,
    modules: 32,
    stops: 1,
    repeats: 0,
    damaged: 0,
  });
});

const isMistake = test.macro(async (t, args: readonly string[], status: number, code: string) => {
  const run = await sanlab(["kd", ...args, "--json"]);
  t.is(run.status, status);
  t.is((JSON.parse(run.stdout) as { error: { code: string } }).error.code, code);
});
test("a recording that is not there", isMistake, ["decode", "/nowhere.raw"], 2, "NO_SUCH_FILE");
test("a socket that is not there", isMistake, ["attach", "/nowhere.sock"], 2, "NO_SUCH_FILE");
test("a file is no line", isMistake, ["attach", path.join(data, "7b.raw")], 2, "NOT_A_LINE");
test("a port where nobody listens", isMistake, ["attach", "127.0.0.1:1"], 3, "NO_LINE");

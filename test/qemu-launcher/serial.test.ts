import { readFileSync } from "node:fs";
import path from "node:path";
import { once } from "node:events";
import { duplexPair } from "node:stream";
import test, { type ExecutionContext } from "ava";
import { SerialPort, TextCleaner } from "#harness/qemu-launcher";
import { runFolder } from "./guest.ts";

const cleaned = test.macro({
  exec(t, input: string, expected: string) {
    const bytes = Buffer.from(input);
    t.is(new TextCleaner().push(bytes), expected, "whole");
    for (const size of [1, 2, 5]) {
      const cleaner = new TextCleaner();
      let out = "";
      for (let at = 0; at < bytes.length; at += size) out += cleaner.push(bytes.subarray(at, at + size));
      t.is(out, expected, `in pieces of ${size}`);
    }
  },
  title: (title, input) => `cleaner: ${title ?? ""} ${JSON.stringify(input)}`,
});

test("plain", cleaned, "a b\tc", "a b\tc");
test("line ends", cleaned, "a\nb\r\nc\r\r\nd", "a\nb\nc\nd");
test("empty lines stay", cleaned, "a\n\r\n\nb", "a\n\n\nb");
test("a lone CR begins the line anew", cleaned, "10%\r20%\r\n", "10%\n20%\n");
test("CR before anything was written", cleaned, "\r\rx", "x");
test("colours", cleaned, "\x1b[0;1;32m[  OK  ]\x1b[0m up", "[  OK  ] up");
test("OVMF positions", cleaned, "\x1b[2J\x1b[01;01Hone\x1b[02;01Htwo", "one\ntwo");
test("column moves stay on the line", cleaned, "a\x1b[5Gb\x1b[Kc", "abc");
test("titles", cleaned, "\x1b]0;title\x07a\x1b]0;title\x1b\\b", "ab");
test("character sets and keypad modes", cleaned, "\x1b(Ba\x1b=b\x1b>c\x1b7d", "abcd");
test("controls", cleaned, "a\x00\x07b\x08c\x7f", "abc");
test("an escape inside a sequence begins a new one", cleaned, "\x1b\x1b[1mx", "x");
test("UTF-8", cleaned, "é€😀", "é€😀");

test("cleaner: bytes that are no UTF-8 do not stop it", (t) => {
  t.is(new TextCleaner().push(Buffer.from([0x61, 0xc4, 0x62])), "a\ufffdb");
});

/** A port whose guest is this test. */
function port(t: ExecutionContext, kind: "text" | "binary" = "text") {
  const [near, guest] = duplexPair();
  const logFile = path.join(runFolder(t), "serial.log");
  const told: unknown[] = [];
  const serial = new SerialPort(
    { name: "console", kind },
    { input: near, output: near },
    {
      logFile,
      report: (what, data) => told.push({ what, ...data }),
    },
  );
  t.teardown(() => serial[Symbol.dispose]());
  return { serial, guest, logFile, told };
}
const limit = { timeoutMs: 20_000 };

test("until gives what came before, and continues after the match", async (t) => {
  const { serial, guest } = port(t);
  guest.write("boot\r\nLinux version 6.1\r\nlogin: ");
  t.deepEqual(await serial.until(/Linux version ([\d.]+)/, limit), {
    before: "boot\n",
    match: "Linux version 6.1",
  });
  t.deepEqual(await serial.until("login: ", limit), { before: "\n", match: "login: " });
  const again = serial.until("login: ", limit);
  guest.write("root\r\nlogin: ");
  t.deepEqual(await again, { before: "root\n", match: "login: " });
  t.is(serial.history, "boot\nLinux version 6.1\nlogin: root\nlogin: ");
});

test("until finds text that comes byte by byte, and text split by colours", async (t) => {
  const { serial, guest } = port(t);
  const found = serial.until("# ready", limit);
  for (const byte of Buffer.from("x\x1b[1m# re\x1b[0mady")) guest.write(Buffer.of(byte));
  t.is((await found).before, "x");
});

test("two wait at once", async (t) => {
  const { serial, guest } = port(t);
  const waits = [serial.until("two", limit), serial.until("one", limit)];
  guest.write("one two");
  t.deepEqual(
    (await Promise.all(waits)).map(({ match }) => match),
    ["two", "one"],
  );
});

test("a global or sticky expression keeps no state between looks", async (t) => {
  const { serial, guest } = port(t);
  const found = serial.until(/b+/g, limit);
  guest.write("a");
  guest.write("abb");
  t.is((await found).match, "bb");
});

test("until names the port and what it waited for", async (t) => {
  const { serial } = port(t);
  await t.throwsAsync(serial.until("login:", { timeoutMs: 1 }), {
    code: "TIMEOUT",
    message: /^serial port console, login:: nothing after/,
  });
  const reason = new Error("stop");
  await t.throwsAsync(serial.until("x", { signal: AbortSignal.abort(reason) }), { is: reason });
});

test("the end of the machine ends the waits and delivers the last line", async (t) => {
  const { serial, guest, told } = port(t);
  const wait = serial.until("login:", limit);
  guest.end("no newline");
  await t.throwsAsync(wait, { code: "SERIAL_CLOSED" });
  t.deepEqual(told, [{ what: "serial", port: "console", line: "no newline" }]);
});

test("lines come whole, empty ones not at all, and the log has every byte", async (t) => {
  const { serial, guest, logFile, told } = port(t);
  const lines: string[] = [];
  serial.onLine((line, { partial }) => {
    if (!partial) lines.push(line);
  });
  for (const piece of ["on", "e\r", "\n\r\n\x1b[1mtw", "o\x1b[0m\r\nthree\n"]) guest.write(piece);
  await serial.until("three\n", limit);
  t.deepEqual(lines, ["one", "two", "three"]);
  t.is(readFileSync(logFile, "latin1"), "one\r\n\r\n\x1b[1mtwo\x1b[0m\r\nthree\n");
  t.like(told[0], { what: "serial", port: "console", line: "one" });
});

test("a prompt is told as a partial line, and again when the line is complete", async (t) => {
  const { serial, guest } = port(t);
  const partial = Promise.withResolvers<string>();
  const whole = Promise.withResolvers<string>();
  serial.onLine((line, about) => (about.partial ? partial : whole).resolve(line));
  guest.write("login: ");
  t.is(await partial.promise, "login: ");
  guest.write("root\r\n");
  t.is(await whole.promise, "login: root");
});

test("history is bounded and until still counts right", async (t) => {
  const { serial, guest } = port(t);
  const block = `${"x".repeat(1023)}\n`;
  for (let i = 0; i < 3000; i++) if (!guest.write(block)) await once(guest, "drain");
  guest.write("end of flood");
  const { match } = await serial.until("end of flood", limit);
  t.is(match, "end of flood");
  t.true(serial.history.length <= 1.25 * 2 ** 20);
  t.true(serial.history.endsWith("end of flood"));
});

test("write reaches the guest", async (t) => {
  const { serial, guest } = port(t);
  serial.write("root\n");
  const [chunk] = await once(guest, "data");
  t.is(String(chunk), "root\n");
});

test("a binary port tells no lines and hands over early bytes", async (t) => {
  const { serial, guest, told } = port(t, "binary");
  guest.write(Buffer.from("iiii\0\xff", "latin1"));
  const stream = serial.asDuplex();
  t.is(serial.asDuplex(), stream);
  guest.end("more\n");
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  t.is(Buffer.concat(chunks).toString("latin1"), "iiii\0\xffmore\n");
  t.deepEqual(told, []);
});

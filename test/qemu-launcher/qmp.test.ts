import { once } from "node:events";
import { duplexPair } from "node:stream";
import { createInterface } from "node:readline";
import test from "ava";
import { LabError } from "#core";
import { Qmp, QmpError } from "#harness/qemu-launcher";
import { unplug } from "../../harness/qemu-launcher/unplug.ts";

/** As QEMU 7.2 sends it. */
const greeting =
  '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}\r\n';

interface Request {
  readonly execute: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly id: number;
}

/** The far end of a monitor connection: answers what `answers` knows, and can be told to say anything. */
function monitor(answers: (request: Request) => string | undefined = () => undefined) {
  const [near, far] = duplexPair();
  const requests: Request[] = [];
  createInterface({ input: far }).on("line", (line) => {
    const request: Request = JSON.parse(line);
    requests.push(request);
    const answer =
      request.execute === "qmp_capabilities" ? `{"return": {}, "id": ${request.id}}` : answers(request);
    if (answer !== undefined) far.write(`${answer}\r\n`);
  });
  return { near, far, requests };
}

async function connected(answers?: (request: Request) => string | undefined) {
  const peer = monitor(answers);
  peer.far.write(greeting);
  return { ...peer, qmp: await Qmp.connect(peer.near) };
}

const event = (name: string, data: object) =>
  `${JSON.stringify({ timestamp: { seconds: 1, microseconds: 2 }, event: name, data })}\r\n`;

test("greeting, capabilities, a command with its return value", async (t) => {
  const { qmp, requests } = await connected(
    ({ id }) => `{"return": {"status": "running", "running": true}, "id": ${id}}`,
  );
  t.deepEqual(await qmp.execute("query-status"), { status: "running", running: true });
  t.deepEqual(
    requests.map(({ execute, arguments: args }) => ({ execute, args })),
    [
      { execute: "qmp_capabilities", args: {} },
      { execute: "query-status", args: {} },
    ],
  );
});

for (const size of [1, 2, 3, 7, 64]) {
  test(`messages cut into pieces of ${size}, multi-byte characters included`, async (t) => {
    const [near, far] = duplexPair();
    const write = (text: string) => {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; at += size) far.write(bytes.subarray(at, at + size));
    };
    const seen: unknown[] = [];
    const connecting = Qmp.connect(near, { report: (_, data) => seen.push(data) });
    write(greeting);
    await once(far, "data");
    write('{"return": {}, "id": 1}\r\n');
    const qmp = await connecting;
    const last = qmp.until("B", { timeoutMs: 20_000 });
    write(event("A", { text: "é€😀" }) + event("B", {}));
    await last;
    t.deepEqual(seen, [{ event: "A", text: "é€😀" }, { event: "B" }]);
  });
}

test("answers find their command whatever their order", async (t) => {
  const held: Request[] = [];
  const { qmp, far } = await connected((request) => {
    held.push(request);
    if (held.length === 2) {
      for (const { id, execute } of held.toReversed()) far.write(`{"return": "${execute}", "id": ${id}}\n`);
    }
    return undefined;
  });
  t.deepEqual(await Promise.all([qmp.execute("first"), qmp.execute("second")]), ["first", "second"]);
});

test("a refusal is typed", async (t) => {
  const { qmp } = await connected(
    ({ id }) => `{"error": {"class": "DeviceNotFound", "desc": "Device 'x' not found"}, "id": ${id}}`,
  );
  const error = await t.throwsAsync(qmp.execute("device_del", { id: "x" }), { instanceOf: QmpError });
  t.is(error.message, "QEMU refused device_del: Device 'x' not found");
  t.like(error, { code: "QMP_COMMAND", command: "device_del", errorClass: "DeviceNotFound" });
});

test("a closed connection rejects what is outstanding and all that follows", async (t) => {
  const { qmp, far } = await connected();
  const waits = [qmp.execute("a"), qmp.execute("b"), qmp.until("C")];
  far.destroy();
  for (const wait of waits) await t.throwsAsync(wait, { instanceOf: LabError, code: "QMP_CLOSED" });
  await t.throwsAsync(qmp.execute("d"), { code: "QMP_CLOSED" });
  await t.throwsAsync(qmp.until("E"), { code: "QMP_CLOSED" });
});

test("whoever knows why the connection closed is asked", async (t) => {
  const { near, far } = monitor();
  far.write(greeting);
  const why = Promise.withResolvers<Error>();
  const qmp = await Qmp.connect(near, { whyClosed: why.promise });
  const command = qmp.execute("a");
  far.end();
  why.resolve(new LabError("QEMU_DIED", "QEMU crashed"));
  await t.throwsAsync(command, { code: "QEMU_DIED" });
});

test("a connection that closes before the greeting", async (t) => {
  const { near, far } = monitor();
  far.end();
  await t.throwsAsync(Qmp.connect(near), { code: "QMP_CLOSED" });
});

for (const nonsense of ["hello", "[1]", "null", "17", '{"event":']) {
  test(`${nonsense} is no message`, async (t) => {
    const { qmp, far } = await connected();
    far.write(`${nonsense}\n`);
    await t.throwsAsync(qmp.until("NEVER"), { code: "QMP_PROTOCOL" });
  });
}

test("until: by name and content, ended by the limit or the signal", async (t) => {
  const { qmp, far } = await connected();
  const found = qmp.until("DEVICE_DELETED", { accept: ({ data }) => data["device"] === "b" });
  far.write(
    event("OTHER", { device: "b" }) +
      event("DEVICE_DELETED", { device: "a" }) +
      event("DEVICE_DELETED", { device: "b" }),
  );
  t.deepEqual(await found, { event: "DEVICE_DELETED", data: { device: "b" } });

  await t.throwsAsync(qmp.until("LATE", { timeoutMs: 1 }), {
    code: "TIMEOUT",
    message: /^QMP event LATE: nothing after/,
  });
  const reason = new Error("stop");
  const controller = new AbortController();
  const aborted = qmp.until("LATE", { signal: controller.signal });
  controller.abort(reason);
  t.is(await t.throwsAsync(aborted), reason);
  await t.throwsAsync(qmp.execute("slow", {}, { timeoutMs: 1 }), { code: "TIMEOUT", message: /^QMP slow: / });
});

test("events as a sequence, told to the report too, until the connection ends", async (t) => {
  const { near, far } = monitor();
  far.write(greeting);
  const told: unknown[] = [];
  const qmp = await Qmp.connect(near, { report: (kind, data) => told.push({ kind, ...data }) });
  const sequence = qmp.events();
  const first = sequence.next();
  far.write(event("STOP", {}) + event("RESUME", {}) + event("SHUTDOWN", { guest: true }));
  far.end();
  const names = [(await first).value?.event];
  for await (const one of sequence) names.push(one.event);
  t.deepEqual(names, ["STOP", "RESUME", "SHUTDOWN"]);
  t.deepEqual(told.at(-1), { kind: "qmp-event", event: "SHUTDOWN", guest: true });
});

test("a device that is gone when it is asked for again has been let go", async (t) => {
  let asked = 0;
  const peer = await connected(({ id, execute }) => {
    if (execute !== "device_del") return undefined;
    if (asked++ === 0) return `{"return": {}, "id": ${id}}`;
    const gone = `{"error": {"class": "DeviceNotFound", "desc": "Device 'san' not found"}, "id": ${id}}`;
    return `${gone}\r\n${event("DEVICE_DELETED", { device: "san", path: "/machine/peripheral/san" })}`;
  });
  await t.notThrowsAsync(unplug(peer.qmp, "san"));
  t.is(asked, 2);
});

test("a device that never was cannot be unplugged", async (t) => {
  const { qmp } = await connected(
    ({ id }) => `{"error": {"class": "DeviceNotFound", "desc": "Device 'san' not found"}, "id": ${id}}`,
  );
  await t.throwsAsync(unplug(qmp, "san"), { instanceOf: QmpError, message: /not found/ });
});

import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { Agent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import test from "ava";
import { SeededRandom } from "#core";
import { BootFiles } from "../../src/netboot/files/boot-files.ts";
import { parseRange } from "../../src/netboot/http/http-range.ts";
import { HttpServer } from "../../src/netboot/http/http-server.ts";
import { toWire } from "../../src/netboot/wire.ts";
import { run } from "./run.ts";

const folder = mkdtempSync(path.join(tmpdir(), "sanlab-http-"));
const root = path.join(folder, "root");
const big = Buffer.from(new SeededRandom(80).bytes(3_000_001));
mkdirSync(root);
writeFileSync(path.join(folder, "secret"), "secret");
writeFileSync(path.join(root, "ten"), "0123456789");
writeFileSync(path.join(root, "big.img"), big);
writeFileSync(path.join(root, "a b+ü.efi"), "efi");
symlinkSync("../secret", path.join(root, "outside"));
test.after.always(() => rmSync(folder, { recursive: true }));

async function serve() {
  const events: { kind: string; data: Readonly<Record<string, unknown>> }[] = [];
  const files = await BootFiles.open({ root, entries: { "boot.ipxe": "#!ipxe\n", empty: "" } });
  const wire = toWire({ name: "lo", address: "127.0.0.1", prefixLength: 8 });
  const server = await HttpServer.start(wire, files, { port: 0 }, (kind, data) =>
    events.push({ kind, data }),
  );
  const { port } = server;
  /** A request, its path sent as it stands. */
  const ask = async (target: string, options: RequestOptions = {}) => {
    const request = httpRequest({ host: "127.0.0.1", port, path: target, agent: false, ...options });
    request.end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    return { status: response.statusCode, headers: response.headers, body: await text(response) };
  };
  return { server, files, events, port, ask, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const ranges = [
  [undefined, undefined],
  ["bytes=0-0", { first: 0, last: 0 }],
  ["bytes=2-5", { first: 2, last: 5 }],
  ["bytes=2-", { first: 2, last: 9 }],
  ["bytes=2-99", { first: 2, last: 9 }],
  ["bytes=-3", { first: 7, last: 9 }],
  ["bytes=-99", { first: 0, last: 9 }],
  ["bytes=9-9", { first: 9, last: 9 }],
  ["bytes=10-", "unsatisfiable"],
  ["bytes=10-20", "unsatisfiable"],
  ["bytes=-0", "unsatisfiable"],
  ["bytes=5-2", undefined],
  ["bytes=0-1,4-5", undefined],
  ["bytes=", undefined],
  ["bytes=-", undefined],
  ["bytes=a-b", undefined],
  ["lines=0-1", undefined],
  ["BYTES=1-2", { first: 1, last: 2 }],
] as const;
for (const [header, expected] of ranges) {
  test(`range ${header} of ten bytes`, (t) => {
    t.deepEqual(parseRange(header, 10), expected);
  });
}

test("no range of an empty file can be had", (t) => {
  t.is(parseRange("bytes=0-", 0), "unsatisfiable");
  t.is(parseRange("bytes=-5", 0), "unsatisfiable");
});

test("GET gives the whole with its length, type and validators", async (t) => {
  await using http = await serve();
  const { status, headers, body } = await http.ask("/ten");
  t.is(status, 200);
  t.is(body, "0123456789");
  t.like(headers, {
    "content-length": "10",
    "content-type": "application/octet-stream",
    "accept-ranges": "bytes",
  });
  t.regex(headers.etag!, /^"[^"]+"$/);
  t.truthy(Date.parse(headers["last-modified"]!));
  t.deepEqual(
    http.events.map(({ kind }) => kind),
    ["http-request", "http-done"],
  );
  t.like(http.events[1]!.data, { path: "/ten", status: 200, bytes: 10, complete: true, ip: "127.0.0.1" });
});

test("HEAD gives the same headers and nothing else, whatever range is asked", async (t) => {
  await using http = await serve();
  const { status, headers, body } = await http.ask("/ten", {
    method: "HEAD",
    headers: { range: "bytes=1-2" },
  });
  t.is(status, 200);
  t.is(headers["content-length"], "10");
  t.is(body, "");
});

const responses = [
  ["/ten", { range: "bytes=2-5" }, 206, "2345", "bytes 2-5/10"],
  ["/ten", { range: "bytes=-3" }, 206, "789", "bytes 7-9/10"],
  ["/ten", { range: "bytes=10-" }, 416, "the range lies outside of the file\n", "bytes */10"],
  ["/ten", { range: "bytes=0-1,4-5" }, 200, "0123456789", undefined],
  ["/ten", { range: "bytes=2-5", "if-range": '"other"' }, 200, "0123456789", undefined],
  ["/ten", { "if-none-match": '"other", W/"another"' }, 200, "0123456789", undefined],
  ["/ten", { "if-none-match": "*" }, 304, "", undefined],
  ["/ten", { "if-match": '"other"' }, 412, "", undefined],
  ["/ten", { "if-match": "*" }, 200, "0123456789", undefined],
  ["/ten", { "if-modified-since": "Thu, 01 Jan 2099 00:00:00 GMT" }, 304, "", undefined],
  ["/ten", { "if-modified-since": "Thu, 01 Jan 1998 00:00:00 GMT" }, 200, "0123456789", undefined],
  ["/ten", { "if-unmodified-since": "Thu, 01 Jan 1998 00:00:00 GMT" }, 412, "", undefined],
  ["/ten", { "if-modified-since": "yesterday" }, 200, "0123456789", undefined],
  ["/ten?x=1#y", {}, 200, "0123456789", undefined],
  ["http://10.0.0.1/ten", {}, 200, "0123456789", undefined],
  ["//ten", {}, 200, "0123456789", undefined],
  ["/a%20b+%C3%BC.efi", {}, 200, "efi", undefined],
  ["/boot.ipxe", {}, 200, "#!ipxe\n", undefined],
  ["/empty", {}, 200, "", undefined],
  ["/", {}, 404, "not found\n", undefined],
  ["/missing", {}, 404, "not found\n", undefined],
  ["/outside", {}, 404, "not found\n", undefined],
  ["/../secret", {}, 404, "not found\n", undefined],
  ["/%2e%2e/secret", {}, 404, "not found\n", undefined],
  ["/..%2fsecret", {}, 404, "not found\n", undefined],
  ["/ten%00", {}, 404, "not found\n", undefined],
  ["/%zz", {}, 400, "the path is not well encoded\n", undefined],
] as const;
for (const [target, headers, status, body, contentRange] of responses) {
  test(`GET ${target} ${JSON.stringify(headers)} is ${status}`, async (t) => {
    await using http = await serve();
    const response = await http.ask(target, { headers });
    t.is(response.status, status);
    t.is(response.body, body);
    t.is(response.headers["content-range"], contentRange);
  });
}

test("validators of an answer are honoured in the next question", async (t) => {
  await using http = await serve();
  const { etag, "last-modified": modified } = (await http.ask("/boot.ipxe")).headers;
  t.is((await http.ask("/boot.ipxe", { headers: { "if-none-match": etag! } })).status, 304);
  const ranged = async (condition: string) =>
    (await http.ask("/boot.ipxe", { headers: { range: "bytes=0-1", "if-range": condition } })).status;
  t.is(await ranged(etag!), 206);
  t.is(await ranged(modified!), 206);
  http.files.set("boot.ipxe", "#!ipxe\nshell\n");
  t.is(await ranged(etag!), 200);
  t.is((await http.ask("/boot.ipxe", { headers: { "if-none-match": etag! } })).status, 200);
});

test("other methods are refused, and say which are not; the connection goes on", async (t) => {
  await using http = await serve();
  const socket = connect(http.port, "127.0.0.1");
  socket.write("POST /ten HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  socket.write("GET /ten HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const all = await text(socket);
  t.regex(all, /^HTTP\/1\.1 405 [^]*\r\nAllow: GET, HEAD\r\n[^]*HTTP\/1\.1 200 OK[^]*0123456789$/);
});

test("curl reads a file in pieces over one connection, and resumes", async (t) => {
  await using http = await serve();
  const url = `http://127.0.0.1:${http.port}/big.img`;
  const part = path.join(folder, "part");
  writeFileSync(part, big.subarray(0, 1_234_567));
  const pieces = await run("curl", [
    "-sS",
    "-w",
    "%{stderr}%{num_connects}",
    "-r",
    "0-1500000",
    url,
    "--next",
    "-sS",
    "-w",
    "%{stderr}%{num_connects}",
    "-r",
    "1500001-",
    url,
  ]);
  t.true(pieces.stdout.equals(big));
  t.is(pieces.stderr, "10");
  const resumed = await run("curl", ["-sS", "-C", "1234567", url]);
  t.true(resumed.stdout.equals(big.subarray(1_234_567)));
});

test("a client that goes away in the middle is reported, and the next is served", async (t) => {
  await using http = await serve();
  const socket = connect(http.port, "127.0.0.1");
  socket.write("GET /big.img HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "data");
  socket.destroy();
  const again = await http.ask("/ten");
  t.is(again.status, 200);
  while (http.events.filter(({ kind }) => kind === "http-done").length < 2) await new Promise(setImmediate);
  t.true(http.events.some(({ kind, data }) => kind === "http-done" && data["complete"] === false));
});

test("closing ends idle connections at once", async (t) => {
  const http = await serve();
  const agent = new Agent({ keepAlive: true });
  t.is((await http.ask("/ten", { agent })).status, 200);
  await http[Symbol.asyncDispose]();
  await t.throwsAsync(http.ask("/ten", { agent }));
  agent.destroy();
});

test("closing cuts off a transfer that does not end", async (t) => {
  const http = await serve();
  const socket = connect(http.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write("GET /big.img HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "readable");
  await http[Symbol.asyncDispose]();
  t.pass();
  socket.destroy();
});

test("a port in use is named, with the cure", async (t) => {
  await using http = await serve();
  const wire = toWire({ name: "lo", address: "127.0.0.1", prefixLength: 8 });
  const error = await t.throwsAsync(
    HttpServer.start(wire, http.files, { port: http.port }, () => undefined),
    { code: "PORT_IN_USE" },
  );
  t.is(
    error.message,
    `HTTP server: TCP port ${http.port} on lo (127.0.0.1) is taken by another program; find it with "ss -tlpn 'sport = :${http.port}'" and end it`,
  );
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import test, { type ExecutionContext } from "ava";
import { Opcode } from "ts-iscsi-pdu";
import { RawClient } from "../target/raw-client.ts";
import { bin, execute, root, sanlab } from "./sanlab.ts";

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-serve-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

interface Event {
  readonly kind: string;
  readonly [key: string]: unknown;
}

/** Starts `sanlab target serve --json` on a free port; `until` gives the next event of a kind. */
async function serving(t: ExecutionContext, args: readonly string[]) {
  const child = spawn(bin, ["target", "serve", "--json", "--listen", "127.0.0.1:0", ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "ignore"],
  });
  t.teardown(() => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const until = async (kind: string): Promise<Event> => {
    for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
      const event = JSON.parse(line.value) as Event;
      if (event.kind === kind) return event;
    }
    throw new Error(`ended before ${kind}`);
  };
  const { port, target } = await until("listening");
  return { child, until, url: (lun: number) => `iscsi://127.0.0.1:${String(port)}/${String(target)}/${lun}` };
}

test("serve offers images and memory as units, tells what happens, and stops when asked", async (t) => {
  const folder = await folderOf(t);
  const image = path.join(folder, "disk.img");
  const iso = path.join(folder, "disc.iso");
  await writeFile(image, Buffer.alloc(1024 * 1024, "content!"));
  await writeFile(iso, Buffer.alloc(1024 * 1024));
  const { child, until, url } = await serving(t, [
    image,
    iso,
    "--overlay",
    "--memory",
    "3M",
    "--param",
    "MaxBurstLength=65536",
  ]);
  const inquiry = await execute("iscsi-inq", [url(1)]);
  t.regex(inquiry.stdout, /VIRTUAL-CDROM/);
  const login = await until("login-done");
  t.like(login, { cid: 0, target: "iqn.2026-01.org.sanlab:target" });
  t.is((login["keys"] as Event)["MaxBurstLength"], 65_536);
  t.regex((await execute("iscsi-readcapacity16", [url(2)])).stdout, /Total size:3145728/);
  const read = await execute("qemu-img", ["compare", "-f", "raw", "-F", "raw", image, url(0)]);
  t.regex(read.stdout, /identical/);
  t.true(Number((await until("io"))["reads"]) > 0);
  child.kill("SIGTERM");
  t.deepEqual(await once(child, "exit"), [0, null]);
});

test("stopping asks those who are logged in to log out, and waits for them", async (t) => {
  const { child, url } = await serving(t, ["--memory", "1M", "--grace", "600"]);
  const address = new URL(url(0).replace("iscsi:", "http:"));
  using client = await RawClient.connect({ host: address.hostname, port: Number(address.port) });
  const login = await client.login({
    InitiatorName: "iqn.2026-01.org.sanlab:stays",
    TargetName: "iqn.2026-01.org.sanlab:target",
  });
  t.is(login.status, 0);
  child.kill("SIGTERM");
  t.like((await client.next())?.pdu, { opcode: Opcode.Async, event: 1, parameter3: 600 });
  client.logout(0);
  t.like((await client.next())?.pdu, { opcode: Opcode.LogoutResponse, response: 0 });
  t.deepEqual(await once(child, "exit"), [0, null]);
});

const plan = (kind: string) =>
  `seed: 5\nrules:\n  - { id: ${kind}, on: { login: any }, do: { refuse: { class: 3, detail: 1 } } }\n`;

test("faults come from a file, and again from it at SIGHUP", async (t) => {
  const file = path.join(await folderOf(t), "faults.yaml");
  await writeFile(file, plan("first"));
  const { child, until, url } = await serving(t, ["--memory", "1M", "--faults", file]);
  t.notRegex((await execute("iscsi-inq", [url(0)])).stdout, /SANLAB/);
  t.like(await until("fault"), { rule: "first", action: "refuse", shot: 1 });
  await writeFile(file, plan("second"));
  child.kill("SIGHUP");
  t.like(await until("faults"), { seed: 5, rules: ["second"] });
  child.kill("SIGINT");
  t.deepEqual(await once(child, "exit"), [130, null]);
});

const mistake = test.macro(async (t, args: readonly string[], status: number, message: RegExp) => {
  const ended = await sanlab(["target", "serve", ...args]);
  t.is(ended.status, status);
  t.regex(ended.stderr, message);
  t.notRegex(ended.stderr, /\n\s+at /);
});
test("nothing to serve", mistake, [], 2, /nothing to serve/);
test("an image that is not there", mistake, ["/nowhere.img"], 2, /\/nowhere\.img/);
test("an address without a port", mistake, ["--memory", "1M", "--listen", "localhost"], 2, /HOST:PORT/);
test("a size that is none", mistake, ["--memory", "much"], 2, /64M or 2G/);
test("a grace that is none", mistake, ["--memory", "1M", "--grace", "long"], 2, /0 to 3600/);
test("a key that is none", mistake, ["--memory", "1M", "--param", "Colour=Blue"], 2, /no operational key/);
test(
  "a value out of range",
  mistake,
  ["--memory", "1M", "--param", "MaxBurstLength=1"],
  2,
  /MaxBurstLength is 512 to/,
);

test("a file of secrets that others can read is refused, and one that is wrong without showing any", async (t) => {
  const file = path.join(await folderOf(t), "chap.yaml");
  await writeFile(file, "users: { alice: quite-a-long-secret }", { mode: 0o644 });
  const open = await sanlab(["target", "serve", "--memory", "1M", "--chap-file", file]);
  t.is(open.status, 2);
  t.regex(open.stderr, /chmod 600/);
  const short = path.join(path.dirname(file), "short.yaml");
  await writeFile(short, "users: { alice: tooshort }", { mode: 0o600 });
  const refused = await sanlab(["target", "serve", "--memory", "1M", "--chap-file", short]);
  t.is(refused.status, 2);
  t.notRegex(refused.stderr, /tooshort/);
});

test("a port in use is a failure of the lab", async (t) => {
  const server = createServer().listen(0, "127.0.0.1");
  t.teardown(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const ended = await sanlab(["target", "serve", "--memory", "1M", "--listen", `127.0.0.1:${port}`]);
  t.is(ended.status, 3);
  t.regex(ended.stderr, /in use/);
});

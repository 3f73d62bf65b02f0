import { createHash } from "node:crypto";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { MemoryDevice } from "#block";
import { SeededRandom } from "#core";
import { Target } from "#target";
import test from "ava";
import { sanlab } from "./sanlab.ts";

const run = promisify(execFile);
const iqn = "iqn.2001-04.com.example:cli";
const size = 8 * 1024 * 1024;

/** A target with one disk, its URL and a folder; gone after `work`. */
async function withTarget(
  work: (place: {
    url: string;
    portal: string;
    device: MemoryDevice;
    folder: string;
    port: number;
  }) => Promise<void>,
  options: Partial<Parameters<typeof Target.listen>[0]> = {},
): Promise<void> {
  const device = new MemoryDevice(size);
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-cli-"));
  await using target = await Target.listen({ iqn, luns: [{ lun: 0, device }], ...options });
  const { port } = target.address;
  try {
    await work({
      url: `iscsi://127.0.0.1:${port}/${iqn}/0`,
      portal: `iscsi://127.0.0.1:${port}`,
      device,
      folder,
      port,
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

const json = (text: string): Record<string, unknown> => JSON.parse(text);

test("discover lists name and portal, for people and for programs", (t) =>
  withTarget(async ({ portal, port }) => {
    const plain = await sanlab(["iscsi", "discover", portal]);
    t.is(plain.stdout, `${iqn} 127.0.0.1:${port},1\n`);
    const { status, stdout } = await sanlab(["iscsi", "discover", portal, "--json"]);
    t.is(status, 0);
    t.deepEqual(json(stdout), { targets: [{ name: iqn, portals: [{ host: "127.0.0.1", port, tag: 1 }] }] });
  }));

test("info tells capacity and parameters, and takes --param", (t) =>
  withTarget(async ({ url }) => {
    const { status, stdout } = await sanlab([
      "iscsi",
      "info",
      url,
      "--json",
      "--param",
      "DataDigest=CRC32C",
      "--param",
      "MaxBurstLength=65536",
    ]);
    t.is(status, 0);
    t.like(json(stdout), {
      target: iqn,
      luns: [0],
      disk: { size, blockSize: 512 },
      parameters: { DataDigest: "CRC32C", MaxBurstLength: 65_536 },
    });
    t.regex((await sanlab(["iscsi", "info", url])).stdout, /capacity +16384 blocks of 512 bytes/);
  }));

test("read, write and a trace that tshark reads", (t) =>
  withTarget(async ({ url, device, folder, port }) => {
    const bytes = Buffer.from(new SeededRandom(3).bytes(64 * 512));
    const [input, output, trace] = ["in.bin", "out.bin", "trace.pcapng"].map((name) =>
      path.join(folder, name),
    );
    await writeFile(input!, bytes);
    const written = await sanlab(["iscsi", "write", url, "--lba", "100", "--in", input!, "--trace", trace!]);
    t.is(written.status, 0, written.stderr);
    const stored = Buffer.alloc(bytes.length);
    await device.read(100 * 512, stored);
    t.true(stored.equals(bytes));
    const read = await sanlab([
      "iscsi",
      "read",
      url,
      "--lba",
      "100",
      "--blocks",
      "64",
      "--out",
      output!,
      "--json",
    ]);
    t.like(json(read.stdout), {
      lba: 100,
      blocks: 64,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    });
    t.true((await readFile(output!)).equals(bytes));
    t.is((await stat(trace!)).mode & 0o777, 0o600);
    const { stdout } = await run("tshark", [
      "-r",
      trace!,
      "-d",
      `tcp.port==${port},iscsi`,
      "-Y",
      "iscsi.opcode == 0x01",
      "-T",
      "fields",
      "-e",
      "iscsi.opcode",
    ]);
    t.true(stdout.split("\n").length > 3, stdout);
  }));

test("copy moves a disk to a file and back, holes left out, and verifies", (t) =>
  withTarget(async ({ url, device, folder }) => {
    const bytes = new SeededRandom(5).bytes(1024 * 1024);
    await device.write(2 * 1024 * 1024, bytes);
    const file = path.join(folder, "disk.img");
    const out = await sanlab(["iscsi", "copy", url, file, "--verify", "--json"]);
    t.is(out.status, 0, out.stderr);
    t.like(json(out.stdout), { bytes: size, verified: true });
    const image = await readFile(file);
    t.is(image.length, size);
    t.true(image.subarray(2 * 1024 * 1024, 3 * 1024 * 1024).equals(bytes));
    await device.write(0, Buffer.alloc(size, 0xff));
    const back = await sanlab(["iscsi", "copy", file, url, "--verify", "--json"]);
    t.is(back.status, 0, back.stderr);
    const stored = Buffer.alloc(size);
    await device.read(0, stored);
    t.true(stored.equals(image));
  }));

test("cdb sends any command and says what came back", (t) =>
  withTarget(async ({ url }) => {
    const inquiry = await sanlab(["iscsi", "cdb", url, "12 00 00 00 24 00", "--in", "36", "--json"]);
    t.is(inquiry.status, 0, inquiry.stderr);
    t.like(json(inquiry.stdout), { command: "INQUIRY", status: 0 });
    const unknown = await sanlab(["iscsi", "cdb", url, "c10000000000", "--json"]);
    t.is(unknown.status, 1);
    t.like(json(unknown.stdout), { statusName: "CHECK CONDITION", sense: { key: 5, asc: 0x20 } });
  }));

test("ping and bench measure", (t) =>
  withTarget(async ({ url }) => {
    const ping = await sanlab(["iscsi", "ping", url, "--count", "3", "--json"]);
    t.is((json(ping.stdout)["milliseconds"] as number[]).length, 3);
    const bench = await sanlab([
      "iscsi",
      "bench",
      url,
      "--bs",
      "4k",
      "--depth",
      "8",
      "--seconds",
      "0.2",
      "--connections",
      "2",
      "--json",
    ]);
    t.is(bench.status, 0, bench.stderr);
    t.like(json(bench.stdout), { connections: 2 });
    t.true(Number(json(bench.stdout)["iops"]) > 0);
  }));

test("CHAP takes its secrets from the environment or a file, never from the command line", (t) =>
  withTarget(
    async ({ url, folder, port }) => {
      const secret = "a secret of some length";
      const file = path.join(folder, "secret");
      await writeFile(file, `${secret}\n`, { mode: 0o600 });
      const env = { ...process.env, SANLAB_CHAP_SECRET: secret };
      t.is((await sanlab(["iscsi", "info", url, "--chap", "joe"], { env })).status, 0);
      t.is((await sanlab(["iscsi", "info", url, "--chap", "joe", "--chap-secret-file", file])).status, 0);
      const wrong = await sanlab(["iscsi", "info", url, "--chap", "joe", "--json"], {
        env: { ...env, SANLAB_CHAP_SECRET: "another secret here" },
      });
      t.is(wrong.status, 1);
      t.like(json(wrong.stdout), { error: { code: "AUTHENTICATION_FAILED" } });
      const refused = await sanlab([
        "iscsi",
        "info",
        `iscsi://joe%${encodeURIComponent(secret)}@127.0.0.1:${port}/${iqn}/0`,
        "--json",
      ]);
      t.is(refused.status, 2);
      t.like(json(refused.stdout), { error: { code: "SECRET_IN_URL" } });
      t.notRegex(refused.stdout + refused.stderr + wrong.stdout, /some length|another/);
    },
    { auth: { users: { joe: "a secret of some length" } } },
  ));

const mistakes: readonly { title: string; args: readonly string[]; status: number; says: RegExp }[] = [
  {
    title: "nothing listens",
    args: ["info", `iscsi://127.0.0.1:1/${iqn}/0`],
    status: 1,
    says: /cannot connect to 127\.0\.0\.1:1.*nothing listens/,
  },
  { title: "a bad URL", args: ["info", "http://x"], status: 2, says: /iscsi:\/\// },
  {
    title: "no target in the URL",
    args: ["info", "iscsi://127.0.0.1"],
    status: 2,
    says: /sanlab iscsi discover/,
  },
  {
    title: "an unknown key",
    args: ["info", `iscsi://127.0.0.1/${iqn}/0`, "--param", "Speed=9"],
    status: 2,
    says: /Speed: no such key/,
  },
  {
    title: "a bad value",
    args: ["info", `iscsi://127.0.0.1/${iqn}/0`, "--param", "MaxBurstLength=1"],
    status: 2,
    says: /512 to 16777215/,
  },
  {
    title: "a missing file",
    args: ["write", `iscsi://127.0.0.1/${iqn}/0`, "--lba", "0", "--in", "/no/such/file"],
    status: 2,
    says: /no such file/,
  },
];

for (const { title, args, status, says } of mistakes) {
  test(`${title} ends with status ${status} and one line`, async (t) => {
    const ended = await sanlab(["iscsi", ...args]);
    t.is(ended.status, status, ended.stderr);
    t.regex(ended.stderr, says);
    t.is(ended.stderr.trim().split("\n").length, 1);
  });
}

test("a target that says nothing is given up at the time-out", async (t) => {
  const { createServer } = await import("node:net");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const ended = await sanlab([
    "iscsi",
    "info",
    `iscsi://127.0.0.1:${port}/${iqn}/0`,
    "--timeout",
    "0.5",
    "--json",
  ]);
  t.is(ended.status, 1);
  t.like(json(ended.stdout), { error: { code: "TIMEOUT" } });
  server.close();
});

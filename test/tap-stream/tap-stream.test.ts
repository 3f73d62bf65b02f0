import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { inNamespace, runCommand, type ProgramResult } from "./in-namespace.ts";

const program = path.join(import.meta.dirname, "programs", "taps.ts");

type Results = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
const parse = ({ status, stdout, stderr }: ProgramResult): Results => {
  if (status !== 0) throw new Error(`status ${status}: ${stderr}`);
  const results: Results = JSON.parse(stdout);
  return results;
};
/** All cases, run one after the other in one namespace. */
const all = inNamespace(program).then(parse);
const run = async (name: string) => (await all)[name]!;

/** A case of the program and what it is to print. */
const gives = test.macro(async (t, name: string, expected: Record<string, unknown>) => {
  t.like(await run(name), expected);
});

test("the kernel answers a hand-made ARP request, with the interface's own address", async (t) => {
  const { mac, reply, counters } = await run("arp");
  const own = String(mac).replaceAll(":", "");
  t.is(reply, `020000000002${own}08060001080006040002${own}c0000201020000000002c0000202`);
  t.like(counters, { framesOut: 1, bytesOut: 42, framesLost: 0 });
});

test("the kernel answers a hand-made echo request", gives, "ping", {
  type: 0,
  source: [192, 0, 2, 1],
  payload: "sixteen bytes ok",
});

test("20,000 datagrams of the kernel come once, whole and in order", gives, "stream", {
  received: 20_000,
  outOfOrder: 0,
});

test("where nobody reads, little waits in user space and nothing is lost that the kernel's queue can hold", async (t) => {
  const { held, received } = await run("backpressure");
  t.true(Number(held) <= 16 + 4 * 64, `${String(held)} frames were taken from the kernel`);
  t.is(received, 900);
});

test(
  "a frame written to an interface that is down is lost and counted, one without a header refused",
  gives,
  "down",
  {
    framesLost: 1,
    framesOut: 0,
    short: "TapStream: a frame of 13 bytes has no room for the Ethernet header (14)",
  },
);

test("disposal takes the interface away and leaks no descriptor", gives, "dispose", {
  during: true,
  after: false,
  leaked: 0,
});

test("the stream ends when its interface is deleted", gives, "deleted", { ended: true });
test("an aborted signal ends the stream and takes the interface away", gives, "aborted", {
  reason: "AbortError",
  after: false,
});
test("devices get free names, sizes and addresses of their own", gives, "names", {
  names: ["tap0", "tap1"],
  mtu: 9000,
  macs: true,
  vnet: true,
});
test("a name in use is told as such", gives, "inUse", {
  error: { name: "LabError", code: "TAP_NAME_IN_USE" },
});
test("impossible names and sizes are the caller's mistake, and leave no device", gives, "badNames", {
  errors: Array.from({ length: 5 }, () => "TypeError"),
  mtu: { name: "TypeError", message: "openTap: lab0 cannot have an MTU of 12 bytes" },
  left: false,
});
test(
  "a device handed to a child is there as long as the child, also when that is killed",
  gives,
  "handOver",
  {
    during: true,
    after: false,
  },
);

/** The case "open" run by another command. */
const openBy = async (file: string, ...args: readonly string[]) =>
  parse(await runCommand(file, args))["open"]!;
const node = [process.execPath, "--conditions=source"] as const;

test("a program without rights over its network is told what to do", async (t) => {
  const root = process.geteuid?.() === 0;
  const less = root ? ["--bounding-set=-net_admin", "--inh-caps=-net_admin"] : [];
  const error = await openBy("setpriv", ...less, "--", ...node, program, "open");
  t.regex(String(error["code"]), /^(?:TAP_REFUSED|TUN_UNAVAILABLE)$/);
});

/** The same where something else than the driver is at /dev/net/tun. */
const openWith = async (mount: string) => {
  const shell = ["sh", "-c", `${mount} && exec "$@"`, "sh"];
  return await openBy(
    "unshare",
    "--map-root-user",
    "--net",
    "--mount",
    "--",
    ...shell,
    ...node,
    program,
    "open",
  );
};

test("without /dev/net/tun the error names it and the cure", async (t) => {
  const error = await openWith("mount -t tmpfs none /dev/net");
  t.like(error, { name: "LabError", code: "TUN_UNAVAILABLE" });
  t.regex(String(error["message"]), /\/dev\/net\/tun \(ENOENT\): .*modprobe tun/);
});

test("an ordinary file in the place of /dev/net/tun is found out", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "sanlab-tun-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, "tun");
  writeFileSync(file, "");
  t.like(await openWith(`mount --bind ${file} /dev/net/tun`), { name: "LabError", code: "TUN_UNAVAILABLE" });
});

const module = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;

test("without koffi the error names the package and the cure", async (t) => {
  // A loader that refuses the package stands for an installation without optional packages.
  const refuse = `export const resolve = (name, context, next) => {
    if (name === "koffi") throw new Error("Cannot find package 'koffi'");
    return next(name, context);
  };`;
  const register = `import { register } from "node:module"; register("${module(refuse)}");`;
  const [file, ...options] = node;
  const error = await openBy(file, ...options, "--import", module(register), program, "open");
  t.is(error["code"], "KOFFI_MISSING");
  t.regex(String(error["message"]), /koffi .*npm ci/);
});

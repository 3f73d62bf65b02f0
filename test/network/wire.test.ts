import path from "node:path";
import test from "ava";
import { run } from "./run.ts";
import { node } from "./chain.ts";

type Results = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** All cases, run one after the other in one namespace. */
const all = run("unshare", [
  "--map-root-user",
  "--net",
  "--",
  ...node,
  path.join(import.meta.dirname, "programs", "wires.ts"),
]).then(({ stdout, stderr }) => {
  if (stdout === "") throw new Error(stderr);
  const results: Results = JSON.parse(stdout);
  return results;
});

/** A case of the program and what it is to print. */
const gives = test.macro(async (t, name: string, expected: Readonly<Record<string, unknown>>) => {
  t.like((await all)[name], expected);
});

const wire = {
  mac: "02:eb:55:7e:ef:5d",
  mtu: 1400,
  address: { text: "10.77.0.1/24", host: "10.77.0.1", prefixLength: 24, network: "10.77.0.0/24" },
  ipv6: { text: "fd77::1/64", host: "fd77::1", prefixLength: 64, network: "fd77::/64" },
  linkLocal: "fe80::eb:55ff:fe7e:ef5d",
};

test("a wire is up, has its addresses and says which", gives, "whole", {
  wire,
  reports: [{ kind: "wire", name: "lab0", address: "10.77.0.1/24", mac: wire.mac, mtu: 1400, ports: 1 }],
});

test("all its addresses can be listened on at once", gives, "whole", { bound: [true, true, true] });

test("the kernel agrees, and has no address that nobody gave", async (t) => {
  const { kernel, addresses } = (await all)["whole"]!;
  t.like(kernel, { address: wire.mac, mtu: 1400 });
  t.deepEqual(addresses, ["10.77.0.1/24", "fd77::1/64", "fe80::eb:55ff:fe7e:ef5d/64"]);
});

test(
  "a clamped wire has 4 segments under way on its very first connection, another the kernel's 10",
  gives,
  "clamp",
  {
    sent: { free: 10, clamped: 4 },
  },
);

test("several wires have routes of their own", gives, "several", {
  routes:
    "10.77.0.0/24 dev lab0 proto kernel scope link src 10.77.0.1 \n10.78.0.0/16 dev lab1 proto kernel scope link src 10.78.0.1 \n",
  mac: "02:00:00:00:00:99",
});

test(
  "a wire of the same name has the same hardware address again, and is gone in between",
  gives,
  "sameMac",
  {
    same: true,
    left: ["lo"],
  },
);

test("two machines on a wire hear each other and the host", gives, "bridge", {
  ports: ["lab0-0", "lab0-1"],
  heard: true,
  answeredBy: true,
});

test("the bridge goes with its wire", gives, "bridgeTakenDown", { left: ["lo"] });

test("a wire that was handed over ends with the machine that has it", gives, "handOver", {
  during: ["lab0", "lo"],
  after: ["lo"],
});

const fails = test.macro(
  async (t, name: string, expected: Readonly<Record<string, unknown>>, message: RegExp) => {
    const failure = (await all)[name]!;
    t.like(failure, expected);
    t.regex(String(failure["message"]), message);
    t.false(String(failure["message"]).includes("\n"));
  },
);

const badAddress = { name: "UsageError", code: "BAD_ADDRESS" };
const setup = { name: "LabError", code: "NETWORK_SETUP" };
test(
  "an address without prefix length",
  fails,
  "badAddress",
  badAddress,
  /"10.77.0.1" is no IPv4 address with prefix/,
);
test("a prefix longer than an address", fails, "badPrefix", badAddress, /such as 10\.77\.0\.1\/24/);
test("an address of the other family", fails, "badIpv6", badAddress, /such as fd77::1\/64/);
test("a clamp on too wide a network", fails, "tooWide", badAddress, /\/24 at most/);
test("a name too long for an interface", fails, "badName", { name: "TypeError" }, /1 to 12/);
test("no hardware address", fails, "badMac", { name: "TypeError" }, /"nonsense"/);
test(
  "what the kernel refuses, with the command and its reason",
  fails,
  "badMtu",
  setup,
  /'ip link set dev lab0.*mtu greater/,
);
test(
  "a failure after devices were made",
  fails,
  "halfDone",
  setup,
  /'ip link set dev lab0 address 03:.*Cannot assign/,
);
test("an aborted signal", fails, "aborted", { name: "AbortError" }, /aborted/);
test("no failure leaves a device", gives, "devices", { left: ["lo"] });

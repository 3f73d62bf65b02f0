import test from "ava";
import { planRun, scenarioFrom, whyNoWires, type ScenarioSource } from "#harness/scenario";
import { loadGuest } from "#vm-images";

const manifest = await loadGuest("debian-mini");
const prepared = { image: "/images/disk.raw", sha256: "00", format: "raw", built: false } as const;
const tcg = { kind: "tcg", reason: "asked for" } as const;

const why = (source: ScenarioSource, reason?: string) => whyNoWires(scenarioFrom(source, "x"), reason);

function plan(source: ScenarioSource, noWires?: string) {
  return planRun(scenarioFrom(source, "x"), { manifest, prepared }, { accel: tcg, noWires }, "/runs/x");
}

test("each card has a wire, an address and a MAC of its own", (t) => {
  const { nics, network } = plan({
    nics: [{ model: "virtio" }, { model: "e1000", mac: "52:54:00:AA:BB:CC" }],
  });
  t.deepEqual(nics, [
    { model: "virtio", mac: "52:54:00:5a:4e:01", wire: "lab0", address: "10.77.0.100" },
    { model: "e1000", mac: "52:54:00:aa:bb:cc", wire: "lab1", address: "10.77.1.100" },
  ]);
  t.deepEqual(network.kind === "private" && network.wires.map(({ address }) => address), [
    "10.77.0.1/24",
    "10.77.1.1/24",
  ]);
});

function gateways(gateway: "none" | "answers" | "silent") {
  const { nics, network } = plan({ gateway, nics: [{}, {}] });
  const wires = network.kind === "private" ? network.wires : [];
  return [nics.map((nic) => nic.gateway), wires.map((wire) => wire.gateway)];
}

test("guests are told of a gateway, and the lab plays it where it is to answer", (t) => {
  t.deepEqual(gateways("none"), [
    [undefined, undefined],
    [undefined, undefined],
  ]);
  t.deepEqual(gateways("silent"), [
    ["10.77.0.254", "10.77.1.254"],
    [undefined, undefined],
  ]);
  t.deepEqual(gateways("answers"), [
    ["10.77.0.254", "10.77.1.254"],
    ["10.77.0.254/24", "10.77.1.254/24"],
  ]);
  t.throws(() => plan({ gateway: "silent", firmware: "emulated", addresses: "ipv6" }), {
    code: "SCENARIO_INVALID",
    message: /gateway: is an IPv4 address/,
  });
});

test("only cards that lose bursts get a clamped wire", (t) => {
  const { network } = plan({ nics: [{ model: "rtl8139" }, { model: "e1000" }, { model: "ne2k" }] });
  t.deepEqual(network.kind === "private" && network.wires.map(({ clampCwnd }) => clampCwnd), [
    true,
    false,
    true,
  ]);
});

test("tgtd keeps LUN 0 for itself", (t) => {
  t.is(plan({}).target.lun, 0);
  t.like(plan({ target: "tgt" }).target, { kind: "tgt", lun: 1, host: "10.77.0.1", port: 3260 });
  t.like(plan({ target: "istgt" }).target, { kind: "istgt", lun: 0, host: "10.77.0.1", port: 3260 });
});

test("a target that is there is reached as the guest sees it", (t) => {
  const remote = plan({ target: "iscsi://192.0.2.7:3261/iqn.2000-01.org.example:a/5" }, "outside").target;
  t.deepEqual(remote, {
    kind: "external",
    iqn: "iqn.2000-01.org.example:a",
    host: "192.0.2.7",
    port: 3261,
    lun: 5,
  });
  t.is(plan({ target: "iscsi://127.0.0.1/iqn.2000-01.org.example:a/0" }, "outside").target.host, "10.0.2.2");
});

test("time-outs scale with the accelerator unless the scenario has its own", (t) => {
  t.is(plan({}).timeoutMs, 300_000);
  t.is(plan({ timeout: 7 }).timeoutMs, 7000);
});

test("a guest is not put on firmware that it does not boot on", (t) => {
  const scenario = scenarioFrom({ uefi: true }, "x");
  const guest = { manifest: { ...manifest, firmware: ["bios" as const] }, prepared };
  t.throws(() => planRun(scenario, guest as never, { accel: tcg }, "/runs/x"), {
    code: "GUEST_FIRMWARE",
    message: "debian-mini does not boot on uefi; set uefi: false",
  });
});

test("wires are done without only for a reason", (t) => {
  t.is(why({}), undefined);
  t.is(why({}, "forbidden"), "forbidden");
  t.regex(why({ target: "iscsi://192.0.2.7/iqn.2000-01.org.example:a/0" }) ?? "", /outside/);
});

const refused = test.macro((t, source: ScenarioSource, message: RegExp) => {
  t.throws(() => whyNoWires(scenarioFrom(source, "x"), "forbidden"), {
    code: "NEEDS_PRIVATE_NETWORK",
    message,
  });
});
test(
  "rtl8139 needs a wire",
  refused,
  { nics: [{ model: "rtl8139" }] },
  /^--nic rtl8139 does not boot over .*, and forbidden;/,
);
test(
  "a gateway needs a wire",
  refused,
  { gateway: "answers" },
  /^a gateway of one's own needs a private network, and forbidden;/,
);
test(
  "several cards need wires",
  refused,
  { nics: [{}, {}] },
  /^several NICs need a private network, and forbidden;/,
);

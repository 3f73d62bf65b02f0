import { mkdtemp, rm } from "node:fs/promises";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { readIbft, writeIbft } from "#ibft";
import { parseScenario, planRun, scenarioFrom, type ScenarioSource } from "#harness/scenario";
import { loadGuest } from "#vm-images";
import { machineOf } from "../../harness/scenario/boot-machine.ts";
import { tableSpec } from "../../harness/scenario/emulated-table.ts";
import { FirmwareDiskLog } from "../../harness/scenario/firmware-disk-log.ts";
import { relaySecret } from "../../harness/scenario/secret-relay.ts";

const manifest = await loadGuest("debian-mini");
const prepared = { image: "/images/disk.raw", sha256: "00", format: "raw", built: false } as const;
const accel = { kind: "tcg", reason: "asked for" } as const;
const emulated = (source: ScenarioSource) => scenarioFrom({ firmware: "emulated", ...source }, "x");
const plan = (source: ScenarioSource, more: { noWires?: string; chapSecrets?: object } = {}) =>
  planRun(emulated(source), { manifest, prepared }, { accel, ...more }, "/runs/x");

/** The table that such a scenario gets, read again from its bytes. */
function table(source: ScenarioSource, noWires?: string) {
  const planned = plan(source, noWires === undefined ? {} : { noWires });
  const { host, iqn, lun } = planned.target;
  const { carrier: _carrier, also: _also, ...wish } = planned.scenario.ibft ?? { also: [] };
  return readIbft(writeIbft(tableSpec(planned, { host, port: 3260, target: iqn, lun }, wish))).table;
}

test("the table says what session and machine say", (t) => {
  const { initiator, nics, targets } = table({ nics: [{ model: "virtio" }, {}] });
  t.is(initiator?.name, "iqn.2026-11.lab.sanlab:guest");
  t.like(nics[0], {
    ip: "10.77.0.100",
    prefix: 24,
    origin: 3,
    dhcp: "10.77.0.1",
    gateway: null,
    mac: "52:54:00:5a:4e:01",
    pci: "00:02.0",
    flags: 3,
  });
  t.like(nics[1], { ip: null, mac: "52:54:00:5a:4e:02", pci: "00:03.0", flags: 1, index: 1 });
  t.like(targets[0], {
    ip: "10.77.0.1",
    port: 3260,
    name: "iqn.2026-11.lab.sanlab:disk",
    chapType: 0,
    nic: 0,
  });
  t.is(targets.length, 1);
});

test("a further target is a way to the disk by a NIC that then has an address", (t) => {
  const { nics, targets } = table({ nics: [{}, {}], ibft: { targets: [{}, {}] } });
  t.like(nics[1], { ip: "10.77.1.100", prefix: 24 });
  t.like(targets[1], { ip: "10.77.1.1", nic: 1, name: "iqn.2026-11.lab.sanlab:disk", flags: 1 });
});

test("what the scenario writes stands over the facts, and further NICs behind them", (t) => {
  const { nics, oemId } = table({
    ibft: { oemId: "FENSYS", nics: [{ vlan: 77 }, { mac: "52:54:00:77:00:51", pci: "00:09.0" }] },
  });
  t.is(oemId, "FENSYS");
  t.like(nics[0], { vlan: 77, ip: "10.77.0.100" });
  t.like(nics[1], { mac: "52:54:00:77:00:51", index: 1 });
});

test("IPv6", (t) => {
  const { nics, targets } = table({ addresses: "ipv6" });
  t.like(nics[0], { ip: "fd77::100", prefix: 64, origin: 1, dhcp: null });
  t.is(targets[0]?.ip, "fd77::1");
});

test("on the user-mode network, QEMU's own addresses", (t) => {
  const { nics, targets } = table({}, "no wires");
  t.like(nics[0], { ip: "10.0.2.15", dhcp: "10.0.2.2", dns1: "10.0.2.3", gateway: null });
  t.is(targets[0]?.ip, "10.0.2.2");
  const outside = table({ target: "iscsi://192.0.2.7/iqn.2000-01.org.example:a/5" }, "outside");
  t.is(outside.nics[0]?.gateway, "10.0.2.2");
  t.like(outside.targets[0], { ip: "192.0.2.7", lun: "0005000000000000" });
});

test("CHAP: the secrets of target and table are the same, of Microsoft's length, and made up anew", (t) => {
  const { chap } = plan({ chap: "mutual" }).target;
  t.is(chap?.secret.length, 16);
  t.not(chap?.secret, chap?.mutual?.secret);
  t.not(chap?.secret, plan({ chap: "mutual" }).target.chap?.secret);
  const { targets } = table({
    chap: { user: "vm0", secret: "twelve bytes", mutual: { user: "disk", secret: "twelve others" } },
  });
  t.like(targets[0], {
    chapType: 2,
    chapName: "vm0",
    chapSecret: "twelve bytes",
    reverseChapName: "disk",
    reverseChapSecret: "twelve others",
  });
});

test("CHAP secrets from the environment", (t) => {
  const chapSecrets = { own: "from elsewhere", mutual: "from there too" };
  const named = plan({ chap: { user: "vm0", mutual: { user: "disk" } } }, { chapSecrets });
  t.deepEqual(named.target.chap, {
    user: "vm0",
    secret: "from elsewhere",
    mutual: { user: "disk", secret: "from there too" },
  });
  t.throws(() => plan({ chap: { user: "vm0" } }), { code: "NO_SECRET", message: /SANLAB_CHAP_SECRET/ });
  const url = { target: "iscsi://me@192.0.2.7/iqn.2000-01.org.example:a/0" };
  t.is(plan(url, { noWires: "outside", chapSecrets }).target.chap?.user, "me");
});

test("a table that no system boots from is refused before anything starts, unless it is meant", (t) => {
  const wrong = { nics: [{ index: 7 }] };
  t.throws(() => plan({ ibft: wrong }), { code: "IBFT_SPEC", message: /nic0\.index.*R35/ });
  t.notThrows(() => plan({ ibft: { ...wrong, quirks: {} } }));
  t.throws(() => plan({ ibft: { address: 0x400 } }), { code: "IBFT_CARRIER" });
});

test("a guest is asked only for what it knows", (t) => {
  t.throws(() => plan({ requests: ["dance"] }), { code: "GUEST_REQUEST", message: /show-ibft/ });
  const { extraArgs } = machineOf(plan({ requests: ["show-ibft"] }));
  t.deepEqual(extraArgs, ["-fw_cfg", "name=opt/sanlab/guest,string=show-ibft"]);
});

const refused = test.macro((t, text: string, message: RegExp) => {
  t.throws(() => parseScenario(text, "a.yaml"), { code: "SCENARIO_INVALID", message });
});
const firmware = "firmware: emulated\n";
test("a table for iPXE", refused, "ibft: {carrier: rom}", /^a\.yaml:1:7: ibft: is for firmware: emulated/);
test("IPv6 with iPXE", refused, "addresses: ipv6", /:1:12: addresses: /);
test(
  "a controller that OVMF does not drive",
  refused,
  `${firmware}uefi: true\nemulated: {controller: pvscsi}`,
  /:3:24: emulated\.controller: OVMF drives nvme/,
);
test(
  "a wrong checksum by ACPI",
  refused,
  `${firmware}ibft: {carrier: acpi, quirks: {checksum: wrong}}`,
  /ibft\.quirks\.checksum: QEMU repairs/,
);
test("memory without an address", refused, `${firmware}ibft: {carrier: memory}`, /needs an address/);
test(
  "an address for ACPI",
  refused,
  `${firmware}uefi: true\nibft: {also: [{address: 0x9e000}]}`,
  /:3:\d+: ibft\.also\.0\.address: /,
);
test(
  "an unknown field of a NIC's structure",
  refused,
  `${firmware}ibft: {nics: [{vlam: 7}]}`,
  /unknown key "vlam" in ibft\.nics\.0; known are offset, .*vlan/,
);
test(
  "a CHAP secret that is too short",
  refused,
  "chap: {user: a, secret: short}",
  /chap\.secret: a CHAP secret has 12 bytes/,
);

test("the log of the firmware's disk tells first reads, sums, and each command behind the fence but flushes", (t) => {
  const seen: [string, object][] = [];
  const log = new FirmwareDiskLog((kind, data) => seen.push([kind, data]));
  const command = (name: string, offset: number, fenced = false) =>
    log.see("command", { command: name, offset, length: 512, fenced });
  command("read", 0);
  t.deepEqual(seen, [], "QEMU's own, before the machine runs");
  log.started();
  for (const offset of [0, 0, 512, 1024]) command("read", offset);
  command("write", 512);
  const failed = { command: "read", offset: 0, length: 512, error: "EIO", message: "lost" };
  log.see("command-failed", { connection: 1, export: "firmware", ...failed });
  log.see("command-failed", { ...failed, error: "ESHUTDOWN" });
  command("flush", 0, true);
  log.end();
  log.end();
  command("read", 4096, true);
  t.deepEqual(seen, [
    ["boot-sector", { offset: 0, length: 512 }],
    ["past-boot-sector", { offset: 512, length: 512 }],
    ["disk-error", failed],
    ["disk-io", { reads: 4, writes: 1, bytesRead: 2048, bytesWritten: 512 }],
    ["stray-command", { command: "read", offset: 4096, length: 512, count: 1 }],
  ]);
});

test("the relay puts the secret in place of what the tool was given, wherever the chunks end", async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-relay-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const secret = "a secret of the daemon";
  let heard = "";
  const daemon = createServer({ allowHalfOpen: true }, (socket) =>
    socket.on("data", (chunk) => (heard += String(chunk))).on("end", () => socket.end(`${heard.length}`)),
  );
  daemon.listen(path.join(folder, "daemon"));
  await once(daemon, "listening");
  t.teardown(() => daemon.close());
  await using relay = await relaySecret({ folder, name: "relay", daemon: "daemon", secret });
  t.is(relay.placeholder.length, secret.length);
  const tool = connect({ path: path.join(folder, "relay"), allowHalfOpen: true });
  let answer = "";
  tool.on("data", (chunk) => (answer += String(chunk)));
  const text = `user=a,password=${relay.placeholder},x=${relay.placeholder.slice(0, 5)}`;
  for (const character of text) await new Promise((resolve) => tool.write(character, resolve));
  tool.end();
  await once(tool, "end");
  t.is(heard, `user=a,password=${secret},x=${relay.placeholder.slice(0, 5)}`);
  t.is(answer, String(text.length));
});
